"""Convert downloaded models to IR with OpenVINO: read, add preprocessing, write, check and
publish.
"""

from __future__ import annotations

import posixpath
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from posezoo.core.convert import frontends
from posezoo.core.convert.conversion_plan import (
    KEEP_OR_REPLACE,
    ConversionOptions,
    refuse_to_replace,
)
from posezoo.core.convert.formats import import_runtime
from posezoo.core.declarations.model import ModelSpec, Precision, SourceFile
from posezoo.core.declarations.safe_names import explain_unsafe_file_name
from posezoo.core.errors import ConversionError, SelfCheckError
from posezoo.core.events import Listener, StepStarted, WarningIssued, ignore_event
from posezoo.core.files import verified_files
from posezoo.core.files.staging import remove_stale_staging_dirs
from posezoo.core.ir.openvino_import import import_openvino
from posezoo.core.layout import FlatLayout, ModelLayout
from posezoo.core.resolve.own_networks import require_network
from posezoo.core.resolve.resolved import Converter, Resolved, Target

if TYPE_CHECKING:
    from posezoo.core.convert.offline_transformations import Transformation
    from posezoo.core.convert.reference_outputs import ReferenceOutputs


def write_onnx(resolved: Resolved, *, force: bool = False) -> Path:
    """Export a downloaded checkpoint to ONNX, as ``<name>.onnx`` in the model's folder.

    Args:
        force: replace an existing ONNX file, and write it even if the folder has the IR of other
            weights.

    Raises:
        ConversionError: the model is not a checkpoint of one of our networks; the checkpoint is
            missing or has another digest; or the folder has another ONNX file, or the IR of other
            weights (``refuse_to_replace``).
        CheckpointError: the checkpoint cannot be read, or does not fit its network.
        NetworkError: its network cannot be built with the declared arguments.
        OutputError: the ONNX cannot be written.
        MissingPackageError: torch is not installed.
    """
    spec = resolved.source
    layout = resolved.layout
    require_network(spec)
    if not force:
        refuse_to_replace(spec, layout)
    content = frontends.open_for_frontend(spec, frontends.verify_source_model(spec, layout))
    assert isinstance(content, bytes)
    path = layout.onnx_path(spec)
    # An ONNX file has no record of its source: it may come from a training that cannot be repeated.
    if not force and path.is_file() and path.read_bytes() != content:
        raise ConversionError(f"{path}: exists already, with other content", hint=KEEP_OR_REPLACE)
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
    """Convert a downloaded model, whose pins are final, to IR.

    The same version of OpenVINO makes the same bytes from the same original, on every machine and
    in every run. If the conversion fails, existing IR are not changed.

    Raises:
        ConversionError: the original is missing, has another digest, or cannot be converted.
        LockError: --locked is given, and the lock does not list an IR.
        SelfCheckError: the outputs of an IR differ from those of the original.
        CheckpointError: a checkpoint cannot be read, or does not fit its network.
        NetworkError: a checkpoint's network cannot be built with the declared arguments.
        OutputError: an IR cannot be written.
        MissingPackageError: OpenVINO is not installed, or too old.
    """
    spec = resolved.source
    self_check = options.self_check
    model_format = frontends.select_format(spec)
    for archive in frontends.removed_archives(spec, layout):
        listener(
            WarningIssued(
                f"{spec.full_name}: {archive.name} was unpacked and removed by another program, so"
                " its digest cannot be checked"
            )
        )
    with ThreadPoolExecutor() as pool:
        # Hashing 115 MB takes as long as importing OpenVINO and numpy, 0.1 s: both are done at the
        # same time.
        verified = pool.submit(frontends.verify_source_model, spec, layout)
        # Imported here, so that a run with nothing to convert does not load them.
        from posezoo.core.convert import preprocess
        from posezoo.core.convert.publish import write_checked_irs
        from posezoo.core.convert.reference_outputs import compute_reference
        from posezoo.core.ir import ir_writer
        from posezoo.export import decoded as decoding

        import_openvino()
        if self_check:
            import_runtime(model_format.runtime_module)
        source = verified.result()
        # Reading uses one core only, so the original is run at the same time, if its inputs are
        # declared.
        is_known = all(
            port.name and port.layout and not port.has_open_layout for port in spec.inputs
        )
        reference = None
        if self_check and is_known:
            reference = pool.submit(compute_reference, spec, source, by_nodes=options.by_nodes)
        onnx = layout.onnx_path(spec) if options.keep_onnx else None
        network = preprocess.apply_model_yml(
            frontends.read_network(spec, source, keep_onnx=onnx), spec
        )
        if spec.decoding:
            network = decoding.append_decoder(network, spec)
        ir_writer.prepare_for_writing(network, spec, resolved.decoder)
        write_checked_irs(
            network,
            spec,
            layout,
            targets,
            source if self_check else None,
            is_strict=options.is_strict,
            by_nodes=options.by_nodes,
            reference=reference,
            decoder=resolved.decoder,
            listener=listener,
        )


