"""The README of tools/downloader, drawn from the parsers: each flag, and how Open Model Zoo's differs."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from types import ModuleType

from posezoo.cli.omz import converter, downloader, info_dumper, quantizer, verifier

TOOLS: tuple[ModuleType, ...] = (downloader, converter, quantizer, info_dumper, verifier)

INTRODUCTION = """\
# Open Model Zoo's commands, over posezoo

`downloader.py --name X` and `converter.py --name X` work as they did, on current OpenVINO: over posezoo's
own models, or with `--models_dir` over any folder of Open Model Zoo. They run from a bare checkout
(`python tools/downloader/downloader.py`) and from an installed posezoo; `posezoo shims DIR` writes them as
`omz_downloader`, `omz_converter`, `omz_quantizer` and `omz_info_dumper`.

```sh
python tools/downloader/downloader.py --print_all
python tools/downloader/downloader.py --name blazepose-full --output_dir models
python tools/downloader/converter.py --name blazepose-full --download_dir models
python tools/downloader/quantizer.py --name blazepose-full --model_dir models --dataset_dir photos
python tools/downloader/info_dumper.py --name 'pose-*'
python tools/downloader/verifier.py --name blazepose-full --output_dir models
```

Files go to `DIR/<public|intel>/<name>/<file>`, IR to `DIR/<public|intel>/<name>/<precision>/<name>.xml`.
`POSEZOO_MIRROR`, `POSEZOO_MODELS_DIR` and a `posezoo.cfg` are heeded; output folders are those of the flags
or the working folder. There is no telemetry.

Exit codes: 0 all done or skipped · 1 something failed, or nothing matched · 2 wrong flags · 130, 143, 129
ended by ^C, SIGTERM, SIGHUP.

`tests/omz/table.py` holds the command lines that are run through openvino-dev 2024.6 and these, side by side,
with the reason of each difference.
"""

OURS = """\
## What is ours in a model's folder

`verifier.py` and `posezoo verify` tell files that are `changed`, `missing`, `unknown` (nothing says what they
must hold), `extra` (nobody declared or made them), `symlinked`, or `special` (a pipe, a socket, a device, or
a folder in a file's place). Ours, and never extra, are beside a model's files and IR:

| name | what it is |
| --- | --- |
| `provenance.json` | where each file came from; beside an IR: from what and how it was made |
| `README.md`, `card.json` | the model's card |
| `.posezoo/` | which files were hashed and found good, what was unpacked, how far a part has come |
| `.NAME.part` | the beginning of the file NAME, for the next run to go on with |
| `.posezoo-*/` | a folder that is worked in; the next run removes one that was left behind |
| `NAME.orig` | a published text as it came, beside the one that model.yml has changed |
| `NAME.onnx` | what `--keep_onnx` asked for |
| `model.yml`, `composite-model.yml`, `measured.yml` | a registry's, where that is the output folder too |

An archive may be removed once it is unpacked: what it held stands for it.
"""

EVENTS = """\
## Lines and events

Headings of models and steps, `FAILED:` and the names below it go to the standard output; errors, each with
its reason, and warnings to the standard error, as `########## Error:` and `########## Warning:`. A key that
Open Model Zoo's form of model.yml has not is such a warning; its own tools say nothing.

With `--progress_format json` the standard output holds one object a line, `$type` first:
`model_download_begin` {model, num_files; revision, where it is not the first}, `model_download_end` {model,
successful, reason},
`model_file_download_begin` {model, model_file, size, source}, `model_file_download_progress` {model,
model_file, size}, `model_file_download_end` {model, model_file, successful, reason},
`model_postprocessing_begin` {model}, `model_postprocessing_end` {model, successful, reason}; and ours:
`model_file_up_to_date` {model, model_file}, `model_file_retrieved` {model, model_file, origin},
`model_file_postprocessing` {model, model_file, action}.
"""


def draw_readme() -> str:
    """The page, as Markdown."""
    note = "<!-- drawn by `make docs` from src/posezoo/cli/omz: change it there -->\n"
    return "\n".join((note + INTRODUCTION, *(_section(tool) for tool in TOOLS), OURS, EVENTS))


def _section(tool: ModuleType) -> str:
    parser: argparse.ArgumentParser = tool.create_parser()
    lines = [f"## {parser.prog}\n", f"{parser.description}\n"]
    lines += ["| flag | what it does | what differs from Open Model Zoo |", "| --- | --- | --- |"]
    lines += _rows(parser, tool.DIFFERENCES)
    return "\n".join(lines) + "\n"


def _rows(parser: argparse.ArgumentParser, differences: dict[str, str]) -> Iterator[str]:
    for action in parser._actions:
        if action.dest == "help" or action.help == argparse.SUPPRESS:
            continue
        flag = ", ".join(action.option_strings)
        if action.nargs != 0:
            flag += f" {action.metavar or '|'.join(map(str, action.choices or ()))}"
        difference = differences.get(action.option_strings[-1], "")
        cells = (f"`{flag}`", action.help or "", difference)
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
