"""The rule that compares the names in accuracy-check.yml with model.yml and the card."""

from __future__ import annotations

import re
from collections.abc import Iterator

from posezoo.lint.accuracy_check_yml import AccuracyCheckRun, find_node, list_below
from posezoo.lint.finding import RuleViolation, Violations
from posezoo.lint.registry_view import ModelView
from posezoo.lint.rule import rule
from posezoo.lint.rules.shapes_and_names import base_name, is_listed
from posezoo.spec.model import UnpackArchive
from posezoo.spec.yaml_nodes import YamlNode

#: Keys of an adapter that name an output; raw_output does not.
_OUTPUT_KEYS = re.compile(r"(?!raw_output$).*_out(?:put)?")
#: Arguments that name a file which the original framework may evaluate.
_FILE_FLAGS = ("--output-file", "--input_model")
#: What a name is for, its node, and the names that the model has; empty if these are unknown.
EvaluatedName = tuple[str, YamlNode | None, list[str]]


@rule()
def evaluated_names(view: ModelView) -> Violations:
    """accuracy-check.yml evaluates this model, one of its files or what its export writes, and uses
    the names of inputs and of the converted model's outputs that the card has.

    Example: heatmaps_out: maps, and name - `heatmaps` on the card
    """
    for run in view.runs:
        for kind, place, model_names in _list_names(view, run):
            if place is None or not place.is_text():
                continue
            text = str(place.value)
            name = text.rpartition("/")[2] if kind == "file" else base_name(text)
            if model_names and not is_listed(name, ("", *model_names)):
                listed = ", ".join(model_names)
                message = f"accuracy-check.yml names the {kind} {name}; the model has {listed}"
                yield RuleViolation(place, message, actual=name, expected=listed)


def _list_names(view: ModelView, run: AccuracyCheckRun) -> Iterator[EvaluatedName]:
    model = find_node(run.node, "name")
    if model is not None and not str(model.value).startswith(view.name):
        yield "model", model, [view.name]
    inputs = _list_on_card(view, run, "input")
    for node in list_below(run.launcher, "inputs"):
        yield "input", find_node(node, "name"), inputs
    if run.is_converted:  # the original framework may have other names for its outputs
        outputs = _list_on_card(view, run, "output")
        for node in _find_outputs(run):
            yield "output", node, outputs
    else:
        files = _list_files(view)
        for key in ("model", "weights"):
            yield "file", find_node(run.launcher, key), files


def _list_files(view: ModelView) -> list[str]:
    """The names of files that may be evaluated; empty if an archive has unknown files."""
    spec = view.spec
    if not view.variants or any(isinstance(step, UnpackArchive) for step in spec.postprocessing):
        return []
    arguments = (*view.arguments, *view.export_arguments)
    paths = [argument.value for argument in arguments if argument.flag in _FILE_FLAGS]
    paths += spec.file_names
    return sorted({path.rpartition("/")[2] for path in paths})


def _list_on_card(view: ModelView, run: AccuracyCheckRun, kind: str) -> list[str]:
    """The names on the card; empty if a port has none."""
    ports = view.claims.ports_on(kind, run.side, "")
    on_card = [base_name(port.name.value) for port in ports]
    if not on_card or "" in on_card:
        return []
    # If model.yml has the name, too, then the card is wrong, and another rule reports it.
    is_declared = kind == "input" and not run.is_converted
    declared = []
    if is_declared:
        declared = [base_name(port.name) for port in view.inputs if port.name]
    return list(dict.fromkeys([*on_card, *declared]))


def _find_outputs(run: AccuracyCheckRun) -> list[YamlNode]:
    adapter = find_node(run.launcher, "adapter")
    keys = {}
    if adapter is not None and isinstance(adapter.value, dict):
        keys = adapter.value
    named = [node for key, node in keys.items() if _OUTPUT_KEYS.fullmatch(key)]
    return [*named, *list_below(adapter, "outputs")]