def convert_file(
    spec: ModelSpec,
    layout: FlatLayout,
    precision: Precision,
    *,
    batch: int | None = None,
    self_check: bool = True,
    is_strict: bool = False,
    transformations: Sequence[Transformation] = (),
    listener: Listener = ignore_event,
) -> Path:
    """Convert a file outside of any registry to one IR, with no other file beside it.

    Args:
        spec: what the user declares; its first file is the one to convert, in
            ``layout.download_dir``.
        batch: the first size of all inputs, or that of N if they declare a layout; None for the
            file's own.
        self_check: whether to compare the outputs of the IR with those of the original. If these
            cannot be computed, or if they differ and their noise is unknown
            (``ReferenceOutputs.shows_noise``), the listener receives a warning, and the IR is
            written nevertheless.
        is_strict: whether what cannot be proven is an error instead.
        transformations: what is applied to the network after the self-check.

    Returns:
        The path of the .xml; the .bin is beside it.

    Raises:
        ConversionError: the file does not exist or cannot be converted.
        SelfCheckError: the outputs of the IR differ from those of the original.
        OutputError: the IR cannot be written.
        MissingPackageError: OpenVINO is not installed, or too old.
    """
    model_format = frontends.select_format(spec)
    path = frontends.users_file(spec, layout)
    from posezoo.core.convert import preprocess
    from posezoo.core.convert.offline_transformations import apply_transformations
    from posezoo.core.convert.publish import write_checked_irs
    from posezoo.core.ir import ir_writer

    if model_format.recognises(path):  # files with weights in the same folder belong to it
        names = map(posixpath.normpath, model_format.external_files(path))
        external = (name for name in names if not explain_unsafe_file_name(name))
        spec = replace(
            spec, files=(*spec.files, *(SourceFile(name, None, None, ()) for name in external))
        )
    network = frontends.read_network(spec, path)
    spec = preprocess.move_output_layouts(spec, network)
    spec = preprocess.keep_order(spec, network)
    if batch is not None:
        spec = preprocess.with_batch(spec, network, batch)
    network = preprocess.apply_model_yml(network, spec, is_complete=False)
    ir_writer.prepare_for_writing(network, spec, None)
    remove_stale_staging_dirs(layout.output_dir)
    target = Target(precision, layout.converted_ir_path(spec, precision), Converter.OPENVINO)
    publish = partial(write_checked_irs, network, spec, has_record=False, listener=listener)
    check = partial(_publish_checked, publish, spec, network, path, is_strict=is_strict)
    is_published = False
    if self_check and not transformations:
        is_published = check(layout, target, listener=listener)
    elif self_check:
        with tempfile.TemporaryDirectory(prefix="posezoo-") as folder:
            before = replace(layout, output_dir=Path(folder))
            xml = before.converted_ir_path(spec, precision)
            check(before, replace(target, xml=xml), listener=listener)
        applied = ", ".join(each.name for each in transformations)
        listener(WarningIssued(f"the self-check compared the IR before {applied}, and not after"))
    if transformations:
        apply_transformations(network, transformations)
        ir_writer.rename_numbered_operations(network)
    if not is_published:
        publish(layout, [target])
    return target.xml


def _publish_checked(
    publish: Callable[..., None],
    spec: ModelSpec,
    network: Any,
    path: frontends.VerifiedSource,
    layout: FlatLayout,
    target: Target,
    *,
    is_strict: bool,
    listener: Listener,
) -> bool:
    """Whether the IR was published, because it has the outputs of the original; if these are not
    certain, the listener receives a warning instead.
    """
    from posezoo.core.convert import preprocess
    from posezoo.core.convert.reference_outputs import compute_reference

    reference: Future[ReferenceOutputs | None] = Future()
    try:
        listener(StepStarted(spec.full_name, "running the original for the self-check"))
        reference.set_result(compute_reference(preprocess.fill_in_inputs(spec, network), path))
        listener(StepStarted(spec.full_name, "running the IR on the CPU for the self-check"))
        publish(layout, [target], source=path, reference=reference, is_strict=is_strict)
    except SelfCheckError as error:
        if is_strict or (reference.done() and _is_certain(reference.result())):
            raise
        listener(WarningIssued(f"the IR is not proven by its self-check: {error.problem}"))
        return False
    return True


def _is_certain(reference: ReferenceOutputs | None) -> bool:
    """Whether a difference from the original, or from what it declares, is an error."""
    return reference is None or reference.shows_noise()
