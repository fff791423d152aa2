"""Plan the work for a model; a dry run prints the plan, and a real run carries it out."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from posezoo.convert.conversion_plan import ConversionOptions, PlannedIr, explain_stale_ir, plan_irs
from posezoo.download.model_download import PlannedFile, download_model, plan_download
from posezoo.errors import ConversionError
from posezoo.files import stores, verified_files
from posezoo.ir.provenance import IsGood
from posezoo.layout import DECODED, ModelLayout
from posezoo.pipeline.zoo_context import Context
from posezoo.registry import format_command
from posezoo.resolve.resolved import Converter, Resolved, Target
from posezoo.spec.model import Digest, ModelSpec, Precision
from posezoo.spec.routes import Obstacle
from posezoo.user_folders import StorePath

if TYPE_CHECKING:
    from posezoo.convert.model_optimizer import ModelOptimizer


@dataclass(frozen=True, slots=True)
class Plan:
    """The work to do for one model."""

    resolved: Resolved
    irs: tuple[PlannedIr, ...]  # one for each requested IR
    #: One for each file that is needed; empty if no IR has to be made.
    files: tuple[PlannedFile, ...] = ()
    #: Descriptions of the code that comes with the model and will be run.
    upstream_code: tuple[str, ...] = ()
    obstacle: Obstacle | None = None  # why an IR that has to be made cannot be made here
    #: Makes the IR; None if another converter makes them.
    model_optimizer: ModelOptimizer | None = None
    source_error: ConversionError | None = None  # dry run: why the file to convert cannot be used

    @property
    def is_due(self) -> bool:
        """Whether an IR has to be made, or a file downloaded."""
        missing = any(file.candidate_names or file.is_unpinned for file in self.files)
        return missing or not all(ir.is_up_to_date for ir in self.irs)

    @property
    def is_possible(self) -> bool:
        """Whether nothing is known that prevents the work."""
        is_refused = any(file.is_unpinned for file in self.files)
        return self.obstacle is None and self.source_error is None and not is_refused

    @property
    def missing_files(self) -> tuple[PlannedFile, ...]:
        """The files that would be downloaded; an unpinned file would not."""
        return tuple(file for file in self.files if file.candidate_names)

    @property
    def download_size(self) -> int:
        """The total size of ``missing_files`` in bytes; a file of unknown size counts with its read
        limit.
        """
        return sum(planned.file.read_limit for planned in self.missing_files)


def make_plan(
    resolved: Resolved,
    context: Context,
    options: ConversionOptions | None = None,
    *,
    downloads: bool = True,
    is_dry_run: bool = False,
) -> Plan:
    """Plan the work for a model by checking which files exist; of servers, only stores are asked.

    Args:
        options: how its IR are made; None for the defaults.
        downloads: whether missing files are downloaded; if False, they have to exist already.
        is_dry_run: if True, nothing is written, not even the records of verified files; the working
            copy of a folder in a store gets only .xml files and records.

    Raises:
        ConversionError: an IR of other weights would be replaced, the Model Optimizer does not
            exist, or an argument could make it run code.
        LicenseError: the license of the model is not allowed.
    """
    options = options or ConversionOptions()
    optimizer = _find_model_optimizer(resolved, context)
    irs = plan_irs(
        resolved,
        options,
        mo_version=optimizer.version if optimizer else "",
        is_good=_prepare_check(resolved, is_dry_run=is_dry_run),
    )
    obstacle = next((ir.target.obstacle for ir in irs if ir.reason and ir.target.obstacle), None)
    plan = Plan(resolved, irs, obstacle=obstacle, model_optimizer=optimizer)
    is_done = resolved.spec.is_converted and not plan.is_due
    if obstacle is not None or is_done:
        return plan
    if resolved.runs_upstream_code:
        plan = _with_upstream_code(plan)
    if plan.obstacle is not None:
        return plan
    return _with_files(plan, context, downloads=downloads, is_dry_run=is_dry_run)


def _with_upstream_code(plan: Plan) -> Plan:
    from posezoo.convert.sandbox import HINT, explain_missing_sandbox
    from posezoo.convert.upstream_code import list_upstream_code

    if reason := explain_missing_sandbox():
        obstacle = Obstacle("sandbox", f"its code runs only in a sandbox: {reason}", HINT)
        return replace(plan, obstacle=obstacle)
    return replace(plan, upstream_code=list_upstream_code(plan.resolved.spec))


def _with_files(plan: Plan, context: Context, *, downloads: bool, is_dry_run: bool) -> Plan:
    """The plan with the published files, which are downloaded or have to exist."""
    resolved = plan.resolved
    spec = resolved.spec
    layout = resolved.layout
    if layout.custom_checkpoint(spec) is None:  # the user's own weights need no download
        if downloads:
            precisions = [target.precision for target in resolved.targets] if spec.is_ir else None
            options = context.download_options
            files = plan_download(spec, layout, options, precisions, is_dry_run=is_dry_run)
            return replace(plan, files=files)
        if StorePath.of(layout.download_dir) is not None:
            return _with_stored_files(plan, context, is_dry_run=is_dry_run)
    if is_dry_run and plan.is_due and not resolved.runs_upstream_code:
        return replace(plan, source_error=_explain_bad_source(resolved))
    return plan


def _prepare_check(resolved: Resolved, *, is_dry_run: bool) -> IsGood:
    """Bring the IR from their store, and return what checks if a file is good."""
    precisions = [] if is_dry_run else [target.precision for target in resolved.targets]
    stored = pull_irs(resolved.spec, resolved.layout, precisions)

    def is_good(path: Path, size: int, digest: Digest) -> bool:
        if is_dry_run and path in stored:  # only compared, not transferred
            return bool(stored[path]["size"] == size)
        return verified_files.is_verified(path, size, digest, remember=not is_dry_run)

    return is_good


def _find_model_optimizer(resolved: Resolved, context: Context) -> ModelOptimizer | None:
    """The Model Optimizer that makes an IR; None if another converter makes them."""
    converters = {each.converter for each in resolved.targets if not each.obstacle}
    if Converter.MODEL_OPTIMIZER not in converters:
        return None
    from posezoo.convert.model_optimizer import find_model_optimizer, refuse_unsafe_arguments

    refuse_unsafe_arguments(resolved.source)
    return find_model_optimizer(context.mo, context.mo_python)


def _with_stored_files(plan: Plan, context: Context, *, is_dry_run: bool) -> Plan:
    """The plan if the published files are in a store; a real run brings them from there."""
    spec = plan.resolved.spec
    layout = plan.resolved.layout
    for file in spec.files:
        path = layout.file_path(spec, file)
        if not stores.has_file(path, file.size, layout.limits):
            hint = format_command("download", spec, layout.download_dir)
            error = ConversionError(f"{path}: does not exist", hint=hint)
            return replace(plan, source_error=error)
    if plan.is_due and not is_dry_run:
        download_model(spec, layout, context.download_options, candidates=())
    return plan


def _explain_bad_source(resolved: Resolved) -> ConversionError | None:
    """The error if the file to convert cannot be used."""
    from posezoo.convert.frontends import verify_source_model

    try:
        verify_source_model(resolved.source, resolved.layout)
    except ConversionError as error:
        return error
    return None


def pull_irs(
    spec: ModelSpec, layout: ModelLayout, precisions: Collection[Precision]
) -> Mapping[Path, Mapping[str, Any]]:
    """Bring a model's IR to the working copy if they are in a store.

    Args:
        precisions: of these, the weights are transferred, too; of others, only the .xml and the
            record.

    Returns:
        What the store says about each file; ``size`` is in bytes.

    Raises:
        SourceError: the store cannot be read.
    """

    def is_wanted(name: str) -> bool:
        folder, _, file = name.removeprefix(f"{DECODED}/").partition("/")
        return folder in list(Precision) and (folder in precisions or not file.endswith(".bin"))

    return stores.pull(layout.model_dir(spec), layout.limits, is_wanted)


def require_current_ir(resolved: Resolved, target: Target, done: str) -> None:
    """Check that an IR is the one that model.yml describes, complete and unchanged.

    Args:
        done: a participle for the error message, such as "counted": what is not done with a wrong
            IR.

    Raises:
        ConversionError: it is not that IR.
    """
    spec = resolved.spec
    layout = resolved.layout
    if target.converter is Converter.PUBLISHED:
        folder = layout.download_dir
        files = [file for file in spec.files if file.name.startswith(f"{target.precision}/")]
        is_whole = all(
            verified_files.is_verified_file(layout.file_path(spec, file), file) for file in files
        )
        reason = "" if is_whole else "it is not the file that was published"
    else:
        folder = layout.output_dir
        reason = explain_stale_ir(resolved, target, verified_files.is_verified)
    if reason:
        raise ConversionError(
            f"{target.xml}: not {done}, since {reason}",
            hint=f"{format_command('get', spec, folder)} converts it again",
        )
