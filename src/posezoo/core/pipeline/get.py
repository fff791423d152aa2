"""The stages of one model in their order: resolve, plan, download, convert, write sidecars."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path

from posezoo.core.convert.conversion_plan import ConversionOptions, select_due, with_settings
from posezoo.core.declarations.model import Model, ModelSpec, Precision
from posezoo.core.download.context import ConnectionPool
from posezoo.core.download.model_download import download_model
from posezoo.core.errors import ConversionError, DownloadError, InferenceError, OutputError
from posezoo.core.events import ConversionSkipped, Listener, WarningIssued, ignore_event
from posezoo.core.files.staging import remove_stale_staging_dirs
from posezoo.core.layout import checkpoint_dir, require_inside
from posezoo.core.pipeline.plan import Plan, make_plan, require_current_ir
from posezoo.core.registry import format_command
from posezoo.core.resolve.resolution import resolve_model
from posezoo.core.resolve.resolved import Resolved
from posezoo.core.resolve.stage_context import Context
from posezoo.core.sidecars import SIDECARS
from posezoo.core.values import frozen

#: The steps of ``get``, by the names that ``posezoo run`` prints.
DOWNLOAD = "download"
CONVERT = "convert once"

#: Is entered for the time of a step, with the step's name.
TimeStep = Callable[[str], AbstractContextManager[object]]


@frozen
class Converted:
    """A model, and the paths of its IR (.xml) by precision."""

    resolved: Resolved
    irs: Mapping[Precision, Path]


def get(
    resolved: Resolved,
    context: Context,
    options: ConversionOptions | None = None,
    *,
    downloads: bool = True,
    listener: Listener = ignore_event,
    time_step: TimeStep = nullcontext,
    pool: ConnectionPool | None = None,
) -> Converted:
    """Download and convert a model; files and IR that are up to date are kept.

    Args:
        options: how its IR are made; None for the defaults.
        downloads: whether missing files are downloaded; if False, they have to exist already.
        pool: for connections that are kept for other models.
        time_step: measures the steps ``DOWNLOAD`` and ``CONVERT``.

    Raises:
        DownloadError: a file cannot be downloaded.
        ConversionError: no IR can be made from the files, or none is published in these precisions;
            or an IR of the user's own weights would be replaced.
        LockError: a strict lock does not list a file or an IR.
        InferenceError: as for ``check_own_weights``.
    """
    check_own_weights(resolved.spec, listener)
    options = with_settings(options, context.settings)
    with time_step(DOWNLOAD):
        plan = make_plan(resolved, context, options, downloads=downloads)
        if downloads:
            resolved = download(plan, context, listener=listener, pool=pool)
    with time_step(CONVERT):
        return convert(resolved, plan, options, listener=listener)


def check_own_weights(spec: ModelSpec, listener: Listener) -> None:
    """Report what is assumed about the keypoints of the user's own weights.

    Raises:
        InferenceError: no decoder takes their number of keypoints.
    """
    if not spec.assumption:
        return
    if not spec.decoder:
        raise InferenceError(spec.assumption)
    listener(WarningIssued(spec.assumption))


def warn_of_deprecated(model: Model, listener: Listener) -> None:
    """Warn if a model is deprecated."""
    if model.deprecated:
        listener(WarningIssued(f"{model.full_name}: {model.deprecated}"))


def download(
    plan: Plan,
    context: Context,
    *,
    listener: Listener = ignore_event,
    pool: ConnectionPool | None = None,
) -> Resolved:
    """Download and verify the files of a plan, if it needs any; returns the model with its final
    pins: trust on first use may have added some.

    Raises:
        ConversionError: an IR that has to be made cannot be made here, so no file is downloaded.
        MissingPackageError: the conversion needs a package, so no file is downloaded.
        DownloadError: a file cannot be downloaded.
    """
    resolved = plan.resolved
    if plan.obstacle:
        raise resolved.error(plan.obstacle)
    if plan.missing_package:
        raise plan.missing_package
    if plan.has_all_files:
        warn_of_deprecated(resolved.spec, listener)  # else the download does it
        return resolved
    from posezoo.core.convert.reader_process import start_reader_process

    spec = resolved.spec
    if spec.is_converted:
        start_reader_process()
    try:
        download_model(
            spec,
            resolved.layout,
            context.download_options,
            precisions=resolved.published_precisions,
            listener=listener,
            pool=pool,
        )
    except DownloadError as error:
        from posezoo.core.pipeline.availability import advise_after_failure

        advise_after_failure(error, resolved, context)
        raise
    lock = context.lock
    return replace(
        resolved, spec=lock.with_pins(resolved.spec), source=lock.with_pins(resolved.source)
    )


def convert(
    resolved: Resolved, plan: Plan, options: ConversionOptions, *, listener: Listener = ignore_event
) -> Converted:
    """Make the IR of a plan from downloaded files; IR that are up to date are not changed.

    Raises:
        ConversionError: an IR that has to be made cannot be made here; or no IR was published in
            the requested precisions, or its files do not exist.
        LockError: a strict lock does not list an IR.
        PosezooError: further errors; see ``core.convert.conversion.convert_with_openvino``.
    """
    spec = resolved.source
    layout = resolved.layout
    if plan.obstacle:
        raise resolved.error(plan.obstacle)
    if not spec.is_converted:
        listener(ConversionSkipped(spec.full_name, "published as IR"))
        irs = {ir.precision: ir.xml for ir in plan.irs if ir.xml.is_file()}
        _require_published(plan, irs)
        if irs:
            return Converted(resolved, irs)
        paths = ", ".join(str(ir.xml) for ir in plan.irs)
        hint = format_command("download", resolved.source, layout.download_dir)
        raise ConversionError(f"{paths}: missing", hint=hint)
    irs = {target.precision: target.xml for target in resolved.targets}
    due = select_due(spec.full_name, plan.irs, listener)
    for target in due:
        require_inside(target.xml, layout.roots)
    remove_stale_staging_dirs(layout.model_dir(spec))
    if due:
        from posezoo.core.convert.ir_making import make_irs

        make_irs(resolved, due, plan.program, options, listener=listener)
    return Converted(resolved, irs)


def _require_published(plan: Plan, irs: Mapping[Precision, Path]) -> None:
    """Read the bytes of published IR, unless the plan has read them."""
    if plan.files:
        return
    for target in plan.resolved.targets:
        if target.precision in irs:
            require_current_ir(plan.resolved, target, "used")


def with_checkpoint_dir(context: Context, model: Model) -> Context:
    """The context in which the IR of the user's own weights do not take the place of the published
    model's.

    It is for IR that are only needed to run them: ``convert`` and ``posezoo.get`` write under the
    model's name.
    """
    return context.with_output_dir(context.layout.output_dir / checkpoint_dir(model))


def get_irs(
    model: Model,
    precision: Precision,
    context: Context,
    *,
    checkpoint: Path | None = None,
    options: ConversionOptions | None = None,
    listener: Listener = ignore_event,
    time_step: TimeStep = nullcontext,
) -> dict[str, Path]:
    """The .xml of each part of a model by its name; it is downloaded and converted if needed.

    Raises:
        DownloadError: a file cannot be downloaded.
        ConversionError: an IR cannot be made, or was not published in this precision.
    """
    irs = {}
    for part in context.registry.parts(model):
        resolved = resolve_model(part, (precision,), context, checkpoint=checkpoint)
        converted = get(resolved, context, options, listener=listener, time_step=time_step)
        irs[part.name] = converted.irs[precision]
    return irs


def write_sidecars(model: Model, context: Context, listener: Listener = ignore_event) -> list[Path]:
    """Write what features keep in the folder of a model's IR, and return all such files; the
    listener receives a warning if one cannot be written.
    """
    files: list[Path] = []
    for _, sidecar in SIDECARS.items():
        try:
            files += sidecar.write(model, context, listener)
        except OutputError as error:
            listener(WarningIssued(f"{error.problem}; the IR are complete without it"))
    return files
