"""posezoo new: draft the model.yml of a new model from its published files."""

from __future__ import annotations

import os
import shlex
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

from posezoo.cli import flags
from posezoo.cli.flags import Flag
from posezoo.console.report import print_result
from posezoo.core.convert.file_kinds import is_file_name
from posezoo.core.declarations.field_types import WORD_PATTERN
from posezoo.core.declarations.model import Family, Framework, License, ModelSpec, list_frameworks
from posezoo.core.declarations.model_files import (
    find_network,
    is_checkpoint_file,
    is_network_file,
)
from posezoo.core.declarations.safe_names import case_folded, explain_invalid_model_name
from posezoo.core.declarations.sources import NpmPackageSource
from posezoo.core.errors import OutputError, PosezooError, SettingsError, shell_word
from posezoo.core.files.result_files import write_result
from posezoo.core.files.verified_files import (
    compute_digest,
    set_aside,
    write_atomically,
    writing,
)
from posezoo.core.lockfile.git_files import plan_git_files, read_kept
from posezoo.core.registry import Registry, builtin_models_dir
from posezoo.core.regular_files import is_open_pipe
from posezoo.core.resolve.stage_context import Context
from posezoo.run.verbs.run_flags import statement_from_args

EXAMPLES = """
posezoo new my-pose --from https://host/my-pose.onnx --license MIT
posezoo new my-pose --from https://host/my-pose.tflite --license Apache-2.0 --models_dir models --dry_run
posezoo new mine.onnx --mean_values 0 --scale_values 255 --decoder coordinates --detector none
posezoo new my-pose --from my-pose-v2.onnx --replace --models_dir models
posezoo new my-ir --from https://host/FP16/my-ir.xml https://host/FP16/my-ir.bin --license MIT
"""  # noqa: E501

FLAGS = (
    Flag(
        "name NAME|FILE",
        "the name of the model and of its folder; or an .xml or .onnx of your own, which gets a"
        " .yml beside it for --as, with what flags say",
    ),
    Flag(
        "--from URL",
        "URLs of the published files, npm:PACKAGE@VERSION/MEMBER, or paths on this machine",
        dest="addresses",
        nargs="+",
    ),
    Flag(
        "--license SPDX",
        "SPDX identifier of the license, such as Apache-2.0 (https://spdx.org/licenses)",
        str,
        default="",
    ),
    Flag(
        "--replace",
        "NAME exists, and these are its files now, such as those of another training: model.yml"
        " gets their sizes, checksums and addresses, and the next revision",
    ),
    Flag(
        "--license_text FILE",
        "file with the license text, which begins with the line that names the holder; it is"
        " copied",
    ),
    Flag(
        "--task",
        "the task_type of the model (default: %(default)s)",
        str,
        default="human_pose_estimation",
    ),
    Flag(
        "--framework FRAMEWORK",
        "the framework of the files, if their names do not show it:"
        f" {', '.join(list_frameworks())}",
        flags.parse_framework,
    ),
    "decoder decoder_options skeleton detector mean_values scale_values reverse_input_channels",
    f"weights_dir {flags.CACHE} {flags.LIMITS} models_dir dry_run {flags.FORMAT}",
)


class _NewArgs(flags.SkeletonArgs, flags.FormatArgs):
    decoder: str | None
    detector: str | None
    mean_values: list[tuple[float, ...]] | None
    scale_values: list[tuple[float, ...]] | None
    reverse_input_channels: bool
    name: str
    addresses: list[str] | None
    license: str
    replace: bool
    license_text: Path | None
    task: str
    framework: Framework | None


def run(args: _NewArgs) -> int:
    """Download the files, write the model.yml, and print which fields the user must complete."""
    from posezoo.run.subject import Kind, refuse_unused

    context = flags.context_from_args(args)
    if is_network_file(args.name) or (is_file_name(args.name) and not args.addresses):
        return _draft_beside(args, context)
    refuse_unused(Kind.MODEL, args.name, statement_from_args(args))
    if not args.addresses:
        args.parser.error("--from is required for the name of a model")
    root = _writable_root(context.registry)
    return _replace(args, context) if args.replace else _draft_model(args, context, root)


