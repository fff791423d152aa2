"""Write IR to a staging folder, check them, and only then move them to their final folder.

A pair of files cannot be replaced in one step. Therefore the old .xml is removed first and the new .xml is
moved last: if the process stops at any time, there is the old pair, the new pair, or no .xml, but never a
mixture. The record is moved after the pair; if it does not match the pair, the next conversion makes the IR
again. IR are not flushed to disk: if a power failure damages them, their size and digest show it, and they
are made again from the original.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from posezoo.convert import frontends
from posezoo.convert.preprocess import fill_in_inputs
from posezoo.convert.reference_outputs import ReferenceOutputs, compute_reference
from posezoo.convert.self_check import SelfCheckResult, check_ir, compile_for_check
from posezoo.errors import OutputError
from posezoo.events import Listener, SelfCheckPassed, ignore_event
from posezoo.files import verified_files
from posezoo.files.staging import staging_dir
from posezoo.ir import ir_writer, provenance
from posezoo.ir.complexity import compute_complexity
from posezoo.ir.provenance import FileContent
from posezoo.layout import ModelLayout
from posezoo.spec.model import Decoder, ModelSpec, Precision

#: Called before an IR is published, with its precision and the content of its files by suffix; an exception
#: refuses the IR.
AcceptIr = Callable[[Precision, Mapping[str, FileContent]], None]


def accept_all(precision: Precision, contents: Mapping[str, FileContent]) -> None:
    """An ``AcceptIr`` that accepts every IR."""


def publish_irs(
    network: Any,
    spec: ModelSpec,
    layout: ModelLayout,
    precisions: Collection[Precision],
    *,
    self_check: bool = True,
    reference: Future[ReferenceOutputs] | None = None,
    decoder: Decoder | None = None,
    accept_ir: AcceptIr = accept_all,
    listener: Listener = ignore_event,
) -> dict[Precision, Path]:
    """Write, check and publish the IR of a network; no file is replaced unless all IR pass the check.

    Args:
        network: an ``openvino.Model``, with its preprocessing and description.
        spec: the model.
        layout: the folders of its files, from which the reference runtime reads the original.
        precisions: the precisions of the IR.
        self_check: whether to compare the outputs of the IR with those of the original.
        reference: the outputs of the original, if the caller has already started to compute them.
        decoder: the decoder that the record names.
        accept_ir: can refuse an IR that passed the check, by an exception.
        listener: receives an event for each IR that passed the check.

    Returns:
        The paths of the .xml by precision.

    Raises:
        SelfCheckError: the outputs of an IR differ from those of the original.
        OutputError: a file cannot be written.
    """
    spec_with_names = fill_in_inputs(spec, network)
    with staging_dir(layout.model_dir(spec)) as folder, ThreadPoolExecutor() as pool:
        # Most of these steps use one core only, and take seconds for a large network: they run in parallel.
        if self_check and reference is None:
            source = frontends.source_model_path(spec, layout)
            reference = pool.submit(compute_reference, spec_with_names, source)
        staged: dict[Precision, _StagedIr] = {}
        for precision in precisions:
            xml = ir_writer.write_ir(network, folder / precision / f"{spec.name}.xml", precision)
            check = pool.submit(_check, spec_with_names, xml, precision, reference) if reference else None
            staged[precision] = _StagedIr(xml, pool.submit(read_contents, xml), check)
        complexity = compute_complexity(network)
        for precision, ir in staged.items():
            if ir.check is not None:
                result = ir.check.result()
                worst = result.worst_difference
                listener(
                    SelfCheckPassed(
                        spec.full_name, precision, worst.difference, worst.tolerance, result.reference
                    )
                )
        for precision, ir in staged.items():
            accept_ir(precision, contents_by_suffix(ir.contents.result()))
        for ir in staged.values():
            record = provenance.format_provenance(
                spec,
                decoder,
                ir.contents.result(),
                ir.check.result().to_json() if ir.check else None,
                asdict(complexity) if complexity else None,
            )
            verified_files.write_atomically(ir.xml.with_name("provenance.json"), record, lasting=False)
        for (
            precision,
            ir,
        ) in staged.items():  # all bytes are written: a full disk cannot interrupt these moves
            _put_in_place(ir.xml, layout.ir_path(spec, precision), ir.contents.result())
    return {precision: layout.ir_path(spec, precision) for precision in precisions}


def _check(
    spec: ModelSpec, xml: Path, precision: Precision, reference: Future[ReferenceOutputs]
) -> SelfCheckResult:
    compiled = compile_for_check(spec, xml, precision)
    return check_ir(spec, reference.result(), compiled, precision)


def put_in_place(new: Path, xml: Path, contents: Mapping[str, FileContent], record: bytes) -> None:
    """Publish an IR that the caller has written and checked.

    Args:
        new: the .xml in a staging folder on the target's file system; its .bin is in the same folder.
        xml: the final path of the .xml.
        contents: size and digest of the two files, from ``read_contents``.
        record: the content of the provenance.json for the same folder.

    Raises:
        OutputError: it cannot be moved there. An existing IR is then still complete, or has no .xml.
    """
    verified_files.write_atomically(new.with_name("provenance.json"), record)
    _put_in_place(new, xml, contents)


@dataclass(frozen=True, slots=True)
class _StagedIr:
    """An IR in the staging folder, with its digests and its self-check."""

    xml: Path
    contents: Future[dict[str, FileContent]]
    check: Future[SelfCheckResult] | None


def _pair(xml: Path) -> tuple[Path, Path]:
    return xml, xml.with_suffix(".bin")


def read_contents(xml: Path) -> dict[str, FileContent]:
    """Size and digest of the two files of an IR, by name."""
    return {
        path.name: FileContent(path.stat().st_size, verified_files.compute_digest(path))
        for path in _pair(xml)
    }


def _put_in_place(new: Path, xml: Path, contents: Mapping[str, FileContent]) -> None:
    """Move a pair and its record to their final paths; an existing pair with the same bytes is kept."""
    try:
        xml.parent.mkdir(parents=True, exist_ok=True)
        is_same = all(
            verified_files.is_verified(
                path, contents[path.name].size, contents[path.name].digest, trust_record=False
            )
            for path in _pair(xml)
        )
        if not is_same:
            xml.unlink(missing_ok=True)
            os.replace(new.with_suffix(".bin"), xml.with_suffix(".bin"))
            os.replace(new, xml)
            for path in _pair(xml):
                verified_files.remember_verified(path, contents[path.name].digest)
        os.replace(new.with_name("provenance.json"), xml.with_name("provenance.json"))
    except OSError as error:
        raise OutputError(
            f"{xml}: cannot be moved to its folder: {error.strerror or error}",
            hint="check the folder's permissions",
        ) from error


def contents_by_suffix(contents: Mapping[str, FileContent]) -> dict[str, FileContent]:
    """The content of an IR's files, by suffix instead of name."""
    return {Path(name).suffix: content for name, content in contents.items()}
