"""Does a registry hold together? Rules over model.yml files and what they name; no weights, no network.

What a single file may say is checked as it is read; here is what only the whole registry shows.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from posezoo import networks
from posezoo.errors import NetworkError, SpecError, UnknownModelError
from posezoo.measured import NAME, read_measured
from posezoo.pose.decoders import DECODERS
from posezoo.pose.keypoints import SKELETONS
from posezoo.registry import Registry, copyright_line, license_text
from posezoo.spec.model import CompositeSpec, HttpSource, ModelSpec

Spec = ModelSpec | CompositeSpec


@dataclass(frozen=True, slots=True)
class Finding:
    """Something in a registry that cannot be right."""

    rule: str
    model: str
    file: str
    message: str


def check_registry(registry: Registry) -> Iterator[Finding]:
    """Every finding in every model and composite."""
    for entry in registry.entries.values():
        try:
            spec = entry.read()
        except SpecError as error:
            yield Finding("readable", entry.name, error.file, error.problem)
            continue
        for name, rule in RULES.items():
            for message in rule(spec, registry):
                yield Finding(name, spec.name, str(spec.path), message)


def _license_text(spec: Spec, registry: Registry) -> Iterator[str]:
    """The licence text is there and opens with its holder's copyright line."""
    if isinstance(spec, ModelSpec) and spec.license.text and not copyright_line(spec):
        path = license_text(spec)
        yield f"license.text: {path} " + (
            "does not open with a line 'Copyright ... holder'" if path.is_file() else "is not there"
        )


def _known_decoder(spec: Spec, registry: Registry) -> Iterator[str]:
    """The decoder is one of ours."""
    if spec.decoder is not None and spec.decoder.name not in DECODERS:
        yield f"decoder.name: no decoder is called {spec.decoder.name}; known: {', '.join(DECODERS)}"


def _known_skeleton(spec: Spec, registry: Registry) -> Iterator[str]:
    """The skeleton is one of ours."""
    if spec.skeleton and spec.skeleton not in SKELETONS:
        yield f"skeleton: no skeleton is called {spec.skeleton}; known: {', '.join(SKELETONS)}"


def _parts(spec: Spec, registry: Registry) -> Iterator[str]:
    """A composite's stages are its parts, all of them."""
    if not isinstance(spec, CompositeSpec):
        return
    inside = {entry.name for entry in registry.entries.values() if entry.composite == spec.name}
    for name in sorted(inside.symmetric_difference(spec.stages)):
        yield f"stages: {name} is " + ("not listed" if name in inside else "no folder of this composite")


def _known_keys(spec: Spec, registry: Registry) -> Iterator[str]:
    """Every key is known, in Open Model Zoo's form too."""
    yield from spec.warnings


def _sentences(spec: Spec, registry: Registry) -> Iterator[str]:
    """A description is a sentence: cards show it as it is."""
    if not spec.description.endswith("."):
        yield "description: does not end with a full stop"


def _safe_sources(spec: Spec, registry: Registry) -> Iterator[str]:
    """Files come over https."""
    variants = (spec, *spec.variants) if isinstance(spec, ModelSpec) else ()
    for file in (file for variant in variants for file in variant.files):
        for source in file.sources:
            if isinstance(source, HttpSource) and not source.url.startswith("https://"):
                yield f"files: {file.name}: {source.url} is not https"


def _declared_ends(spec: Spec, registry: Registry) -> Iterator[str]:
    """A model says what goes in and what comes out."""
    if isinstance(spec, ModelSpec) and not (spec.inputs and spec.outputs):
        yield "inputs and outputs are not both declared"


def _known_network(spec: Spec, registry: Registry) -> Iterator[str]:
    """A network is one of ours, takes these arguments, and has these inputs and outputs."""
    if isinstance(spec, CompositeSpec) or spec.network is None:
        return
    try:
        network = networks.find(spec.network.name)
        outputs = network.output_names(**spec.network.arguments)
    except (UnknownModelError, NetworkError) as error:
        yield f"network: {error.problem}"
        return
    for variant in (spec, *spec.variants):
        if [each.name for each in variant.outputs] != list(outputs):
            yield f"outputs: those of {variant.full_name} are not {', '.join(outputs)}"
        # Of its own sizes a variant has as many as it likes.
        ends = [replace(each, shape=(), dynamic=()) for each in variant.inputs]
        if ends != [replace(network.input, shape=())]:
            yield f"inputs: those of {variant.full_name} are not {network.name}'s, sizes apart"


def _measured(spec: Spec, registry: Registry) -> Iterator[str]:
    """What was measured can be read, and is of variants that there are."""
    try:
        tags = {each.tag for each in read_measured(spec.path.with_name(NAME))}
    except SpecError as error:
        yield error.problem.removeprefix(f"{spec.path.parent}{os.sep}")
        return
    known = {variant.tag for variant in (spec, *spec.variants)} if isinstance(spec, ModelSpec) else {""}
    for tag in sorted(tags - known):
        yield f"{NAME}: no variant has the tag {tag!r}"


Rule = Callable[[Spec, Registry], Iterator[str]]

#: By id; a third kind of mistake is one more function and one more line.
RULES: dict[str, Rule] = {
    "license-text": _license_text,
    "known-decoder": _known_decoder,
    "known-skeleton": _known_skeleton,
    "parts": _parts,
    "known-keys": _known_keys,
    "sentences": _sentences,
    "safe-sources": _safe_sources,
    "declared-ends": _declared_ends,
    "known-network": _known_network,
    "measured": _measured,
}
