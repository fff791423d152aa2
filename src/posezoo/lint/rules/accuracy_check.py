"""Rules that compare accuracy-check.yml with model.yml and the card."""

from __future__ import annotations

import re
from collections.abc import Sequence

from posezoo.lint.accuracy_check_yml import AccuracyCheckRun, find_node, list_below, text_below
from posezoo.lint.finding import RuleViolation, Violations
from posezoo.lint.registry_view import ModelView
from posezoo.lint.rule import defined_rules, rule
from posezoo.lint.rules.shapes_and_names import base_name, is_listed
from posezoo.spec.model import UnpackArchive
from posezoo.spec.yaml_nodes import YamlNode

#: Keys of an adapter that name an output; raw_output does not.
_OUTPUT_KEYS = re.compile(r"(?!raw_output$).*_out(?:put)?")


@rule()
def evaluated_names(view: ModelView) -> Violations:
    """accuracy-check.yml uses the names of inputs and of the converted model's outputs that the
    card has.

    Example: heatmaps_out: maps, and name - `heatmaps` on the card
    """
    for run in view.runs:
        inputs = [find_node(node, "name") for node in list_below(run.launcher, "inputs")]
        # If model.yml has the name, too, then the card is wrong, and another rule reports it.
        declared = [] if run.is_converted else [base_name(port.name) for port in view.inputs]
        yield from _find_unknown(view, run, "input", inputs, declared)
        if run.is_converted:  # the original framework may have other names for its outputs
            yield from _find_unknown(view, run, "output", _find_outputs(run), [])


def _find_outputs(run: AccuracyCheckRun) -> list[YamlNode]:
    adapter = find_node(run.launcher, "adapter")
    keys = adapter.value if adapter is not None and isinstance(adapter.value, dict) else {}
    named = [node for key, node in keys.items() if _OUTPUT_KEYS.fullmatch(key)]
    return [*named, *list_below(adapter, "outputs")]


def _find_unknown(
    view: ModelView,
    run: AccuracyCheckRun,
    kind: str,
    nodes: Sequence[YamlNode | None],
    declared: list[str],
) -> Violations:
    ports = view.claims.ports_on(kind, run.side, "")
    on_card = [base_name(port.name.value) for port in ports if port.name is not None]
    if not on_card or len(on_card) < len(ports):
        return
    for node in nodes:
        if node is None or not isinstance(node.value, str):
            continue
        name = base_name(node.value)
        if name and not is_listed(name, [*on_card, *declared]):
            listed = ", ".join(on_card)
            message = f"accuracy-check.yml names the {kind} {name}; the card has {listed}"
            yield RuleViolation(node, message, "", name, listed)


@rule()
def evaluated_file(view: ModelView) -> Violations:
    """accuracy-check.yml evaluates a file of the model, or the one that its export writes.

    Example: model: resnet.onnx, and --output-file=$conv_dir/resnet-18.onnx
    """
    spec = view.spec
    if spec is None or any(isinstance(step, UnpackArchive) for step in spec.postprocessing):
        return  # the contents of an archive are not declared
    arguments = (*view.arguments, *view.export_arguments)
    paths = [
        argument.value
        for argument in arguments
        if argument.flag in ("--output-file", "--input_model")
    ]
    names = {path.rpartition("/")[2] for path in (*paths, *(file.name for file in spec.files))}
    for run in (run for run in view.runs if not run.is_converted):
        for key in ("model", "weights"):
            name = text_below(run.launcher, key).rpartition("/")[2]
            if name and name not in names:
                place, files = (
                    find_node(run.launcher, key) or run.launcher,
                    ", ".join(sorted(names)),
                )
                message = f"accuracy-check.yml evaluates {name}; the model's files are {files}"
                yield RuleViolation(place, message, f"launchers.{key}", name)


@rule()
def evaluated_model(view: ModelView) -> Violations:
    """accuracy-check.yml evaluates this model, and not the one that it was copied from.

    Example: name: resnet-50 in resnet-101/accuracy-check.yml
    """
    for run in view.runs:
        if not run.name.startswith(view.name):
            place = find_node(run.node, "name") or run.node
            message = f"accuracy-check.yml calls it {run.name}, which is not the model's name"
            yield RuleViolation(place, message, "models.name", run.name, view.name)


RULES = defined_rules(globals())
