"""Downloaded models into IR: each stage of a conversion, from the plan to the published files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from posezoo.convert import frontends
from posezoo.convert.conversion_plan import (
    KEEP_OR_REPLACE,
    ConversionOptions,
    PlannedIr,
    find_obstacle,
    refuse_to_replace,
)
from posezoo.errors import ConversionError, PosezooError
from posezoo.events import (
    ConversionFinished,
    ConversionSkipped,
    ConversionStarted,
    ConversionUpToDate,
    Listener,
    ignore_event,
)
from posezoo.files import verified_files
from posezoo.files.staging import remove_stale_staging_dirs
from posezoo.ir import provenance
from posezoo.ir.openvino_import import import_openvino
from posezoo.layout import ModelLayout
from posezoo.resolve.custom_weights import require_network
from posezoo.resolve.resolved import Converter, Resolved
from posezoo.spec.model import ModelSpec, Precision

if TYPE_CHECKING:
    from posezoo.convert.model_optimizer import ModelOptimizer
    from posezoo.ir.provenance import FileContent


@dataclass(frozen=True, slots=True)
class Converted:
    """A model as IR: the .xml by precision, the .bin beside each."""

    resolved: Resolved
    irs: Mapping[Precision, Path]


def convert_model(
    resolved: Resolved,
    irs: Sequence[PlannedIr],
    options: ConversionOptions,
    *,
    model_optimizer: ModelOptimizer | None = None,
    listener: Listener = ignore_event,
) -> Converted:
    """Make the planned IR of a downloaded model; those that are up to date are left alone.

    The same original gives the same bytes, whenever, wherever and however often it is converted by the
    same OpenVINO. If something fails, the IR that were there before are still there.

    Args:
        resolved: the model, with final pins.
        irs: the plan, as ``plan_irs`` makes it.
        options: how to make them.
        model_optimizer: the one that makes IR whose converter it is.
        listener: receives what happens.

    Raises:
        ConversionError: an IR that has to be made cannot be made here; the original is not there, is not
            what was promised, or cannot be converted.
        LockError: a strict lock does not have an IR.
        SelfCheckError: an IR does not compute what the original computes.
        CheckpointError: a checkpoint cannot be read, or does not fit its network.
        NetworkError: a checkpoint's network cannot be built as declared.
        OutputError: an IR cannot be written.
        MissingPackageError: OpenVINO is not installed, or too old.
    """
    spec, layout = resolved.source, resolved.layout
    if options.keep_onnx:
        require_network(spec)
    if (obstacle := find_obstacle(irs)) is not None:
        raise resolved.error(obstacle)
    if spec.is_ir:
        listener(ConversionSkipped(spec.full_name, "published as IR"))
        return Converted(resolved, _published_irs(spec, irs))
    done, due = [ir for ir in irs if ir.is_up_to_date], [ir for ir in irs if not ir.is_up_to_date]
    remove_stale_staging_dirs(layout.model_dir(spec))
    if done:
        listener(ConversionUpToDate(spec.full_name, tuple(ir.precision for ir in done)))
    for ir in done:
        record = provenance.read_provenance(ir.xml.with_name("provenance.json"))
        if ir.target.agreed is not None and record is not None:
            ir.target.agreed.require(record.contents)
    for ir in due:
        if ir.target.agreed is not None:  # no upstream code runs for an IR that is refused
            ir.target.agreed.require_known()
    if due:
        with _upstream_results(resolved, listener) as layout:
            listener(ConversionStarted(spec.full_name, tuple(ir.precision for ir in due)))
            try:
                if due[0].target.converter is Converter.MODEL_OPTIMIZER:
                    from posezoo.convert.model_optimizer_route import convert_with_model_optimizer

                    assert model_optimizer is not None
                    targets = [ir.target for ir in due]
                    convert_with_model_optimizer(resolved, layout, model_optimizer, targets)
                else:
                    _convert_with_openvino(resolved, layout, due, options, listener)
            except PosezooError as error:
                listener(ConversionFinished(spec.full_name, False, error.problem))
                raise
        listener(ConversionFinished(spec.full_name, True))
    elif options.keep_onnx:
        export_onnx(resolved, force=True)
    return Converted(resolved, {ir.precision: ir.xml for ir in irs})


def export_onnx(resolved: Resolved, *, force: bool = False) -> Path:
    """The ONNX that a downloaded checkpoint becomes, written as ``<name>.onnx`` into the model's folder.

    Args:
        resolved: the model.
        force: replace an ONNX that is there, or lay it beside the IR of other weights.

    Raises:
        ConversionError: it is no checkpoint of a network of ours, not there, or not what was promised; or
            the folder holds another ONNX, or the IR of other weights (``refuse_to_replace``).
        CheckpointError: it cannot be read, or does not fit its network.
        NetworkError: its network cannot be built as declared.
        OutputError: the ONNX cannot be written.
        MissingPackageError: torch is not installed.
    """
    spec, layout = resolved.source, resolved.layout
    require_network(spec)
    if not force:
        refuse_to_replace(spec, layout)
    content = frontends.open_for_frontend(spec, frontends.verify_source_model(spec, layout))
    assert isinstance(content, bytes)
    path = layout.onnx_path(spec)
    # No record beside it says what it was made of: it may be of a training that cannot be repeated.
    if not force and path.is_file() and path.read_bytes() != content:
        raise ConversionError(f"{path}: is another ONNX", hint=KEEP_OR_REPLACE)
    verified_files.write_atomically(path, content)
    return path


def _published_irs(spec: ModelSpec, irs: Sequence[PlannedIr]) -> dict[Precision, Path]:
    """Those that are there, at least one."""
    found = {ir.precision: ir.xml for ir in irs if ir.xml.is_file()}
    if not found:
        places = ", ".join(str(ir.xml) for ir in irs)
        raise ConversionError(f"{places}: not there", hint=f"posezoo download {spec.full_name}")
    return found


def _upstream_results(resolved: Resolved, listener: Listener) -> AbstractContextManager[ModelLayout]:
    """The layout to convert with; what upstream code makes is there as long as this lasts."""
    if not resolved.runs_upstream_code:
        return nullcontext(resolved.layout)
    from posezoo.convert.upstream_code import run_upstream_code

    return run_upstream_code(resolved.spec, resolved.layout, listener=listener)


def _convert_with_openvino(
    resolved: Resolved,
    layout: ModelLayout,
    irs: Sequence[PlannedIr],
    options: ConversionOptions,
    listener: Listener,
) -> None:
    spec, self_check, keep_onnx = resolved.source, options.self_check, options.keep_onnx
    frontends.select_format(spec)
    with ThreadPoolExecutor() as pool:
        # 115 MB take as long to be hashed as OpenVINO and numpy to be imported: a tenth of a second.
        verified = pool.submit(frontends.verify_source_model, spec, layout)
        # Imported here, so that nobody who only asks what is up to date waits for them.
        from posezoo.convert import preprocess
        from posezoo.convert.publish import publish_irs
        from posezoo.convert.reference_outputs import compute_reference, import_runtime
        from posezoo.ir import ir_writer

        import_openvino()
        if self_check:
            import_runtime(spec.framework)
        # A file that was verified at its download may be read while it is hashed again; any other file may
        # be crafted to harm its reader.
        if keep_onnx or not frontends.is_source_verified(spec, layout):
            verified.result()
        path = frontends.source_model_path(spec, layout)
        # Reading keeps one core busy: the original is run beside it, where its inputs are known by now.
        is_known = all(port.name and port.layout for port in spec.inputs)
        reference = pool.submit(compute_reference, spec, path) if self_check and is_known else None
        onnx = layout.onnx_path(spec) if keep_onnx else None
        try:
            network = preprocess.apply_model_yml(frontends.read_network(spec, path, keep_onnx=onnx), spec)
            ir_writer.prepare_for_writing(network, spec, resolved.decoder)
        finally:
            verified.result()  # nothing is made of other bytes, and where reading failed, this says why
        agreed = {ir.precision: ir.target.agreed for ir in irs}

        def accept_ir(precision: Precision, contents: Mapping[str, FileContent]) -> None:
            if (entry := agreed[precision]) is not None:
                entry.require(contents)

        publish_irs(
            network,
            spec,
            layout,
            [ir.precision for ir in irs],
            self_check=self_check,
            reference=reference,
            decoder=resolved.decoder,
            accept_ir=accept_ir,
            listener=listener,
        )
