"""Generates the README of tools/downloader from the parsers: each flag, and how Open Model Zoo differs."""

from __future__ import annotations

import argparse
from types import ModuleType

from posezoo.cli.omz import converter, downloader, info_dumper, quantizer, verifier

TOOLS: tuple[ModuleType, ...] = (downloader, converter, quantizer, info_dumper, verifier)

INTRODUCTION = """\
# Open Model Zoo's commands, over posezoo

`downloader.py --name X` and `converter.py --name X` work as before, with current OpenVINO: for posezoo's own
models, or with `--models_dir` for any folder of Open Model Zoo's model.yml files. They run from a checkout
(`python tools/downloader/downloader.py`), whether posezoo is installed or not. `posezoo shims DIR` writes the
commands `omz_downloader`, `omz_converter`, `omz_quantizer` and `omz_info_dumper`.

```sh
python tools/downloader/downloader.py --print_all
python tools/downloader/downloader.py --name blazepose-full --output_dir models
python tools/downloader/converter.py --name blazepose-full --download_dir models
python tools/downloader/quantizer.py --name blazepose-full --model_dir models --dataset_dir photos
python tools/downloader/info_dumper.py --name 'pose-*'
python tools/downloader/verifier.py --name blazepose-full --output_dir models
```

Files go to `DIR/<public|intel>/<name>/<file>`, IR to `DIR/<public|intel>/<name>/<precision>/<name>.xml`.
Settings such as `POSEZOO_MIRROR` and `POSEZOO_MODELS_DIR`, and those of a `posezoo.cfg`, are used; but the
output folder is the one of the flags, or the working folder. There is no telemetry.

Exit codes: 0 everything is done or skipped · 1 something failed, or no model matched · 2 wrong flags · 130,
143, 129 ended by ^C, SIGTERM, SIGHUP.

The tests run the command lines in `tests/omz/table.py` with openvino-dev 2024.6 and with these tools, and
give the reason for each difference.
"""

OWN_FILES = """\
## posezoo's own files in a model's folder

`verifier.py` and `posezoo verify` report files that are `changed`, `missing`, `unknown` (no checksum of
them is known), `extra` (neither declared nor made by posezoo), `symlinked`, or `special` (a pipe, a socket,
a device, or a folder in place of a file). Beside a model's files and IR, these belong to posezoo and are
never extra:

| name | what it is |
| --- | --- |
| `provenance.json` | where each file came from; beside an IR: from what and how it was made |
| `README.md`, `card.json` | the model's card |
| `.posezoo/` | the state of each file: whether it is verified, what was unpacked, how much was downloaded |
| `.NAME.part` | the downloaded beginning of the file NAME; the next run resumes it |
| `.posezoo-*/` | a temporary folder; the next run removes one that was left behind |
| `NAME.orig` | a published text file, if model.yml changes its text |
| `NAME.onnx` | the intermediate ONNX file, with `--keep_onnx` |
| `model.yml`, `composite-model.yml`, `measured.yml` | a registry's files, if it is also the output folder |

An archive may be removed after it is unpacked: the files from it are checked instead.
"""

EVENTS = """\
## Lines and events

Headings of models and steps, `FAILED:` and the names below it go to the standard output. Errors with their
reasons, and warnings, go to the standard error, as `########## Error:` and `########## Warning:`. A key
that Open Model Zoo's model.yml does not have leads to such a warning; Open Model Zoo's tools ignore it.

With `--progress_format json` each line of the standard output is an object, with `$type` first:
`model_download_begin` {model, num_files; revision, if it is not the first}, `model_download_end` {model,
successful, reason}, `model_file_download_begin` {model, model_file, size, source},
`model_file_download_progress` {model, model_file, size}, `model_file_download_end` {model, model_file,
successful, reason}, `model_postprocessing_begin` {model}, `model_postprocessing_end` {model, successful,
reason}; and posezoo's own: `model_file_up_to_date` {model, model_file}, `model_file_retrieved` {model,
model_file, origin}, `model_file_postprocessing` {model, model_file, action}.
"""


def draw_readme() -> str:
    """The page, as Markdown."""
    note = "<!-- drawn by `make docs` from src/posezoo/cli/omz: change it there -->\n"
    return "\n".join((note + INTRODUCTION, *(_section(tool) for tool in TOOLS), OWN_FILES, EVENTS))


def _section(tool: ModuleType) -> str:
    parser: argparse.ArgumentParser = tool.create_parser()
    lines = [f"## {parser.prog}\n", f"{parser.description}\n"]
    lines += ["| flag | what it does | what differs from Open Model Zoo |", "| --- | --- | --- |"]
    for action in parser._actions:
        if action.dest == "help" or action.help == argparse.SUPPRESS:
            continue
        flag = ", ".join(action.option_strings)
        if action.nargs != 0:
            flag += f" {action.metavar or '|'.join(map(str, action.choices or ()))}"
        difference = tool.DIFFERENCES.get(action.option_strings[-1], "")
        cells = (f"`{flag}`", action.help or "", difference)
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"
