"""IR written aside, proven, and only then put in their place.

A pair of files cannot be replaced in one step. So the old .xml goes first and the new one comes last:
whenever the process stops, there is the old pair, the new pair, or no .xml; never a mixture. The record
comes after the pair; where the two disagree, the next conversion makes the IR again. Nobody waits for the
disk: what a loss of power takes of an IR, its size and digest tell, and the original, which was waited for,
makes it again.
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

#: Told a precision and what the IR's files hold, by suffix, before it is put in place; raises to refuse it.
AcceptIr = Callable[[Precision, Mapping[str, FileContent]], None]


def accept_all(precision: Precision, contents: Mapping[str, FileContent]) -> None:
    """An ``AcceptIr`` that refuses none."""


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
    """Write, prove and put in place the IR of a network; nothing is replaced unless all of them are proven.

    Args:
        network: an ``openvino.Model``, preprocessing inside and described.
        spec: the model that it claims to be.
        layout: where things lie; the original is read there again, by another runtime.
        precisions: what to make.
        self_check: whether to prove them.
        reference: what the original computes, if somebody has asked for it already.
        decoder: what the record names as decoder.
        accept_ir: may refuse an IR that was proven.
        listener: is told of each IR that was proven.

    Returns:
        The .xml by precision.

    Raises:
        SelfCheckError: an IR does not compute what the original computes.
        OutputError: something cannot be written.
    """
    named = fill_in_inputs(spec, network)
    with staging_dir(layout.model_dir(spec)) as folder, ThreadPoolExecutor() as pool:
        # Most of these steps keep one core busy, for seconds where the network is large.
        if self_check and reference is None:
            reference = pool.submit(compute_reference, named, frontends.source_model_path(spec, layout))
        written = {each: _write(network, named, folder, each, pool, reference) for each in precisions}
        found = compute_complexity(network)
        complexity = asdict(found) if found else None
        checked = _self_checked(named, written, listener)
        for precision, each in written.items():
            accept_ir(precision, contents_by_suffix(each.contents.result()))
        for precision, each in written.items():
            metrics = checked[precision].to_json() if precision in checked else None
            record = provenance.format_provenance(spec, decoder, each.contents.result(), metrics, complexity)
            verified_files.write_atomically(each.xml.with_name("provenance.json"), record, lasting=False)
        for precision, each in written.items():  # all is written: a full disk stops none of these
            _put_in_place(each.xml, layout.ir_path(spec, precision), each.contents.result())
    return {precision: layout.ir_path(spec, precision) for precision in precisions}


def put_in_place(new: Path, xml: Path, contents: Mapping[str, FileContent], record: bytes) -> None:
    """Publish an IR that was written and proven elsewhere.

    Args:
        new: the .xml in a working folder on the target's file system, its .bin beside it.
        xml: where it belongs.
        contents: what the two files hold, as ``read_contents`` says.
        record: what provenance.json beside them will hold.

    Raises:
        OutputError: it cannot be put there; the IR that was there is whole, or has no .xml.
    """
    verified_files.write_atomically(new.with_name("provenance.json"), record)
    _put_in_place(new, xml, contents)


@dataclass(frozen=True, slots=True)
class _StagedIr:
    """An IR in the working folder, and what comes to be known of it."""

    xml: Path
    contents: Future[dict[str, FileContent]]
    checked: Future[SelfCheckResult] | None


def _write(
    network: Any,
    spec: ModelSpec,
    folder: Path,
    precision: Precision,
    pool: ThreadPoolExecutor,
    reference: Future[ReferenceOutputs] | None,
) -> _StagedIr:
    xml = ir_writer.write_ir(network, folder / precision / f"{spec.name}.xml", precision)
    checked = pool.submit(_check, spec, xml, precision, reference) if reference else None
    return _StagedIr(xml, pool.submit(read_contents, xml), checked)


def _check(
    spec: ModelSpec, xml: Path, precision: Precision, reference: Future[ReferenceOutputs]
) -> SelfCheckResult:
    compiled = compile_for_check(spec, xml, precision)
    return check_ir(spec, reference.result(), compiled, precision)


def _self_checked(
    spec: ModelSpec, written: Mapping[Precision, _StagedIr], listener: Listener
) -> dict[Precision, SelfCheckResult]:
    checked = {}
    for precision, each in written.items():
        if each.checked is not None:
            found = checked[precision] = each.checked.result()
            worst = found.worst_difference
            listener(
                SelfCheckPassed(spec.full_name, precision, worst.difference, worst.tolerance, found.reference)
            )
    return checked


def _pair(xml: Path) -> tuple[Path, Path]:
    return xml, xml.with_suffix(".bin")


def read_contents(xml: Path) -> dict[str, FileContent]:
    """What the two files of an IR hold, by name."""
    return {
        path.name: FileContent(path.stat().st_size, verified_files.compute_digest(path))
        for path in _pair(xml)
    }


def _put_in_place(new: Path, xml: Path, contents: Mapping[str, FileContent]) -> None:
    """Move a written pair and its record to where they belong; a pair with the same bytes stays."""
    try:
        xml.parent.mkdir(parents=True, exist_ok=True)
        if not all(_is_the_same(path, contents[path.name]) for path in _pair(xml)):
            xml.unlink(missing_ok=True)
            os.replace(new.with_suffix(".bin"), xml.with_suffix(".bin"))
            os.replace(new, xml)
            for path in _pair(xml):
                verified_files.remember_verified(path, contents[path.name].digest)
        os.replace(new.with_name("provenance.json"), xml.with_name("provenance.json"))
    except OSError as error:
        raise OutputError(
            f"{xml}: cannot be put in place: {error.strerror or error}",
            hint="look at the folder's permissions",
        ) from error


def contents_by_suffix(contents: Mapping[str, FileContent]) -> dict[str, FileContent]:
    """What the files of an IR hold, by suffix in place of name."""
    return {Path(name).suffix: content for name, content in contents.items()}


def _is_the_same(path: Path, content: FileContent) -> bool:
    return verified_files.is_verified(path, content.size, content.digest, trust_record=False)
