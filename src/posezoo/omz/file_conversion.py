"""Convert one file outside of any registry to IR, as Model Optimizer does."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from posezoo.core.convert import frontends
from posezoo.core.convert.conversion_plan import ConversionOptions
from posezoo.core.declarations.model import ModelSpec, SourceFile
from posezoo.core.declarations.safe_names import explain_unsafe_file_name
from posezoo.core.errors import NoReferenceError
from posezoo.core.events import Listener, StepStarted, WarningIssued, ignore_event
from posezoo.core.files.staging import remove_stale_staging_dirs, temporary_dir
from posezoo.core.resolve.resolved import Resolved

if TYPE_CHECKING:
    from posezoo.core.convert.reference_outputs import FindReference, ReferenceOutputs
    from posezoo.omz.offline_transformations import Transformation


def convert_file(
    resolved: Resolved,
    options: ConversionOptions,
    *,
    batch: int | None,
    needs_all_inputs: bool,
    transformations: Sequence[Transformation],
    listener: Listener = ignore_event,
) -> Path:
    """Convert a file outside of any registry to one IR, with no other file beside it.

    Args:
        resolved: what the user declares; its first file is the one to convert, in the folder of
            the downloads.
        options: how the IR is compared with the original, if at all. If it cannot be compared, it
            is written nevertheless, and says so in its rt_info; if the check is strict, that is an
            error instead.
        batch: the first size of all inputs, or that of N if they declare a layout; None for the
            file's own.
        needs_all_inputs: whether the inputs, which have no names, must be all of the network's.
        transformations: what is applied to the network after the self-check.

    Returns:
        The path of the .xml; the .bin is beside it.

    Raises:
        ConversionError: the file does not exist or cannot be converted.
        SelfCheckError: the outputs of the IR differ from those of the original.
        OutputError: the IR cannot be written.
        MissingPackageError: OpenVINO is not installed, or too old.
    """
    spec = resolved.source
    (target,) = resolved.targets
    path = frontends.users_file(spec, resolved.layout)
    from posezoo.core.convert import preprocess
    from posezoo.core.convert.check_extent import choose_extent
    from posezoo.core.convert.publish import write_checked_irs
    from posezoo.core.convert.reference_outputs import compute_reference
    from posezoo.core.ir import ir_writer
    from posezoo.omz import mo_ports
    from posezoo.omz.offline_transformations import apply_transformations

    spec = _with_files_beside(spec, path)
    network = frontends.read_network(spec, path)
    if needs_all_inputs:
        mo_ports.require_all_inputs(spec, network)
    spec, transposed = mo_ports.move_output_layouts(spec, network)
    spec = mo_ports.keep_order(spec, network)
    if batch is not None:
        spec = mo_ports.with_batch(spec, network, batch)
    network = preprocess.apply_model_yml(network, spec, is_complete=False)
    inputs = (replace(port, is_unstated=not port.states_preparation) for port in spec.inputs)
    spec = replace(spec, inputs=tuple(inputs))
    resolved = replace(resolved, spec=spec, source=spec)
    ir_writer.prepare_for_writing(network, spec, None)
    remove_stale_staging_dirs(resolved.layout.output_dir)
    publish = partial(write_checked_irs, lambda: network, source=path, is_recorded=False)
    filled = preprocess.describe_inputs(spec, network)
    compute = partial(compute_reference, filled, path, choose_extent(network, filled))
    later = [each.name for each in transformations]
    if transposed:
        later.insert(0, "the layouts of its outputs")
    checked = resolved
    with temporary_dir() as folder:
        if later:
            layout = replace(resolved.layout, output_dir=folder)
            copy = replace(target, xml=folder / target.xml.name)
            checked = replace(resolved, layout=layout, targets=(copy,))
        find_reference = _run_original(compute, spec.full_name, options, listener)
        (result,) = publish(
            checked, options=options, find_reference=find_reference, listener=listener
        )
    if later and options.self_check:
        listener(
            WarningIssued(
                f"the self-check compared the IR before {', '.join(later)}, and not after"
            )
        )
    if transposed:
        mo_ports.transpose_outputs(network, transposed)
    if later:
        apply_transformations(network, transformations)
        ir_writer.rename_numbered_operations(network)
        unchecked = replace(options, self_check=False)
        publish(resolved, options=unchecked, listener=ignore_event)
    ir_writer.state_proof(target.xml, result.proof, result.not_compared)
    return target.xml


def _with_files_beside(spec: ModelSpec, path: frontends.VerifiedSource) -> ModelSpec:
    model_format = frontends.select_format(spec)
    if not model_format.recognises(path):
        return spec
    names = map(posixpath.normpath, model_format.external_files(path))
    external = [name for name in names if not explain_unsafe_file_name(name)]
    files = [SourceFile(name, None, None, ()) for name in external]
    return replace(spec, files=(*spec.files, *files))


def _run_original(
    compute: FindReference, name: str, options: ConversionOptions, listener: Listener
) -> FindReference:
    """Compute the reference outputs now, so that the caller knows what a crash was in."""
    outcome: Future[ReferenceOutputs | None] = Future()
    if options.self_check:
        listener(StepStarted(name, "running the original for the self-check"))
        try:
            outcome.set_result(compute())
        except NoReferenceError as error:
            outcome.set_exception(error)
        listener(StepStarted(name, "running the IR on the CPU for the self-check"))
    return outcome.result
