"""Declares one file outside of any registry as a model, and converts it to IR, as Model Optimizer
does.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from posezoo.convert import file_ports
from posezoo.core.convert import frontends, preprocess
from posezoo.core.convert.conversion_plan import ConversionOptions, with_settings
from posezoo.core.declarations.mo_args import MoArguments
from posezoo.core.declarations.model import (
    Family,
    Framework,
    License,
    ModelSpec,
    Precision,
    Route,
    SelfCheckSettings,
    SourceFile,
)
from posezoo.core.declarations.safe_names import explain_unsafe_file_name
from posezoo.core.declarations.supported_mo_args import (
    INPUT_PROTO,
    SAVED_MODEL_FILE,
    frozen_inputs,
)
from posezoo.core.errors import ConversionError, NoReferenceError
from posezoo.core.events import (
    ConversionFinished,
    Listener,
    StepStarted,
    WarningIssued,
    ignore_event,
)
from posezoo.core.files.staging import remove_stale_staging_dirs, temporary_dir
from posezoo.core.layout import FlatLayout
from posezoo.core.regular_files import explain_no_file
from posezoo.core.resolve.resolved import Converter, Resolved, Target
from posezoo.core.settings import Settings
from posezoo.core.values import frozen
from posezoo.core.workers.processes import ResourceLimits

if TYPE_CHECKING:
    from openvino import Model

    from posezoo.proof.reference_outputs import FindReference, ReferenceOutputs


@frozen
class NetworkChange:
    """A change of a network after its self-check."""

    name: str  # for messages
    apply: Callable[[Model], None]


def declare_file(
    original: Path,
    framework: Framework,
    name: str,
    declared: MoArguments,
    *,
    is_folder: bool = False,
    layers: Path | None = None,
    like: ModelSpec | None = None,
    samples: Sequence[Path] = (),
) -> ModelSpec:
    """The model that a file is.

    Args:
        is_folder: whether it is the folder of a SavedModel.
        name: of its IR.
        declared: its inputs and outputs, and further arguments.
        layers: the file with the layers of a network of Caffe or Darknet; None: the one that is
            named as the original.
        like: a model whose inputs become constants and whose outputs are compared as those of the
            file.
        samples: as in ``SelfCheckSettings``.
    """
    is_darknet = original.suffix.lower() == ".weights"
    arguments = declared.kept
    if framework is Framework.CAFFE or is_darknet:
        path = layers or original.with_suffix(".cfg" if is_darknet else ".prototxt")
        arguments = (*arguments, (INPUT_PROTO, str(path.absolute())))
    if like:
        arguments = (*arguments, *(pair for pair in like.mo_args if frozen_inputs([pair])))
    # The file gets another name here, because it may have one that a model.yml cannot declare.
    file_name = SAVED_MODEL_FILE if is_folder else f"model{original.suffix.lower()}"
    settings = like.self_check if like else SelfCheckSettings(largest=1 if is_darknet else 255)
    names = tuple(str(path.absolute()) for path in samples)
    return ModelSpec(
        name=name,
        family=Family.PUBLIC,
        path=original,
        description="",
        task="",
        framework=framework,
        license=License(),
        files=(SourceFile(file_name, None, None, ()),),
        inputs=declared.inputs,
        outputs=declared.outputs,
        self_check=replace(settings, samples=names) if names else settings,
        mo_args=arguments,
    )


def reading_limits(original: Path, settings: Settings) -> ResourceLimits:
    """The limits for reading a file."""
    from posezoo.core.convert.reader_process import limits_for

    # The file, and those that belong to it by their names: external data of ONNX, and variables.
    files: list[Path] = []
    with suppress(OSError):  # the reader reports that it does not exist
        folder = original.parent
        files += (path for path in folder.iterdir() if path.name.startswith(original.stem))
        files += (folder / "variables").glob("*")
    return limits_for(files, settings.conversion_timeout, settings.conversion_memory)


def convert_own_file(
    spec: ModelSpec,
    original: Path,
    folder: Path,
    precision: Precision,
    *,
    options: ConversionOptions,
    settings: Settings,
    batch: int | None = None,
    needs_all_inputs: bool = False,
    changes: Sequence[NetworkChange] = (),
    listener: Listener = ignore_event,
) -> Path:
    """Convert the file of a model from ``declare_file`` in a reader process, into a folder, and
    return the path of the .xml.

    Args:
        original: the file; of a SavedModel, the graph in its folder.
        batch, needs_all_inputs, changes: as for ``convert_file``.

    Raises:
        PosezooError: as for ``convert_file``.
    """
    from posezoo.core.convert.reader_process import run_in_reader_process

    if problem := explain_no_file(original):
        raise ConversionError(f"{original}: {problem}")
    layout = FlatLayout(original.parent, folder.absolute(), checkpoint=original)
    xml = layout.converted_ir_path(spec, precision)
    resolved = Resolved(
        spec,
        spec,
        Route.CONVERT,
        runs_upstream_code=False,
        decoder=None,
        layout=layout,
        targets=(Target(precision, xml, Converter.OPENVINO),),
    )
    work = partial(
        convert_file,
        options=with_settings(options, settings),
        batch=batch,
        needs_all_inputs=needs_all_inputs,
        changes=changes,
    )
    limits = reading_limits(original, settings)
    converted = run_in_reader_process(
        work, resolved, source=original, limits=limits, listener=listener
    )
    listener(ConversionFinished(spec.full_name, successful=True))
    return converted


def convert_file(
    resolved: Resolved,
    options: ConversionOptions,
    *,
    batch: int | None,
    needs_all_inputs: bool,
    changes: Sequence[NetworkChange],
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
        changes: what is applied to the network after the self-check.

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
    from posezoo.core.convert.publish import write_checked_irs
    from posezoo.core.ir import ir_writer
    from posezoo.proof.check_extent import choose_extent
    from posezoo.proof.proof_start import start_proofs
    from posezoo.proof.reference_outputs import compute_reference

    spec = _with_files_beside(spec, path)
    network = frontends.read_network(spec, path)
    metadata = read_metadata(network)
    if needs_all_inputs:
        file_ports.require_all_inputs(spec, network)
    spec, transposed = file_ports.move_output_layouts(spec, network)
    spec = file_ports.keep_order(spec, network)
    if batch is not None:
        spec = file_ports.with_batch(spec, network, batch)
    network = preprocess.apply_model_yml(network, spec, is_complete=False)
    inputs = (replace(port, is_unstated=not port.states_preparation) for port in spec.inputs)
    spec = replace(spec, inputs=tuple(inputs))
    resolved = replace(resolved, spec=spec, source=spec)
    ir_writer.prepare_for_writing(network, spec, None)
    for key, text in metadata.items():
        network.set_rt_info(text, [ORIGINAL_METADATA, key])
    remove_stale_staging_dirs(resolved.layout.output_dir)
    publish = partial(write_checked_irs, lambda: network, source=path, is_recorded=False)
    filled = preprocess.describe_inputs(spec, network)
    compute = partial(compute_reference, filled, path, choose_extent(network, filled))
    later = [each.name for each in changes]
    if transposed:
        later.insert(0, "the layouts of its outputs")
    checked = resolved
    with temporary_dir() as folder:
        if later:
            layout = replace(resolved.layout, output_dir=folder)
            copy = replace(target, xml=folder / target.xml.name)
            checked = replace(resolved, layout=layout, targets=(copy,))
        find_reference = _run_original(compute, spec.full_name, options, listener)
        start = partial(start_proofs, filled, path, options, find_reference)
        (result,) = publish(checked, options=options, start_proofs=start, listener=listener)
    if later and options.self_check:
        listener(
            WarningIssued(
                f"the self-check compared the IR before {', '.join(later)}, and not after"
            )
        )
    if transposed:
        file_ports.transpose_outputs(network, transposed)
    if later:
        for change in changes:
            change.apply(network)
        ir_writer.rename_numbered_operations(network)
        unchecked = replace(options, self_check=False)
        publish(resolved, options=unchecked, listener=ignore_event)
    ir_writer.state_proof(target.xml, result.proof, result.not_compared, result.describe_outputs())
    return target.xml


#: The section of an IR's rt_info with what a file says of itself, such as the metadata of an ONNX.
ORIGINAL_METADATA = "framework"


def read_metadata(network: Model) -> dict[str, str]:
    """What a file says of itself, by key: with these, an IR is run as the file itself."""
    if not network.has_rt_info([ORIGINAL_METADATA]):
        return {}
    texts = {}
    for key in network.get_rt_info([ORIGINAL_METADATA]).astype(dict):
        with suppress(UnicodeDecodeError, RuntimeError):  # it is not text
            texts[key] = str(network.get_rt_info([ORIGINAL_METADATA, key]).astype(str))
    return texts


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
