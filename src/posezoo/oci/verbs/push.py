"""posezoo push: push the files and IR of models to an OCI registry.

With ``--format json`` it prints::

    address   str
    digest    str   of the manifest: sha256:...; empty for a dry run
    files     list  model, path, media_type, size, sha256, sha384

If a named model has no file, or a file is not the expected one, nothing is pushed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from posezoo.cli import flags
from posezoo.cli.flags import Flag
from posezoo.cli.report import print_result
from posezoo.cli.selection import select_models
from posezoo.core.errors import OutputError
from posezoo.oci.oci_artifacts import ADDRESS, artifact_to_json

if TYPE_CHECKING:
    from posezoo.core.declarations.model import ModelSpec
    from posezoo.core.registry import Selection
    from posezoo.core.resolve.stage_context import Context
    from posezoo.oci.oci_client import OciAddress

EXAMPLES = """
posezoo push oci://registry.example.org/pose/blazepose:1.0 blazepose-full
posezoo push oci://localhost:5000/zoo:2026-11 --all
posezoo push oci://localhost:5000/zoo:2026-11 'movenet-*' --dry_run
"""


FLAGS = (
    ADDRESS,
    flags.MODELS,
    Flag("--without_ir", "push only the published files"),
    flags.weights_dir_flag("folder of the models' files and IR"),
    flags.download_dir_flag(),
    f"attempts {flags.HTTP} login_host {flags.REGISTRY} dry_run {flags.FORMAT}",
)


class _PushArgs(flags.ModelsArgs, flags.FormatArgs):
    address: OciAddress
    without_ir: bool


def run(args: _PushArgs) -> int:
    """Push, and print the address with the digest of the manifest."""
    from posezoo.oci.model_artifact import collect_files, push_files

    patterns = flags.patterns_from_args(args)
    context = flags.context_from_args(args, {"locked": False})
    with flags.console_from_args(args) as console:
        selection = select_models(context.registry, patterns, console)
        specs = _list_present(selection, context, skips_absent=args.all)
        if not args.dry_run:
            _write_cards(selection, specs, context)
        files = collect_files(
            [*specs, *selection.composites], context.layout, with_irs=not args.without_ir
        )
        digest = ""
        if not args.dry_run:
            digest = push_files(
                files, specs, args.address, context.download_options, listener=console
            )
    size = sum(file.size for file in files)
    if args.dry_run:
        lines = [f"would push {len(files)} files ({size:,} bytes)", *(file.path for file in files)]
    else:
        address = replace(args.address, reference=digest)
        lines = [f"pushed {len(files)} files ({size:,} bytes)", str(address)]
    print_result(args.format, artifact_to_json(args.address, digest, files), *lines)
    return selection.exit_code


def _list_present(selection: Selection, context: Context, *, skips_absent: bool) -> list[ModelSpec]:
    """The selected models with any file here; an OutputError if others must not be skipped."""
    from posezoo.pages.license_notice import collect_license_terms

    all_specs = [context.lock.with_pins(spec) for spec in selection.models]
    specs = [term.spec for term in collect_license_terms(all_specs, context.layout)]
    if skips_absent and specs:
        return specs
    absent = [spec.full_name for spec in all_specs if spec not in specs]
    if absent:
        problem = f"{context.layout.output_dir}: has no file of {', '.join(absent[:5])}"
        raise OutputError(problem, hint="posezoo get downloads and converts models")
    return specs


def _write_cards(selection: Selection, specs: Sequence[ModelSpec], context: Context) -> None:
    from posezoo.core.pipeline.get import write_sidecars
    from posezoo.pages.model_filters import facts_of

    names = {spec.full_name for spec in specs}
    for facts in facts_of(selection, context.registry):
        if any(part.full_name in names for part in facts.parts):
            write_sidecars(facts.model, context)
