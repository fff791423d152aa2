"""Convert downloaded models to IR with OpenVINO: read, add preprocessing, write, check and
publish.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

from posezoo.core.convert import frontends
from posezoo.core.convert.conversion_plan import (
    KEEP_OR_REPLACE,
    ConversionOptions,
    refuse_to_replace,
)
from posezoo.core.convert.formats import import_runtime
from posezoo.core.declarations.channel_values import explain_preparation
from posezoo.core.errors import ConversionError, SelfCheckError
from posezoo.core.events import Listener, WarningIssued, ignore_event
from posezoo.core.files.manifest import write_listed
from posezoo.core.ir.openvino_import import import_openvino
from posezoo.core.ir.provenance import NOT_COMPARABLE, source_digests
from posezoo.core.registry import format_command
from posezoo.core.regular_files import read_regular_bytes
from posezoo.core.resolve.graph_decoder import GRAPH_DECODER
from posezoo.core.resolve.own_networks import require_network
from posezoo.core.resolve.resolved import Resolved


def write_onnx(
    resolved: Resolved, *, force: bool = False, listener: Listener = ignore_event
) -> Path:
    """Export a downloaded checkpoint to ONNX, as ``<name>.onnx`` in the model's folder.

    Args:
        force: write it even if the folder has the IR of other weights, or another ONNX file.

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
    # It may come from a training that cannot be repeated.
    if not force and path.is_file() and read_regular_bytes(path) != content:
        raise ConversionError(f"{path}: exists already, with other content", hint=KEEP_OR_REPLACE)
    _keep_onnx(content, resolved, listener)
    return path


def _doubt_removed_archives(resolved: Resolved, options: ConversionOptions) -> Resolved:
    """The model, with a doubt if an archive was removed: anybody can write the manifest that lists
    what it contained.

    Raises:
        SelfCheckError: a proof is required.
    """
    spec = resolved.read_model
    for archive in frontends.removed_archives(spec, resolved.layout):
        reason = f"nothing shows what {archive.name} contained, which was unpacked and removed"
        if options.is_strict:
            again = format_command("download", spec, resolved.layout.download_dir)
            raise SelfCheckError(
                f"{spec.full_name}: {NOT_COMPARABLE} with its original, because {reason}",
                hint=f"remove the unpacked files: {again} fetches the archive again",
            )
        resolved = replace(resolved, not_compared=reason)
    return resolved


def _keep_onnx(content: bytes, resolved: Resolved, listener: Listener) -> None:
    spec = resolved.source
    path = resolved.layout.onnx_path(spec)
    recipe = {"converted_from": source_digests(spec)}
    write_listed(path.parent, {path.name: content}, recipe, listener, model=spec.full_name)


def convert_with_openvino(
    resolved: Resolved, options: ConversionOptions, *, listener: Listener = ignore_event
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
    spec = resolved.read_model
    layout = resolved.layout
    model_format = frontends.select_format(spec)
    resolved = _doubt_removed_archives(resolved, options)
    for port in spec.inputs:
        wrong = explain_preparation(port.mean, port.scale, port.color)
        if wrong and not spec.published.known_difference:
            listener(WarningIssued(f"{spec.full_name}: {wrong}"))
    with ThreadPoolExecutor() as pool:
        # Hashing 115 MB takes as long as importing OpenVINO and numpy, 0.1 s: both are done at the
        # same time.
        verified = pool.submit(frontends.verify_source_model, spec, layout)
        # Imported here, so that a run with nothing to convert does not load them.
        from posezoo.core.convert.preprocess import apply_model_yml
        from posezoo.core.convert.publish import write_checked_irs
        from posezoo.core.ir.ir_writer import prepare_for_writing

        import_openvino()
        if options.self_check:
            import_runtime(model_format.runtime_module)
        source = verified.result()

        def read_prepared() -> Any:
            network = apply_model_yml(frontends.read_network(spec, source), spec)
            if spec.decoding:
                network = GRAPH_DECODER.part.append(network, spec)
            prepare_for_writing(network, resolved.source, resolved.decoder)
            return network

        write_checked_irs(
            read_prepared,
            resolved,
            source,
            options,
            listener=listener,
        )