def _draft_model(args: _NewArgs, context: Context, root: Path) -> int:
    """Declare a new model in the registry ``root``."""
    from posezoo.upkeep.draft.draft_files import (
        create_draft_spec,
        guess_framework,
        refuse_sources_in_place,
    )

    assert args.addresses
    _check_arguments(args, context.registry)
    framework = args.framework or guess_framework(args.addresses)
    license = License(spdx=args.license, text=f"{args.license}-{args.name}.txt")
    spec = create_draft_spec(
        args.name, args.addresses, framework, Family.PUBLIC, task=args.task, license=license
    )
    refuse_sources_in_place(spec, context.layout)
    path = root / spec.family / args.name / "model.yml"
    if args.dry_run:
        downloads = {context.layout.file_path(spec, file): file.sources[0] for file in spec.files}
        answer = {"model": args.name, "file": path, "downloads": [*downloads]}
        lines = (f"would download {source} to {target}" for target, source in downloads.items())
        print_result(args.format, answer, *lines, f"would write {path}")
    else:
        _write_model(args, spec, path, root, context)
    return 0


def _write_model(args: _NewArgs, spec: ModelSpec, path: Path, root: Path, context: Context) -> None:
    """Download the files of a drafted model, and write its model.yml and what belongs to it."""
    from posezoo.upkeep.draft.draft_files import describe_files
    from posezoo.upkeep.draft.model_yml_text import (
        format_model_yml,
        list_missing_fields,
        local_files,
    )

    # Before anything is written: these may be no files that can be read.
    git_files = plan_git_files(context.lock.path)
    beside = root.parent if root == builtin_models_dir() else root
    license_text = beside / "licenses" / spec.license.text
    given_text = {license_text: read_kept(args.license_text)} if args.license_text else {}
    with flags.console_from_args(args) as console:
        spec, reason = describe_files(spec, context, console)
        if reason:
            console.warn(f"{spec.files[0].name}: inputs and outputs could not be read: {reason}")
    new_files = {path: format_model_yml(spec, path.parent).encode(), **given_text, **git_files}
    for target in given_text:
        with writing(target):
            set_aside(target, console, [compute_digest(args.license_text or target)])
    for file, content in new_files.items():
        write_atomically(file, content)
    if not _write_access_points(spec, root, context.download_options.cache_dir):
        console.warn(
            f"{args.name}: users will download its whole npm tarball: for a part of it, install"
            f" indexed_gzip, remove {path}, and draft it again with a cache"
        )
    missing = list_missing_fields(spec, "" if license_text.is_file() else str(license_text))
    words = shlex.join([args.name, *flags.registry_arguments(args)])
    committed = " ".join(
        shell_word(os.path.relpath(path)) for path in [*new_files, *local_files(spec)]
    )
    print_result(
        args.format,
        {"model": args.name, "file": path, "left_to_fill_in": missing},
        *new_files,
        "left to fill in:",
        *(f"  {line}" for line in missing),
        f"then: posezoo lint {words}; posezoo get {words}; posezoo lock {words}",
        f"for Git: git add {committed}, and the lock",
    )


def _draft_beside(args: _NewArgs, context: Context) -> int:
    """Write what is said of a network of the user's into a .yml beside it."""
    from posezoo.core.resolve.input_options import InputOptions
    from posezoo.run.network_file import describe_network_file
    from posezoo.run.pipeline_spec import resolve_pipeline
    from posezoo.run.subject import find_subject
    from posezoo.upkeep.draft.model_yml_text import format_beside

    if is_checkpoint_file(args.name):
        raise SettingsError(
            f"{args.name}: has weights without their network, which a model.yml beside it is for",
            hint=f"posezoo convert {shell_word(args.name)} makes an IR, which says all itself",
        )
    subject = find_subject(args.name, context, statement_from_args(args), needs_decoder=False)
    spec = describe_network_file(subject, InputOptions()).model
    assert isinstance(spec, ModelSpec)
    if args.detector:
        spec = replace(spec, people=resolve_pipeline(spec, context).people)
    path = Path(args.name).with_suffix(".yml")
    content = format_beside(spec).encode()
    if not args.dry_run:
        with flags.console_from_args(args) as console:
            write_result(path, content, console)
    would = "would write " if args.dry_run else "wrote "
    verb = "info" if find_network(args.name).endswith(".xml") else "convert"
    then = shlex.join(["posezoo", verb, args.name, "--as", f"{path}"])
    print_result(args.format, {"file": path}, f"{would}{path}", f"then: {then}")
    return 0


