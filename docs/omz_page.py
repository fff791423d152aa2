"""Draws the README of tools/downloader from the parsers: each flag, and how Open Model Zoo
differs.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from types import ModuleType

from posezoo.omz.commands import converter, downloader, info_dumper, quantizer

#: The differences that most commands share, by flag.
SHARED_DIFFERENCES = {
    "--models_dir": "new: Open Model Zoo reads only its own folder",
    "--registry": (
        "new; without it, a name that posezoo lacks is looked up in Open Model Zoo automatically"
    ),
    "--print_all": (
        "prints the parts of composites, as 2021.4 did; the shims and the stand-in of a release after"
        " 2021.4 print composites, as that release did; downloader.py also works with an invalid model.yml"
    ),
}

# The differences of each command, by flag.
DOWNLOADER = {
    **SHARED_DIFFERENCES,
    "--name": "a part that is matched twice is downloaded once; the hint gives the nearest name",
    "--list": "a file that cannot be read gives one line of error, not a traceback",
    "--all": (
        "if a model.yml cannot be read, the other models are downloaded, and the exit code is 1"
    ),
    "--output_dir": (
        "a verified file is not downloaded again, and a failed download never replaces it; an"
        " archive stays beside its contents, so that it can be verified; provenance.json has the"
        " source of each file"
    ),
    "--cache_dir": "the same layout; without this flag nothing is cached, as in Open Model Zoo",
    "--num_attempts": (
        "5 instead of 1: a source that fails temporarily is tried again after 0.5 to 8 s (10 s "
        "in Open Model Zoo); a 404 is final"
    ),
    "--stall_timeout": (
        "new: Open Model Zoo waits forever for a server that sends nothing, or almost nothing"
    ),
    "--header": "new: `~/.netrc` works too, as in Open Model Zoo",
    "--allow_http": "new: Open Model Zoo accepts plain http for all files",
    "--allow_private_redirects": "new: Open Model Zoo follows every redirect",
    "--progress_format": (
        "each `_end` event that is not successful has a reason; files that are already there have"
        " the file events, and also model_file_up_to_date or model_file_retrieved"
    ),
    "--jobs": (
        "the number of files at once, also of one model (in Open Model Zoo: of models at once); the"
        " lines of one model stay together"
    ),
    "--trust_on_first_use": (
        "new: without this flag, a model whose publisher states no checksum is not downloaded; "
        "--all lists such models below `SKIPPED (no pin):`, with exit code 1"
    ),
    "--precisions": (
        "a model in none of these precisions is skipped, as in 2024.6; human-pose-estimation-0001"
        " also has FP16-INT8, as in 2021.4"
    ),
}

CONVERTER = {
    **SHARED_DIFFERENCES,
    "--output_dir": (
        "a card (README.md, card.json) and provenance.json are written beside an IR; each IR is"
        " compared with its original; an IR that is up to date is not converted again. The bytes"
        " are those of a current OpenVINO"
    ),
    "--precisions": "one process reads the model once for FP32 and FP16; in Open Model Zoo, one for each",
    "--python": ("used only for Model Optimizer, if there is no Python beside --mo or no --mo"),
    "--mo": (
        "used only for models that today's OpenVINO does not read (`posezoo info` says which). The"
        " folder of an environment works, too; POSEZOO_MO sets it for all commands. The mo of the"
        " stand-in is ignored"
    ),
    "--add_mo_arg": (
        "arguments that change the network are supported (--input, --input_shape, --layout,"
        " --mean_values, --scale_values, --scale, --reverse_input_channels, --output,"
        " --freeze_placeholder_with_value, --static_shape); --data_type and --compress_to_fp16 must"
        " agree with --precisions; any other argument goes to --mo, and is an error without --mo,"
        " not ignored"
    ),
    "--dry_run": (
        "prints the plan of a real run, also for a model that was not converted before (the newest"
        " release crashes)"
    ),
    "--jobs": (
        "the number of processes; each converts one model after the other; the lines of one model"
        " stay together"
    ),
    "--progress_format": (
        "new here: events as JSON, one for each line; the last one lists the failures and "
        "their reasons"
    ),
    "--checkpoint": "new: weights of your own instead of the published ones",
    "--model_name": "new: requires --checkpoint",
    "--allow_upstream_code": (
        "new: Open Model Zoo always runs the code that comes with a model, with all rights of the"
        " user; posezoo runs it only with this flag, in a sandbox"
    ),
}

QUANTIZER = {
    **SHARED_DIFFERENCES,
    "--name": "as in 2021.4, the last release with this command, which quantized no pose model",
    "--model_dir": "FP16-INT8 is also made from the FP32 IR: no FP16 IR of the model itself is needed",
    "--dataset_dir": (
        "any folder of photos, without annotations; if keypoints or boxes of INT8 and FP32 are too"
        " far apart, no IR is written. Without it, FP16-INT8 is made of models whose model.yml has"
        " int8_ranges, from their files in --model_dir"
    ),
    "--output_dir": (
        "a card (README.md, card.json) and provenance.json are written beside an IR; an IR that "
        "is up to date is kept"
    ),
    "--target_device": "the names of NNCF; VPU of 2021.4 means NPU",
    "--dry_run": "prints the plan of a real run",
    **{f"--{flag}": reason for flag, reason in quantizer.UNUSED_FLAGS.items()},
}

INFO_DUMPER = {
    **SHARED_DIFFERENCES,
    "--all": (
        "has the keys of 2021.4 and of the newest release, and more: files with size_bytes,"
        " checksum and sources; mean, scale and reverse_input_channels of each input; the published"
        " accuracy, gflops and mparams. A size_bytes or checksum that is not declared is null"
    ),
    "--name": "for the name of a composite, its parts, as in 2021.4; so model_stages is empty",
}

#: The differences from Open Model Zoo, by command and flag.
DIFFERENCES: dict[ModuleType, dict[str, str]] = {
    downloader: DOWNLOADER,
    converter: CONVERTER,
    quantizer: QUANTIZER,
    info_dumper: INFO_DUMPER,
}

#: The flags of Open Model Zoo 2024.6, and of the quantizer of 2021.4.
SELECTING = {"--name", "--list", "--all", "--print_all"}
OMZ_FLAGS: dict[ModuleType, set[str]] = {
    downloader: SELECTING
    | {
        "--precisions",
        "--output_dir",
        "--cache_dir",
        "--num_attempts",
        "--progress_format",
        "--jobs",
    },
    converter: SELECTING
    | {"--download_dir", "--output_dir", "--precisions", "--python", "--mo"}
    | {"--add_mo_arg", "--dry_run", "--jobs"},
    quantizer: SELECTING
    | {"--model_dir", "--dataset_dir", "--output_dir", "--precisions"}
    | {"--python", "--pot", "--dry_run", "--target_device"},
    info_dumper: SELECTING,
}

INTRODUCTION = """\
# Open Model Zoo's commands in posezoo

