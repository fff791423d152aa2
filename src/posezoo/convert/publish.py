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

from posezoo import files, provenance
from posezoo.complexity import complexity_of
from posezoo.convert import ir, original
from posezoo.convert.preprocess import completed
from posezoo.convert.reference import Reference, compute_reference
from posezoo.convert.self_check import SelfChecked, check, load
from posezoo.errors import OutputError
from posezoo.events import Listener, ModelSelfChecked, ignore
from posezoo.layout import Layout
from posezoo.provenance import Content
from posezoo.spec.model import Decoder, ModelSpec, Precision
from posezoo.working_folder import working_folder

#: Told a precision and what the IR's files hold, by suffix, before it is put in place; raises to refuse it.
Accept = Callable[[Precision, Mapping[str, Content]], None]


def take_any(precision: Precision, contents: Mapping[str, Content]) -> None:
    """An ``Accept`` that refuses none."""


def publish(
    network: Any,
    spec: ModelSpec,
    layout: Layout,
    precisions: Collection[Precision],
    *,
    self_check: bool = True,
    reference: Future[Reference] | None = None,
    decoder: Decoder | None = None,
    accept: Accept = take_any,
    listener: Listener = ignore,
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
        accept: may refuse an IR that was proven.
        listener: is told of each IR that was proven.

    Returns:
        The .xml by precision.

    Raises:
        SelfCheckError: an IR does not compute what the original computes.
        OutputError: something cannot be written.
    """
    named = completed(spec, network)
    with working_folder(layout.model(spec)) as folder, ThreadPoolExecutor() as pool:
        # Most of these steps keep one core busy, for seconds where the network is large.
        if self_check and reference is None:
            reference = pool.submit(compute_reference, named, original.path_of(spec, layout))
        written = {each: _write(network, named, folder, each, pool, reference) for each in precisions}
        found = complexity_of(network)
        complexity = asdict(found) if found else None
        checked = _proven(named, written, listener)
        for precision, each in written.items():
            accept(precision, by_suffix(each.contents.result()))
        for precision, each in written.items():
            figures = checked[precision].figures() if precision in checked else None
            record = provenance.compose(spec, decoder, each.contents.result(), figures, complexity)
            files.write_whole(each.xml.with_name("provenance.json"), record, lasting=False)
        for precision, each in written.items():  # all is written: a full disk stops none of these
            _put_in_place(each.xml, layout.ir(spec, precision), each.contents.result())
    return {precision: layout.ir(spec, precision) for precision in precisions}


def put_in_place(new: Path, xml: Path, contents: Mapping[str, Content], record: bytes) -> None:
    """Publish an IR that was written and proven elsewhere.

    Args:
        new: the .xml in a working folder on the target's file system, its .bin beside it.
        xml: where it belongs.
        contents: what the two files hold, as ``contents_of`` says.
        record: what provenance.json beside them will hold.

    Raises:
        OutputError: it cannot be put there; the IR that was there is whole, or has no .xml.
    """
    files.write_whole(new.with_name("provenance.json"), record)
    _put_in_place(new, xml, contents)


@dataclass(frozen=True, slots=True)
class _Written:
    """An IR in the working folder, and what comes to be known of it."""

    xml: Path
    contents: Future[dict[str, Content]]
    checked: Future[SelfChecked] | None


def _write(
    network: Any,
    spec: ModelSpec,
    folder: Path,
    precision: Precision,
    pool: ThreadPoolExecutor,
    reference: Future[Reference] | None,
) -> _Written:
    xml = ir.write(network, folder / precision / f"{spec.name}.xml", precision)
    checked = pool.submit(_check, spec, xml, precision, reference) if reference else None
    return _Written(xml, pool.submit(contents_of, xml), checked)


def _check(spec: ModelSpec, xml: Path, precision: Precision, reference: Future[Reference]) -> SelfChecked:
    compiled = load(spec, xml, precision)
    return check(spec, reference.result(), compiled, precision)


def _proven(
    spec: ModelSpec, written: Mapping[Precision, _Written], listener: Listener
) -> dict[Precision, SelfChecked]:
    checked = {}
    for precision, each in written.items():
        if each.checked is not None:
            found = checked[precision] = each.checked.result()
            worst = found.worst
            listener(
                ModelSelfChecked(
                    spec.full_name, precision, worst.difference, worst.tolerance, found.reference
                )
            )
    return checked


def _pair(xml: Path) -> tuple[Path, Path]:
    return xml, xml.with_suffix(".bin")


def contents_of(xml: Path) -> dict[str, Content]:
    """What the two files of an IR hold, by name."""
    return {path.name: Content(path.stat().st_size, files.digest_of(path)) for path in _pair(xml)}


def _put_in_place(new: Path, xml: Path, contents: Mapping[str, Content]) -> None:
    """Move a written pair and its record to where they belong; a pair with the same bytes stays."""
    try:
        xml.parent.mkdir(parents=True, exist_ok=True)
        if not all(_is_the_same(path, contents[path.name]) for path in _pair(xml)):
            xml.unlink(missing_ok=True)
            os.replace(new.with_suffix(".bin"), xml.with_suffix(".bin"))
            os.replace(new, xml)
            for path in _pair(xml):
                files.stamp(path, contents[path.name].digest)
        os.replace(new.with_name("provenance.json"), xml.with_name("provenance.json"))
    except OSError as error:
        raise OutputError(
            f"{xml}: cannot be put in place: {error.strerror or error}",
            hint="look at the folder's permissions",
        ) from error


def by_suffix(contents: Mapping[str, Content]) -> dict[str, Content]:
    """What the files of an IR hold, by suffix in place of name."""
    return {Path(name).suffix: content for name, content in contents.items()}


def _is_the_same(path: Path, content: Content) -> bool:
    return files.is_good(path, content.size, content.digest, rehash=True)
