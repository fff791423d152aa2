"""IR written aside, proven, and only then put in their place.

A pair of files cannot be replaced in one step. So the old .xml goes first and the new one comes last:
whenever the machine stops, there is the old pair, the new pair, or no .xml; never a mixture. The record
comes after the pair; where the two disagree, the next conversion makes the IR again.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

from posezoo import files, provenance
from posezoo.complexity import complexity_of
from posezoo.convert import ir, original
from posezoo.convert.preprocess import completed
from posezoo.convert.reference import Reference, compute_reference
from posezoo.convert.self_check import SelfChecked, check
from posezoo.convert.working_folder import working_folder
from posezoo.errors import OutputError
from posezoo.events import Listener, ModelSelfChecked, ignore
from posezoo.layout import Layout
from posezoo.provenance import Content
from posezoo.spec.model import Decoder, ModelSpec, Precision


def publish(
    network: Any,
    spec: ModelSpec,
    layout: Layout,
    precisions: Collection[Precision],
    *,
    self_check: bool = True,
    decoder: Decoder | None = None,
    listener: Listener = ignore,
) -> dict[Precision, Path]:
    """Write, prove and put in place the IR of a network; nothing is replaced unless all of them are proven.

    Args:
        network: an ``openvino.Model``, preprocessing inside and described.
        spec: the model that it claims to be.
        layout: where things lie; the original is read there again, by another runtime.
        precisions: what to make.
        self_check: whether to prove them.
        decoder: what the record names as decoder.
        listener: is told of each IR that was proven.

    Returns:
        The .xml by precision.

    Raises:
        SelfCheckError: an IR does not compute what the original computes.
        OutputError: something cannot be written.
    """
    named = completed(spec, network)
    with working_folder(layout.model(spec)) as folder, ThreadPoolExecutor() as pool:
        # Reading and compiling keep one core busy: the original runs beside, and the IR beside one another.
        reference = (
            pool.submit(compute_reference, named, original.path_of(spec, layout)) if self_check else None
        )
        written = {each: ir.write(network, folder / each / f"{spec.name}.xml", each) for each in precisions}
        checked = _prove(named, reference.result(), written, pool, listener) if reference else {}
        found = complexity_of(network)
        for precision, xml in written.items():
            contents = {path.name: _content_of(path) for path in _pair(xml)}
            figures = checked[precision].figures() if precision in checked else None
            record = provenance.compose(spec, decoder, contents, figures, asdict(found) if found else None)
            files.write_whole(xml.with_name("provenance.json"), record)
            _put_in_place(xml, layout.ir(spec, precision), contents)
    return {precision: layout.ir(spec, precision) for precision in precisions}


def _prove(
    spec: ModelSpec,
    reference: Reference,
    written: Mapping[Precision, Path],
    pool: ThreadPoolExecutor,
    listener: Listener,
) -> dict[Precision, SelfChecked]:
    checks = pool.map(lambda each: check(spec, reference, written[each], each), written)
    checked = dict(zip(written, checks, strict=True))
    for precision, found in checked.items():
        difference, tolerance = found.worst.difference, found.worst.tolerance
        listener(ModelSelfChecked(spec.name, precision, difference, tolerance, reference.runtime))
    return checked


def _pair(xml: Path) -> tuple[Path, Path]:
    return xml, xml.with_suffix(".bin")


def _content_of(path: Path) -> Content:
    return Content(path.stat().st_size, files.digest_of(path))


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


def _is_the_same(path: Path, content: Content) -> bool:
    return files.is_good(path, content.size, content.digest, rehash=True)