`downloader.py --name X` and `converter.py --name X` work as before, with current OpenVINO: for posezoo's own
models, for Open Model Zoo's, and with `--models_dir` for any folder of Open Model Zoo's model.yml files. They
run from a checkout (`./downloader.py` in its folder), whether posezoo is installed or not. If their Python lacks
a package that posezoo needs, as with `sudo ./downloader.py`, they go on in the `.venv` of `make quickstart`.
`posezoo shims DIR` writes the commands `omz_downloader`, `omz_converter`, `omz_quantizer` and `omz_info_dumper`.

If a script or a Dockerfile installs openvino-dev itself, [a stand-in](../../docs/migrating.md) replaces it.
Install it in a new environment: if pip replaces the real openvino-dev, it also removes files of the package
openvino.

```sh
python tools/downloader/downloader.py --print_all
python tools/downloader/downloader.py --name blazepose-full --output_dir build/omz
python tools/downloader/converter.py --name blazepose-full --download_dir build/omz
python tools/downloader/quantizer.py --name pose-landmark-full-mediapipe --model_dir build/omz --dataset_dir photos
python tools/downloader/info_dumper.py --name 'pose-*'
posezoo verify blazepose-full --weights_dir build/omz
```

The quantizer needs the [extra](../../docs/howto/installing.md#extras) `quantize`. It refuses INT8 that moves keypoints too
far, with exit code 1. With 6 photos, the other part of blazepose-full, its detector, was refused for 2 of 6 draws of
photos; give more.

Files go to `DIR/<public|intel>/<name>/<file>`, IR to `DIR/<public|intel>/<name>/<precision>/<name>.xml`.
The commands read settings such as `POSEZOO_MIRROR` and `POSEZOO_MODELS_DIR`, and a `posezoo.cfg`; but only a
flag sets the output folder, by default the working folder. There is no telemetry.

## Open Model Zoo's models

If posezoo's own registry lacks a name, the commands look it up in the metadata of Open Model Zoo 2024.6, then
2022.1, then 2021.4, and say so on the standard error:

```text
########## Warning: resnet-50-tf: not among posezoo's own models; taken from --registry omz
```

posezoo reads the metadata once from a wheel of openvino-dev (5 to 6 MB), from the package index that pip is
configured for, or from a mirror (`POSEZOO_MIRROR`). It stays in the user's cache folder, so later runs need no
network for it. posezoo knows the SHA-256 of the wheel, and neither installs nor runs any part of it. If the
metadata cannot be read, the command ends with `No matching models: "X"` and exit code 1; the hint says why.

The commands that `posezoo shims` writes, and those of the stand-in wheel, replace openvino-dev: without a
folder or registry, they use the models of its release, 2024.6 or that of `--wheel_version`. The scripts in
this folder, and posezoo's verbs, use posezoo's own models.

| flags | the stand-in, the shims | the scripts in this folder |
| --- | --- | --- |
| `--name X`, a line of `--list` | posezoo's own X, else Open Model Zoo's | the same |
| a glob: `--name 'face-*'` | posezoo's own and the release's | posezoo's own, else Open Model Zoo's |
| `--all`, `--print_all` | the release's (2024.6: 248) | posezoo's own; this needs no network |

| flag | models |
| --- | --- |
| `--registry omz` | posezoo's own and Open Model Zoo's; if both have a name, posezoo's own |
| `--models_dir DIR` | only the models in that folder, besides those of a `--registry` |
| `--registry posezoo` | only posezoo's own models; an unknown name then needs no network |

After a glob, the stand-in says how many models came from which registry, and which other releases have more:

```text
########## Warning: hbonet*: omz@2021.4 also has hbonet-0.5: --registry omz --registry omz@2021.4
########## Warning: hbonet*: 2 from omz
```

All models of Open Model Zoo 2024.6 are 39 GB (264 files of model.yml). `posezoo list --registry omz` shows
the registry of each model, and the names that are in both.

## Exit codes

0 everything is done or skipped · 1 something failed, or no model matched · 2 wrong flags · 3 a bug of
posezoo; a log is written · 130, 143, 129 ended by ^C, SIGTERM, SIGHUP.

The tests run the command lines in `tests/omz/table.py` with openvino-dev 2024.6 and with these tools; the
table gives the reason for each difference.
"""

OWN_FILES = """\
## posezoo's own files in a model's folder

`posezoo verify` reports files that are `changed`, `missing`, `unknown` (no checksum of
them is known), `extra` (neither declared nor made by posezoo), `symlinked`, or `special` (a pipe, a socket,
a device, or a folder instead of a file). Beside a model's files and IR, these belong to posezoo and are
never extra:

| name | what it is |
| --- | --- |
| `provenance.json` | the list of a folder's files, with digests, sources and recipes; beside an IR also its proof |
| `README.md`, `card.json` | the model's card |
| `.NAME.part`, `.NAME.part.json` | the downloaded beginning of the file NAME; the next run resumes it |
| `.posezoo-*/` | a temporary folder; the next run removes one that was left behind |
| `NAME.orig` | a published text file, if model.yml changes its text |
| `NAME.onnx` | the ONNX file that `posezoo convert --onnx_only` wrote |
| `model.yml`, `composite-model.yml`, `measured.yml` | a registry's files, if it is also the output folder |

You may remove an archive after it is unpacked: posezoo then checks the files from it.
"""

EVENTS = """\
## Lines and events

Headings of models and steps, `FAILED:` and the names below it go to the standard output. Errors with their
reasons, and warnings, go to the standard error, as `########## Error:` and `########## Warning:`. An
unknown key in a model.yml gives such a warning; Open Model Zoo's tools ignore it.

With `--progress_format json` each line of the standard output is an object, with `$type` first:
`model_download_begin` {model, num_files; revision, if it is not the first}, `model_download_end` {model,
successful, reason}, `model_file_download_begin` {model, model_file, size, source},
`model_file_download_progress` {model, model_file, size}, `model_file_download_end` {model, model_file,
successful, reason}, `model_postprocessing_begin` {model}, `model_postprocessing_end` {model, successful,
reason}; and posezoo's own: `model_file_up_to_date` {model, model_file}, `model_file_retrieved` {model,
model_file, origin}, `model_file_postprocessing` {model, model_file, action}; and for a package that contains
files of the model, `model_package_download_begin` {model, package, size}, `model_package_download_progress`
{model, package, size}, `model_package_download_end` {model, package, successful, reason}.
"""


#: What the table of differences does not repeat.
SAME, NEW = "", "new"


def render_readme() -> str:
    """The page, as Markdown."""
    note = "<!-- drawn by `make docs` from docs/omz_page.py: change it there -->\n"
    return "\n".join((note + INTRODUCTION, _flags_section(), OWN_FILES, EVENTS))


def _flags_section() -> str:
    """Each flag once, with the commands that have it, by what differs from Open Model Zoo."""
    commands: dict[tuple[str, str], list[str]] = {}
    for tool, differences in DIFFERENCES.items():
        parser: argparse.ArgumentParser = tool.COMMAND.create_parser()
        for action in parser._actions:
            if action.dest == "help" or action.help == argparse.SUPPRESS:
                continue
            flag = ", ".join(f"`{each}`" for each in action.option_strings)
            usual = NEW if OMZ_FLAGS[tool].isdisjoint(action.option_strings) else SAME
            stated = (differences[each] for each in action.option_strings if each in differences)
            difference = next(stated, usual)
            commands.setdefault((flag, difference), []).append(parser.prog.removesuffix(".py"))
    rows = [
        f"| {flag} | {_join(names)} | {difference} |"
        for (flag, difference), names in commands.items()
        if difference not in (SAME, NEW)
    ]
    return "\n".join(
        [
            "## Flags\n",
            "`--help` of a command explains its flags.\n",
            "As in Open Model Zoo:\n",
            *_list_flags(commands, SAME),
            "\nNew:\n",
            *_list_flags(commands, NEW),
            "\n| flag | of | what differs from Open Model Zoo |\n| --- | --- | --- |",
            *rows,
            "",
        ]
    )


def _list_flags(commands: Mapping[tuple[str, str], Sequence[str]], difference: str) -> list[str]:
    """The flags with this difference, a line for those of the same commands."""
    flags: dict[str, list[str]] = {}
    for (flag, stated), names in commands.items():
        if stated == difference:
            flags.setdefault(_join(names), []).append(flag)
    return [f"- {names}: {', '.join(found)}" for names, found in flags.items()]


def _join(names: Sequence[str]) -> str:
    return "all" if len(names) == len(DIFFERENCES) else ", ".join(names)
