"""What is known of the file of a network, and who says it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from posezoo.core.declarations.model import Decoder, ModelSpec
from posezoo.core.values import frozen
from posezoo.poses.decoders import find_decoder
from posezoo.run.preparation import find_statement
from posezoo.run.runtime.decoder_matching import count_spec_keypoints
from posezoo.run.runtime.graph import Graph, format_shape
from posezoo.run.runtime.input_description import InputDescription, read_own_values
from posezoo.run.subject import Subject

#: The sources of values beside metadata and flags.
NETWORK = "the network"
USUAL = "usual for the decoder"


@frozen
class StatedValue:
    """A value, and its source: ``--as MODEL``, metadata, the network itself, or what is usual."""

    name: str
    value: Any
    source: str


@frozen
class _Described:
    subject: Subject
    graph: Graph
    spec: ModelSpec
    description: InputDescription

    def source_of(self, stated: str, usual: str = "") -> str:
        """Who says a value: ``--as`` overrules what is stated."""
        said = self.subject.said
        if said.like and not usual:
            return f"{said.spell('like')} {said.like}"
        return stated or usual or NETWORK


def list_values(subject: Subject) -> list[StatedValue]:
    """What is known of a file, in the order in which it is used.

    Raises:
        InferenceError: as for ``describe_ir``.
    """
    graph = subject.graph
    assert graph
    if subject.is_published:
        assert isinstance(subject.model, ModelSpec)
        source = f"published as {subject.model.full_name}"
        decoder = subject.model.decoder
        return [
            StatedValue("model", subject.model.full_name, source),
            StatedValue("decoder", decoder.name if decoder else "", source),
            *_list_ports(graph),
        ]
    spec, description = subject.describe()
    described = _Described(subject, graph, spec, description)
    values = [*_list_ports(graph), *_list_preparation(described)]
    if spec.decoder:
        values += _list_decoded(described, spec.decoder)
    if spec.license.spdx:
        values.append(StatedValue("license", spec.license.spdx, "metadata of Ultralytics"))
    return [each for each in values if each.value not in ("", (), None)]


def _list_ports(graph: Graph) -> Iterator[StatedValue]:
    yield StatedValue("precision", str(graph.precision or graph.stored_precision), NETWORK)
    for kind, ports in (("input", graph.inputs), ("output", graph.distinct_outputs)):
        for name, shape in ports.items():
            source = "its place" if name in graph.unnamed else NETWORK
            yield StatedValue(kind, f"{name} {format_shape(shape)}", source)


def _list_preparation(described: _Described) -> Iterator[StatedValue]:
    preparation = described.description.preprocessing
    statement = find_statement(described.graph)
    if not (statement or described.subject.like):
        return
    source = described.source_of(statement)
    color = "RGB" if preparation.reverse_input_channels else "BGR"
    yield StatedValue("color", color, source)
    yield StatedValue("mean", preparation.mean or described.description.own_mean, source)
    scale = preparation.scale or read_own_values(described.graph, "scale")
    yield StatedValue("scale", scale, source)
    sizing = described.description.sizing
    if sizing:
        yield StatedValue("fit", sizing.fit, statement or USUAL)
        yield StatedValue("padding", sizing.padding, statement or USUAL)


def _list_decoded(described: _Described, decoder: Decoder) -> Iterator[StatedValue]:
    graph = described.graph
    spec = described.spec
    named = ""
    if graph.read_rt_info("posezoo", "decoder"):
        named = "metadata of posezoo"
    elif graph.read_model_info("model_type"):
        named = "model_info"
    elif graph.ultralytics.get("kpt_shape"):
        named = "metadata of Ultralytics"
    source = described.source_of(named)
    yield StatedValue("decoder", decoder.name, source)
    for name, value in sorted(decoder.options.items()):
        yield StatedValue(f"decoder option {name}", value, source)
    yield StatedValue("keypoints", count_spec_keypoints(graph, spec) or None, NETWORK)
    skeleton = decoder.skeleton
    names = skeleton.name if skeleton else find_decoder(decoder.name).skeleton
    stated = named if skeleton else ""
    yield StatedValue("skeleton", names, described.source_of(stated, USUAL))
    labels = ", ".join(described.description.labels)
    yield StatedValue("labels", labels, described.source_of(find_statement(graph)))
    if spec.people:
        source = described.source_of("metadata of posezoo")
        yield StatedValue("people from", spec.people.photo, source)
