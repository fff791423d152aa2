"""Downloaded models to IR by OpenVINO: read, prepared, written, self-checked and published."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from posezoo.convert import frontends
from posezoo.convert.conversion_plan import KEEP_OR_REPLACE, ConversionOptions, refuse_to_replace
from posezoo.errors import ConversionError
from posezoo.events import Listener, ignore_event
from posezoo.files import verified_files
from posezoo.ir.openvino_import import import_openvino
from posezoo.layout import ModelLayout
from posezoo.resolve.custom_weights import require_network
from posezoo.resolve.resolved import Resolved, Target
from posezoo.spec.model import Precision

if TYPE_CHECKING:
    from posezoo.ir.provenance import FileContent


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


def convert_with_openvino(
    resolved: Resolved,
    layout: ModelLayout,
    targets: Sequence[Target],
    options: ConversionOptions,
    *,
    listener: Listener = ignore_event,
) -> None:
    """Make IR of a downloaded model, whose pins are final.

    The same original gives the same bytes, whenever, wherever and however often it is converted by the
    same OpenVINO. If something fails, the IR that were there before are still there.

    Raises:
        ConversionError: the original is not there, is not what was promised, or cannot be converted.
        LockError: a strict lock does not have an IR.
        SelfCheckError: an IR does not compute what the original computes.
        CheckpointError: a checkpoint cannot be read, or does not fit its network.
        NetworkError: a checkpoint's network cannot be built as declared.
        OutputError: an IR cannot be written.
        MissingPackageError: OpenVINO is not installed, or too old.
    """
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
        agreed = {target.precision: target.agreed for target in targets}

        def accept_ir(precision: Precision, contents: Mapping[str, FileContent]) -> None:
            if (entry := agreed[precision]) is not None:
                entry.require(contents)

        publish_irs(
            network,
            spec,
            layout,
            list(agreed),
            self_check=self_check,
            reference=reference,
            decoder=resolved.decoder,
            accept_ir=accept_ir,
            listener=listener,
        )
