"""What holds of models in our own form: licence texts, decoders, skeletons, networks, what was measured."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import fields, replace

from posezoo.errors import NetworkError, SpecError, UnknownModelError
from posezoo.facts import papers
from posezoo.lint.finding import FileLocation, RuleViolation, Severity
from posezoo.lint.registry_view import ModelView
from posezoo.lint.rule import Rule
from posezoo.lint.text_comparison import read_text
from posezoo.measured import NAME, read_measured
from posezoo.registry import license_path, read_copyright_line, registry_root
from posezoo.spec.model import CompositeSpec, Input, ModelSpec
from posezoo.spec.model_yml import OURS
from posezoo.spec.spdx_licenses import is_license, suggest_license

#: What only the text of a licence says.
PHRASES = {
    "Apache-2.0": "Apache License Version 2.0",
    "MIT": "Permission is hereby granted, free of charge, to any person obtaining a copy",
    "BSD-2-Clause": "Redistribution and use in source and binary forms, with or without modification",
    "BSD-3-Clause": "Redistribution and use in source and binary forms, with or without modification",
}


def _known(view: ModelView) -> ModelSpec | CompositeSpec | None:
    return None if isinstance(view.parsed, SpecError) else view.parsed


def _license_text(view: ModelView) -> Iterator[RuleViolation]:
    spec = view.spec
    if spec is not None and spec.license.text and not read_copyright_line(spec):
        path = license_path(spec)
        reason = "does not open with a line 'Copyright ... holder'" if path.is_file() else "is not there"
        yield RuleViolation(
            view.location("license", "text"),
            f"license.text: {path} {reason}",
            "license.text",
            spec.license.text,
        )


def _license_name(view: ModelView) -> Iterator[RuleViolation]:
    spec = view.spec
    if spec is not None and spec.license.spdx and not is_license(name := spec.license.spdx):
        message = f"license.spdx: SPDX knows no {name}: {suggest_license(name)}"
        yield RuleViolation(view.location("license", "spdx"), message, "license.spdx", name)


def _license_kind(view: ModelView) -> Iterator[RuleViolation]:
    """The licence text is that of the licence that is named."""
    spec = view.spec
    if spec is None or spec.license.spdx not in PHRASES:
        return
    text = read_text(license_path(spec)) or "" if spec.license.text else ""
    others = {name for name, phrase in PHRASES.items() if phrase in " ".join(text.split())}
    if others and not any(PHRASES[name] == PHRASES[spec.license.spdx] for name in others):
        told = " or ".join(sorted(others))
        message = f"license: {spec.license.text} is the text of {told}, not of {spec.license.spdx}"
        yield RuleViolation(
            view.location("license", "text"), message, "license.text", told, spec.license.spdx
        )


def _decoder(view: ModelView) -> Iterator[RuleViolation]:
    spec = _known(view)
    if spec is None or spec.decoder is None:
        return
    from posezoo.pose.decoders import DECODERS  # with NumPy, which most registries need not wait for

    if DECODERS.find(spec.decoder.name) is None:
        name, known = spec.decoder.name, ", ".join(DECODERS.names())
        message = f"decoder.name: no decoder is called {name}; known: {known}"
        yield RuleViolation(view.location("decoder", "name"), message, "decoder.name", name, known)


def _skeleton(view: ModelView) -> Iterator[RuleViolation]:
    spec = _known(view)
    if spec is None or not spec.skeleton:
        return
    from posezoo.pose.keypoints import SKELETONS

    if spec.skeleton not in SKELETONS:
        known = ", ".join(SKELETONS)
        message = f"skeleton: no skeleton is called {spec.skeleton}; known: {known}"
        yield RuleViolation(view.location("skeleton"), message, "skeleton", spec.skeleton, known)


def _sentences(view: ModelView) -> Iterator[RuleViolation]:
    spec = _known(view)
    if spec is not None and _is_ours(view) and not spec.description.endswith("."):
        message = "description: does not end with a full stop"
        yield RuleViolation(view.location("description"), message, "description", spec.description[-20:])


def _declared_ends(view: ModelView) -> Iterator[RuleViolation]:
    spec = view.spec
    if spec is not None and _is_ours(view) and not (spec.inputs and spec.outputs):
        yield RuleViolation(view.location(), "inputs and outputs are not both declared", "inputs")


def _network(view: ModelView) -> Iterator[RuleViolation]:
    spec = view.spec
    if spec is None or spec.network is None:
        return
    from posezoo import networks

    try:
        network = networks.find_network(spec.network.name)
        outputs = network.output_names(**spec.network.arguments)
    except (UnknownModelError, NetworkError) as error:
        yield RuleViolation(
            view.location("network"), f"network: {error.problem}", "network", spec.network.name
        )
        return
    for variant in view.variants:
        if [output.name for output in variant.outputs] != list(outputs):
            told = ", ".join(output.name for output in variant.outputs)
            message = f"outputs: those of {variant.full_name} are not {', '.join(outputs)}"
            yield RuleViolation(view.location("outputs"), message, "outputs", told, ", ".join(outputs))
        # Of its own sizes a variant has as many as it likes.
        ends = [replace(port, shape=(), dynamic=()) for port in variant.inputs]
        known = replace(network.input, shape=())
        if ends != [known]:
            what = f"{_differences(ends, known)} of {variant.full_name}"
            message = f"inputs: not as the network {network.name} has them: {what}"
            yield RuleViolation(view.location("inputs"), message, "inputs", variant.full_name, network.name)


def _differences(ends: list[Input], known: Input) -> str:
    """What of the one input of a network is told otherwise."""
    if len(ends) != 1:
        return "number"
    names = (field.name for field in fields(known))
    return ", ".join(name for name in names if getattr(ends[0], name) != getattr(known, name))


def _measured(view: ModelView) -> Iterator[RuleViolation]:
    spec = _known(view)
    if spec is None:
        return
    path = spec.path.with_name(NAME)
    try:
        tags = {each.tag for each in read_measured(path)}
    except SpecError as error:
        message = error.problem.removeprefix(f"{spec.path.parent}{os.sep}")
        yield RuleViolation(FileLocation(error.file, error.line, error.column), message, error.field)
        return
    known = {variant.tag for variant in view.variants} or {""}
    for tag in sorted(tags - known):
        yield RuleViolation(FileLocation(str(path)), f"{NAME}: no variant has the tag {tag!r}", "tag", tag)


def _deprecated(view: ModelView) -> Iterator[RuleViolation]:
    spec = _known(view)
    use = spec.deprecated.use if spec is not None and spec.deprecated is not None else ""
    if use and use not in view.zoo.registry.entries:
        message = f"deprecated.use: no model is called {use}"
        yield RuleViolation(view.location("deprecated", "use"), message, "deprecated.use", use)


def _papers(view: ModelView) -> Iterator[RuleViolation]:
    spec = view.spec
    if spec is None or not spec.origin.paper:
        return
    path = registry_root(spec) / papers.NAME
    try:
        told = papers.read_papers(path)
    except SpecError as error:
        yield RuleViolation(FileLocation(error.file, error.line, error.column), error.problem, error.field)
        return
    if told and spec.origin.paper not in told:
        message = f"origin.paper: {path.name} does not tell of {spec.origin.paper}: the card cannot cite it"
        yield RuleViolation(view.location("origin", "paper"), message, "origin.paper", spec.origin.paper)


def _is_ours(view: ModelView) -> bool:
    """Whether model.yml is in our form: it has a key that Open Model Zoo's have not."""
    license = view.node("license")
    return any(view.node(key) is not None for key in OURS) or (license is not None and not license.is_text())