def _replace(args: _NewArgs, context: Context) -> int:
    from posezoo.upkeep.draft.draft_files import refuse_sources_in_place
    from posezoo.upkeep.draft.replacement import draft_replacement, write_replacement

    assert args.addresses
    spec = context.registry.find_single(args.name)
    drafted = draft_replacement(spec, args.addresses)
    refuse_sources_in_place(drafted, context.layout)
    words = shlex.join([args.name, *flags.registry_arguments(args)])
    then = f"then: posezoo get {words}; posezoo lock {words}"
    changed = [spec.path]
    if args.dry_run:
        then = f"would change {spec.path}"
    else:
        with flags.console_from_args(args) as console:
            git_files = plan_git_files(context.lock.path)
            write_replacement(spec, drafted, context, console)
            for path, content in git_files.items():
                write_atomically(path, content)
                changed.append(path)
    print_result(args.format, {"model": args.name, "file": spec.path}, *changed, then)
    return 0


def _write_access_points(spec: ModelSpec, registry: Path, cache_dir: Path | None) -> bool:
    from posezoo.core.download.origins import entry_path
    from posezoo.upkeep.draft.access_points import write_access_point

    for file in spec.files:
        source = file.sources[0]
        if isinstance(source, NpmPackageSource):
            assert source.integrity  # else it was not downloaded
            tarball = (cache_dir or registry) / entry_path(source.integrity)
            if not find_spec("indexed_gzip") or not tarball.is_file():
                return False
            write_access_point(source, tarball, registry)
    return True


def _writable_root(registry: Registry) -> Path:
    root, *others = registry.roots
    if others:
        raise SettingsError(
            "--models_dir: a new model goes to one registry", hint="name one of them"
        )
    if root == builtin_models_dir() and not Path.cwd().is_relative_to(root.parent):
        raise SettingsError(
            f"{root}: is posezoo's own registry",
            hint="name a registry of your own: --models_dir DIR; or work in posezoo's checkout",
        )
    existing = next(folder for folder in (root, *root.absolute().parents) if folder.exists())
    if not existing.is_dir():
        raise OutputError(
            f"{existing}: is not a folder", hint="name another folder: --models_dir DIR"
        )
    if not os.access(existing, os.W_OK):
        raise OutputError(
            f"{root}: cannot be written", hint="name a registry of your own: --models_dir DIR"
        )
    return root


def _check_arguments(args: _NewArgs, registry: Registry) -> None:
    from posezoo.core.declarations.model_yml import TASKS
    from posezoo.pages.spdx_licenses import is_license, suggest_license

    reason = explain_invalid_model_name(args.name)
    if reason:
        raise SettingsError(f"{args.name!a} cannot be the name of a model: {reason}")
    # A missing folder is created.
    entries = registry.entries if registry.roots[0].exists() else {}
    for name, entry in entries.items():
        if case_folded(name) == case_folded(args.name):
            hint = f"take another name; --replace declares other files of {name}"
            raise PosezooError(f"{name} exists already: {entry.path}", hint=hint)
    if not args.license:
        raise SettingsError("the license of a new model is not given", hint="--license SPDX")
    if not WORD_PATTERN.fullmatch(args.license) or not is_license(args.license):
        raise SettingsError(
            f"--license: expected an SPDX identifier such as MIT, got {args.license!a}",
            hint=suggest_license(args.license),
        )
    if args.task not in TASKS:
        raise SettingsError(
            f"--task: there is no task_type {args.task!a}", hint=f"one of {', '.join(TASKS)}"
        )
    if args.license_text:
        _check_license_text(args.license_text, args.license)


def _check_license_text(text: Path, spdx: str) -> None:
    from posezoo.pages.cards.card_reader import read_text
    from posezoo.pages.spdx_licenses import find_other_license

    if not text.is_file() and not is_open_pipe(text):
        raise SettingsError(f"--license_text: {text}: no such file")
    other = find_other_license(spdx, read_text(text) or "")
    if other and not spdx.startswith("LicenseRef-"):
        raise SettingsError(
            f"--license_text: {text}: is the text of {other}, not of {spdx}",
            hint="name the license of this text: --license SPDX",
        )
