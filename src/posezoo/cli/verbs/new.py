"""posezoo new: a model.yml for a model that the registry has not yet, drafted from its published files."""

from __future__ import annotations

import argparse
import json
import os
import shlex
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from posezoo.cli import flags
from posezoo.cli.report import Console
from posezoo.errors import PosezooError, SettingsError
from posezoo.spec.model import Family, Framework, License

if TYPE_CHECKING:
    from posezoo.pipeline import Zoo
    from posezoo.spec.model import ModelSpec

EXAMPLES = """
posezoo new my-pose --from https://host/my-pose.onnx --license MIT
posezoo new my-pose --from https://host/my-pose.tflite --license Apache-2.0 --models_dir models --dry_run
posezoo new my-ir --from https://host/FP16/my-ir.xml https://host/FP16/my-ir.bin --license MIT --family intel
"""


def add_parser(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    """The verb's flags."""
    parser = flags.add_verb(
        verbs,
        "new",
        "download a model's files and draft its model.yml: size, SHA-384, inputs and outputs",
        EXAMPLES,
    )
    parser.add_argument("name", metavar="NAME", help="what the model is called, and its folder")
    parser.add_argument(
        "--from",
        dest="addresses",
        nargs="+",
        required=True,
        metavar="URL",
        help="where its published files are; a path of this machine will do",
    )
    parser.add_argument(
        "--license", required=True, metavar="SPDX", help="its terms, as https://spdx.org names them"
    )
    parser.add_argument(
        "--license_text",
        type=Path,
        metavar="FILE",
        help="the text of the terms, the holder's line first; it is copied",
    )
    parser.add_argument(
        "--task", default="human_pose_estimation", help="its task_type (default: %(default)s)"
    )
    parser.add_argument(
        "--framework",
        choices=[str(each) for each in Framework],
        help="what the files were made with, if names do not say",
    )
    parser.add_argument(
        "--family",
        choices=[str(each) for each in Family],
        default="public",
        help="its folder (default: %(default)s)",
    )
    flags.add_flags(parser, "output_dir", *flags.CACHE, "models_dir", "dry_run")
    flags.add_format_flags(parser)
    return parser


def run(args: argparse.Namespace) -> int:
    """Fetch, write the model.yml, and say what is left to fill in."""
    from posezoo.draft.draft_files import create_draft_spec, guess_framework
    from posezoo.pipeline import open_zoo

    zoo = open_zoo(flags.settings_from_args(args))
    root = _root(zoo)
    _refuse(args, zoo)
    framework = Framework(args.framework) if args.framework else guess_framework(args.addresses)
    spec = create_draft_spec(args.name, args.addresses, framework, Family(args.family))
    text = f"{args.license}-{args.name}.txt"
    spec = replace(spec, task=args.task, license=License(spdx=args.license, text=text))
    path = root / args.family / args.name / "model.yml"
    if args.dry_run:
        for file in spec.files:
            print(f"would download {file.sources[0]} to {zoo.layout.file_path(spec, file)}")
        print(f"would write {path}")
        return 0
    with Console(quiet=args.quiet) as console:
        spec, reason = _made_known(spec, zoo, console)
        if reason:
            console.warn(f"{spec.files[0].name}: inputs and outputs could not be read: {reason}")
    left = _write(args, spec, path, root)
    if args.format == "json":
        answer = {"model": args.name, "file": str(path), "left_to_fill_in": left}
        print(json.dumps(answer, indent=2))
    else:
        print(path)
        print("\n".join(("left to fill in:", *(f"  {each}" for each in left))))
        where = shlex.join([args.name, *flags.registry_arguments(args)])
        print(f"then: posezoo verify --metadata {where}; posezoo get {where}")
    return 0


def _root(zoo: Zoo) -> Path:
    """The only root of the registry, where models can be added."""
    from posezoo.errors import OutputError

    root, *others = zoo.registry.roots
    if others:
        raise SettingsError("--models_dir: a new model goes to one registry", hint="name one of them")
    if not root.is_dir():
        raise OutputError(f"{root}: no such folder of models", hint=f"make it: mkdir -p {root}")
    if not os.access(root, os.W_OK):
        raise OutputError(f"{root}: cannot be written", hint="name a registry of your own: --models_dir DIR")
    return root


def _refuse(args: argparse.Namespace, zoo: Zoo) -> None:
    """What cannot be meant, before anything is fetched."""
    from posezoo.spec.field_types import WORD_PATTERN
    from posezoo.spec.model_yml import TASKS
    from posezoo.spec.safe_names import case_folded, explain_invalid_model_name
    from posezoo.spec.spdx_licenses import is_license, suggest_license

    if reason := explain_invalid_model_name(args.name):
        raise SettingsError(f"{args.name!a} is no model's name: {reason}")
    if known := next(
        (name for name in zoo.registry.entries if case_folded(name) == case_folded(args.name)), ""
    ):
        where = zoo.registry.entries[known].path
        raise PosezooError(
            f"{known} is there already: {where}", hint="take another name, or change that file"
        )
    if not (WORD_PATTERN.fullmatch(args.license) and is_license(args.license)):
        raise SettingsError(
            f"--license: expected an SPDX identifier such as MIT, got {args.license!a}",
            hint=suggest_license(args.license),
        )
    if args.task not in TASKS:
        raise SettingsError(f"--task: no task_type is {args.task!a}", hint=f"known: {', '.join(TASKS)}")
    if args.license_text is not None and not args.license_text.is_file():
        raise SettingsError(f"--license_text: {args.license_text}: no such file")


def _made_known(spec: ModelSpec, zoo: Zoo, console: Console) -> tuple[ModelSpec, str]:
    """The model with size, SHA-384, inputs and outputs, and why these could not be read."""
    from posezoo.draft.draft_files import download_draft_files
    from posezoo.draft.network_ports import read_ports

    spec = download_draft_files(spec, zoo.layout, zoo.means, console)
    if spec.framework is Framework.PYTORCH:
        return spec, ""
    network = next(
        (file for file in spec.files if not file.name.endswith((".bin", ".prototxt"))), spec.files[0]
    )
    inputs, outputs, reason = read_ports(zoo.layout.file_path(spec, network))
    return replace(spec, inputs=inputs, outputs=outputs), reason


def _write(args: argparse.Namespace, spec: ModelSpec, path: Path, root: Path) -> tuple[str, ...]:
    """The files of the new model; what is left to fill in."""
    from posezoo.draft.model_yml_text import format_model_yml, list_missing_fields
    from posezoo.files.verified_files import write_atomically, write_error

    terms = root.parent / "licenses" / spec.license.text
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if args.license_text is not None:
            terms.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(terms, args.license_text.read_bytes())
    except OSError as error:
        raise write_error(path, error) from error
    write_atomically(path, format_model_yml(spec).encode())
    return list_missing_fields(spec, "" if terms.is_file() else str(terms))