RULES: tuple[Rule, ...] = (
    Rule(
        "license-text",
        Severity.ERROR,
        "A licence text is there and opens with its holder's line: MIT and BSD demand it.",
        "license: {spdx: MIT, text: MIT.txt} without licenses/MIT.txt",
        _license_text,
    ),
    Rule(
        "license-name",
        Severity.WARNING,
        "Terms are named as SPDX lists them, or as LicenseRef-NAME.",
        "license: {spdx: Apache2, text: Apache-2.0-Intel.txt}",
        _license_name,
    ),
    Rule(
        "license-kind",
        Severity.ERROR,
        "The licence text is that of the licence that is named.",
        "license: {spdx: MIT, text: Apache-2.0-Intel.txt}",
        _license_kind,
    ),
    Rule(
        "known-decoder",
        Severity.ERROR,
        "A decoder is one of posezoo's.",
        "decoder: {name: opnepose}",
        _decoder,
    ),
    Rule(
        "known-skeleton",
        Severity.ERROR,
        "A skeleton is one of posezoo's.",
        "skeleton: coco-71",
        _skeleton,
    ),
    Rule(
        "sentences",
        Severity.ERROR,
        "A description ends with a full stop: cards show it as it is.",
        "description: A small model",
        _sentences,
    ),
    Rule(
        "declared-ends",
        Severity.ERROR,
        "A model in our form says what goes in and what comes out.",
        "a model.yml without outputs",
        _declared_ends,
    ),
    Rule(
        "known-network",
        Severity.ERROR,
        "A network is one of ours, takes these arguments, and has these inputs and outputs.",
        "network: {name: higher_hrnet, width: 9000}",
        _network,
    ),
    Rule(
        "measured",
        Severity.ERROR,
        "measured.yml can be read, and is of variants that there are.",
        "tag: x1 in measured.yml, and no variant x1",
        _measured,
    ),
    Rule(
        "deprecated-use",
        Severity.ERROR,
        "The model to take in place of a deprecated one is there.",
        "deprecated: {since: 0.2.0, use: gone}",
        _deprecated,
    ),
    Rule(
        "papers",
        Severity.ERROR,
        "papers.yml, where a registry has one, can be read and tells of the papers that models name.",
        "origin: {paper: https://papers.invalid/1} without that address in papers.yml",
        _papers,
    ),
)
