"""Plan the work for a model; a dry run prints the plan, and a real run carries it out."""

from __future__ import annotations

from dataclasses import replace

from posezoo.core.convert.conversion_plan import (
    ConversionOptions,
    PlannedIr,
    key_now,
    plan_irs,
    with_settings,
)
from posezoo.core.convert.converter_program import FINDER, ConverterProgram
from posezoo.core.declarations.model import Route
from posezoo.core.declarations.routes import Obstacle
from posezoo.core.download.model_download import PlannedFile, plan_download
from posezoo.core.download.origins import FileOrigin
from posezoo.core.download.transfer import transfer_bytes
from posezoo.core.errors import (
    ConversionError,
    LockError,
    MissingPackageError,
    find_missing_packages,
)
from posezoo.core.files import verified_files
from posezoo.core.ir import provenance
from posezoo.core.pipeline.artifact_states import list_changed_files
from posezoo.core.registry import format_command
from posezoo.core.resolve.resolved import Converter, Resolved, Target
from posezoo.core.resolve.stage_context import Context
from posezoo.core.values import frozen


@frozen
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
    program: ConverterProgram | None = None
    missing_package: MissingPackageError | None = None  # that the conversion needs
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
        failures = (self.obstacle, self.missing_package, self.source_error)
        return not any(failures) and not is_refused

    @property
    def has_all_files(self) -> bool:
        """Whether all files that are needed are here, were read, and need no further step."""
        are_here = all(file.origin is FileOrigin.HERE for file in self.files)
        return are_here and not (self.files and self.resolved.spec.postprocessing)

    @property
    def missing_files(self) -> tuple[PlannedFile, ...]:
        """The files that would be downloaded; an unpinned file would not."""
        return tuple(file for file in self.files if file.candidate_names)

    @property
    def download_size(self) -> int:
        """The bytes that the download of ``missing_files`` transfers; if a size is unknown, their
        total size, with read limits for unknown ones.
        """
        spec = self.resolved.spec
        files = [planned.file for planned in self.missing_files]
        transferred = transfer_bytes([spec], files)
        return sum(file.read_limit for file in files) if transferred is None else transferred


def make_plan(
    resolved: Resolved,
    context: Context,
    options: ConversionOptions | None = None,
    *,
    downloads: bool = True,
    is_dry_run: bool = False,
) -> Plan:
    """Plan the work for a model by checking which files exist; no server is asked.

    Args:
        options: how its IR are made; None for the defaults.
        downloads: whether missing files are downloaded; if False, they have to exist already.
        is_dry_run: if True, no program is started.

    Raises:
        ConversionError: an IR of other weights would be replaced, the Model Optimizer does not
            exist, or an argument could make it run code.
        LicenseError: the license of the model is not allowed.
    """
    options = with_settings(options, context.settings)
    program = _find_program(resolved, context, is_dry_run=is_dry_run)
    irs = plan_irs(resolved, options, mo_version=program.version if program else "")
    due = [ir.target for ir in irs if not ir.is_up_to_date]
    obstacle = next((each.obstacle for each in due if each.obstacle), None)
    missing = None
    if due and resolved.route is Route.NETWORK:
        missing = find_missing_packages({"torch": "torch", "openvino": "run"})
    plan = Plan(
        resolved,
        irs,
        obstacle=obstacle,
        program=program,
        missing_package=missing,
    )
    is_done = resolved.spec.is_converted and not due
    if obstacle or (is_done and not _has_changed_files(resolved, context, downloads=downloads)):
        return plan
    if resolved.runs_upstream_code:
        plan = _with_upstream_code(plan, is_dry_run=is_dry_run)
    if plan.obstacle:
        return plan
    return _with_files(plan, context, downloads=downloads, is_dry_run=is_dry_run)


def _has_changed_files(resolved: Resolved, context: Context, *, downloads: bool) -> bool:
    """Whether a strict lock lists other bytes of a file that is here, which a download restores.

    Raises:
        LockError: there is one, and nothing is downloaded.
    """
    spec = resolved.spec
    has_own_weights = resolved.layout.custom_checkpoint(spec) is not None
    if has_own_weights or not context.lock.is_strict:
        return False
    changed = list_changed_files(spec, resolved.layout)
    if changed and not downloads:
        raise LockError(
            f"{changed[0].path}: is not the file that {context.lock.path} lists",
            hint=f"{format_command('download', spec, resolved.layout.download_dir)} restores it",
        )
    return bool(changed)


def _with_upstream_code(plan: Plan, *, is_dry_run: bool) -> Plan:
    from posezoo.core.convert.upstream_runner import UPSTREAM_CODE

    upstream = UPSTREAM_CODE.part
    obstacle = upstream.find_obstacle(starts=not is_dry_run)
    if obstacle:
        return replace(plan, obstacle=obstacle)
    return replace(plan, upstream_code=upstream.describe(plan.resolved.spec))


def _with_files(plan: Plan, context: Context, *, downloads: bool, is_dry_run: bool) -> Plan:
    resolved = plan.resolved
    spec = resolved.spec
    layout = resolved.layout
    needs_download = layout.custom_checkpoint(spec) is None  # not the user's own weights
    if downloads and needs_download:
        options = context.download_options
        files = plan_download(spec, layout, options, resolved.published_precisions)
        return replace(plan, files=files)
    if is_dry_run and plan.is_due and not resolved.runs_upstream_code:
        return replace(plan, source_error=_explain_bad_source(plan))
    return plan


def _find_program(
    resolved: Resolved, context: Context, *, is_dry_run: bool
) -> ConverterProgram | None:
    """None if another converter makes the IR; a dry run does not start the program."""
    converters = {each.converter for each in resolved.targets if not each.obstacle}
    if Converter.MODEL_OPTIMIZER not in converters:
        return None
    finder = FINDER.part
    finder.refuse_unsafe_arguments(resolved.source)
    find = finder.inspect if is_dry_run else finder.find
    return find(context.mo, context.mo_python)


def _explain_bad_source(plan: Plan) -> ConversionError | None:
    from posezoo.core.convert.frontends import verify_source_model

    resolved = plan.resolved
    try:
        verify_source_model(resolved.source, resolved.layout)
    except ConversionError as error:
        return error
    return None


def require_current_ir(resolved: Resolved, target: Target, done: str) -> None:
    """Check that an IR is the one that model.yml describes, complete and unchanged.

    Args:
        done: a participle for the error, such as "counted".

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
        record = provenance.read_ir_record(target.xml)
        key = key_now(resolved, target)
        reason = provenance.explain_stale_record(target.xml, record, key)
    if reason:
        raise ConversionError(
            f"{target.xml}: not {done}, since {reason}",
            hint=f"{format_command('get', spec, folder)} converts it again",
        )
