"""accuracy-check.yml against model.yml and the card: what a network is given, and what is asked of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fnmatch import fnmatchcase

from posezoo.lint.accuracy_check_yml import AccuracyCheckRun, read_runs
from posezoo.lint.card_claims import CardPort
from posezoo.lint.finding import RuleViolation, Severity
from posezoo.lint.registry_view import ModelView, find_node, node_location
from posezoo.lint.rule import Rule
from posezoo.lint.rules.preprocessing_rules import are_equal, declared_values, format_numbers
from posezoo.lint.rules.shapes_and_names import base_name
from posezoo.lint.text_comparison import is_misspelling, parse_numbers
from posezoo.spec.model import UnpackArchive
from posezoo.spec.yaml_nodes import YamlNode

#: What the accuracy checker reads, as far as Open Model Zoo's models say it often.
KEYS = (
    "models", "evaluations", "name", "launchers", "datasets", "framework", "device", "model", "weights",
    "adapter", "module", "inputs", "output_names", "type", "value", "shape", "layout", "precision", "reader",
    "annotation", "annotation_conversion", "data_source", "preprocessing", "postprocessing", "metrics",
    "size", "dst_width", "dst_height", "aspect_ratio", "aspect_ratio_scale", "use_pillow", "interpolation",
    "mean", "std", "central_fraction", "pad_type", "pad_value", "stride", "apply_to", "presenter", "top_k",
    "threshold", "overlap", "reference", "min_confidence", "height_range", "width_range", "area_range",
    "is_empty", "remove_filtered", "max_detections", "ignore_difficult", "include_boundaries", "integral",
    "label_map", "num_classes", "classes", "mode", "median", "module_config", "subsample_size", "shuffle",
)  # fmt: skip
STEPS = (
    "resize", "crop", "normalization", "bgr_to_rgb", "rgb_to_bgr", "bgr_to_gray", "rgb_to_gray", "bgr_to_lab",
    "bgr_to_yuv", "rgb_to_yuv", "auto_resize", "padding", "resize_prediction_boxes", "filter", "clip_boxes",
    "nms", "coco_precision", "accuracy", "mean_iou", "map", "recall", "f1-score",
)  # fmt: skip
#: A share and a percentage, metres and millimetres, are one figure.
UNITS = tuple(10.0**power for power in range(-3, 4))
#: What is measured twice is the same but for this share of it.
NEAR = 5e-3
#: What lies below these is for each adapter and module to say.
OWN = ("reference", "adapter", "module_config", "annotation_conversion", "label_map")
#: What is said of an output's name where the key ends so, and what is no name.
_OUTPUT_KEYS = re.compile(r"_out(?:put)?$")
_NO_NAMES = ("raw_output",)
#: Steps after which a picture's size cannot be told from their arguments alone.
_RESIZING = ("resize", "crop")


def _evaluated_color(view: ModelView) -> Iterator[RuleViolation]:
    """accuracy-check.yml gives the network the colour order that the card says it takes."""
    for run in read_runs(view.accuracy_check):
        sides = ("converted", "") if run.is_converted else ("original",)
        told = [said for ends in view.claims.select_ports("input", *sides) for said in ends.colors]
        if len({said.value for said in told}) == 1 and run.color and run.color != told[0].value:
            at = run.channel_swaps[-1].node if run.channel_swaps else run.dataset
            yield RuleViolation(
                node_location(at, view.folder),
                f"accuracy-check.yml gives pictures in {run.color} to the "
                f"{'converted' if run.is_converted else 'original'} model, the card says {told[0].value}",
                "preprocessing",
                run.color,
                told[0].value,
            )


def _evaluated_values(view: ModelView) -> Iterator[RuleViolation]:
    """accuracy-check.yml normalizes for the original as the converter does, for the IR not at all."""
    spec = view.spec
    if spec is None or spec.is_ir:
        return
    for run in read_runs(view.accuracy_check):
        if run.normalization is None:
            continue
        steps = [step.node for step in run.steps if step.type == "normalization"]
        at = node_location(steps[0] if steps else run.dataset, view.folder)
        for kind, values in zip(("mean", "scale"), run.normalization, strict=True):
            requested = declared_values(view, kind)
            if requested is None:
                continue
            if run.is_converted and values and requested:
                told = f"for the converted model, which has {format_numbers(requested)} inside"
            elif not run.is_converted and (values or requested) and not are_equal(values, requested):
                told = f"for the original, model.yml's is {format_numbers(requested) or 'none'}"
            else:
                continue
            message = f"accuracy-check.yml's {kind} is {format_numbers(values) or 'none'} {told}"
            yield RuleViolation(
                at, message, f"preprocessing.{kind}", format_numbers(values), format_numbers(requested)
            )


def _evaluated_keys(view: ModelView) -> Iterator[RuleViolation]:
    """Every key and step of accuracy-check.yml is one that is read."""
    for node in _mappings(view.accuracy_check):
        for key, value in node.items():
            if meant := _meant(key, KEYS):
                at = node_location(value.key_node or value, view.folder)
                yield RuleViolation(at, f"{value.field_path}: {meant} is meant", value.field_path, key, meant)
        kind = node.get("type")
        if kind is not None and isinstance(kind.value, str) and (meant := _meant(kind.value, STEPS)):
            at = node_location(kind, view.folder)
            yield RuleViolation(
                at, f"{kind.field_path}: {kind.value}: {meant} is meant", kind.field_path, kind.value, meant
            )


def _meant(word: str, known: tuple[str, ...]) -> str:
    """The word that another is a misspelling of; one and several of a thing are two words."""
    if word in known or f"{word}s" in known or word.removesuffix("s") in known:
        return ""
    return next((each for each in known if len(each) > 4 and is_misspelling(word, each)), "")


def _mappings(node: YamlNode | None) -> Iterator[dict[str, YamlNode]]:
    on_wait = [node] if node is not None else []
    while on_wait:
        each = on_wait.pop()
        if isinstance(each.value, dict):
            yield each.value
            on_wait += (value for key, value in each.value.items() if key not in OWN)
        elif isinstance(each.value, list):
            on_wait += each.value


def _evaluated_names(view: ModelView) -> Iterator[RuleViolation]:
    """accuracy-check.yml calls inputs and outputs of the converted model as the card does."""
    for run in read_runs(view.accuracy_check):
        if not run.is_converted:
            continue
        for kind, requested in (("input", _inputs(run)), ("output", _outputs(run))):
            ports = [port for ends in view.claims.select_ports(kind, "converted", "") for port in ends.ports]
            told = [base_name(port.name.value) for port in ports if port.name is not None]
            if not told or len(told) < len(ports):
                continue
            for node in requested:
                name = base_name(str(node.value))
                if not any(name == each or ("*" in each and fnmatchcase(name, each)) for each in told):
                    yield RuleViolation(
                        node_location(node, view.folder),
                        f"accuracy-check.yml names the {kind} {name}; the card tells of {', '.join(told)}",
                        node.field_path,
                        name,
                        ", ".join(told),
                    )


def _inputs(run: AccuracyCheckRun) -> list[YamlNode]:
    listed = find_node(run.launcher, "inputs")
    items = listed.value if listed is not None and isinstance(listed.value, list) else []
    found = (find_node(each, "name") for each in items)
    return [each for each in found if each is not None and isinstance(each.value, str)]


def _outputs(run: AccuracyCheckRun) -> list[YamlNode]:
    adapter = find_node(run.launcher, "adapter")
    fields = adapter.value if adapter is not None and isinstance(adapter.value, dict) else {}
    return [
        node
        for key, node in fields.items()
        if _OUTPUT_KEYS.search(key) and key not in _NO_NAMES and isinstance(node.value, str)
    ]


def _evaluated_size(view: ModelView) -> Iterator[RuleViolation]:
    """accuracy-check.yml gives the network pictures of the size that the card says it takes."""
    for run in read_runs(view.accuracy_check):
        ports = [port for ends in view.claims.select_ports("input", *_sides(run)) for port in ends.ports]
        given, requested = _given_size(run), _size(ports[0]) if len(ports) == 1 else None
        if given is not None and requested is not None and given[1:] != requested:
            yield RuleViolation(
                node_location(given[0], view.folder),
                f"accuracy-check.yml gives pictures of {given[1]}x{given[2]} (height x width), the card says "
                f"{requested[0]}x{requested[1]}",
                "preprocessing.size",
                f"{given[1]}x{given[2]}",
                f"{requested[0]}x{requested[1]}",
            )


def _sides(run: AccuracyCheckRun) -> tuple[str, str]:
    return ("converted" if run.is_converted else "original"), ""


def _given_size(run: AccuracyCheckRun) -> tuple[YamlNode, int, int] | None:
    """The step that says the size of what the network is given, height and width; None where none does."""
    found: tuple[YamlNode, int, int] | None = None
    for step in run.steps:
        if step.type not in _RESIZING:
            # What else changes a picture's size does so by what it is shown.
            found = (
                None if step.type.startswith(("pad", "pyramid", "crop", "resize", "auto", "warp")) else found
            )
            continue
        side, width, height = (_number(step.node, key) for key in ("size", "dst_width", "dst_height"))
        if step.type == "resize" and find_node(step.node, "aspect_ratio_scale") is not None:
            found = None
        elif side is not None:
            found = (step.node, side, side)
        elif width is not None and height is not None:
            found = (step.node, height, width)
        else:
            found = None
    return found


def _number(node: YamlNode, key: str) -> int | None:
    found = find_node(node, key)
    text = found.value if found is not None else None
    return int(text) if isinstance(text, str) and re.fullmatch("[0-9]{1,6}", text) else None


def _size(port: CardPort) -> tuple[int, int] | None:
    if port.shape is None or port.format is None or len(port.shape.value) != len(port.format.value):
        return None
    sizes = dict(zip(port.format.value, port.shape.value, strict=True))
    height, width = sizes.get("H"), sizes.get("W")
    return (height, width) if isinstance(height, int) and isinstance(width, int) else None


def _reference(view: ModelView) -> Iterator[RuleViolation]:
    """What accuracy-check.yml expects of the converted model is what the card says of it, in any unit.

    A card may tell of fewer metrics, so that what it does not tell is held against nothing.
    """
    told = [said for said in view.claims.accuracy if said.value and "." in said.text]
    for run in read_runs(view.accuracy_check):
        requested = (
            [] if not run.is_converted else [(node, value) for node, value in _references(run) if value]
        )
        others = [said for said in told if not any(_is_one(said.value, value) for _, value in requested)]
        missing = [
            (node, value) for node, value in requested if not any(_is_one(s.value, value) for s in told)
        ]
        for node, value in missing[: len(others)]:
            texts = ", ".join(dict.fromkeys(said.text for said in others))
            message = f"accuracy-check.yml expects {value:g}, the card tells {texts}"
            yield RuleViolation(
                node_location(node, view.folder), message, "metrics.reference", f"{value:g}", texts
            )


def _references(run: AccuracyCheckRun) -> Iterator[tuple[YamlNode, float]]:
    metrics = find_node(run.dataset, "metrics")
    for metric in metrics.value if metrics is not None and isinstance(metrics.value, list) else ():
        node = find_node(metric, "reference")
        found = parse_numbers(node.value) if node is not None and isinstance(node.value, str) else []
        if node is not None and len(found) == 1:
            yield node, found[0][0]


def _is_one(value: float, other: float) -> bool:
    return any(abs(value / (other * unit) - 1) < NEAR for unit in UNITS)


def _evaluated_files(view: ModelView) -> Iterator[RuleViolation]:
    """accuracy-check.yml evaluates a file of the model, or the one that its export writes."""
    spec = view.spec
    if spec is None or any(isinstance(step, UnpackArchive) for step in spec.postprocessing):
        return  # nobody knows what an archive holds
    arguments = (*view.arguments, *view.export_arguments)
    there = {file.name for file in spec.files}
    there |= {argument.value for argument in arguments if argument.flag in ("--output-file", "--input_model")}
    names = {each.rpartition("/")[2] for each in there}
    for run in read_runs(view.accuracy_check):
        for key in () if run.is_converted else ("model", "weights"):
            node = find_node(run.launcher, key)
            name = node.value.rpartition("/")[2] if node is not None and isinstance(node.value, str) else ""
            if name and name not in names:
                message = (
                    f"accuracy-check.yml evaluates {name}; the model's files are {', '.join(sorted(names))}"
                )
                yield RuleViolation(node_location(node, view.folder), message, f"launchers.{key}", name)


def _evaluated_model(view: ModelView) -> Iterator[RuleViolation]:
    """accuracy-check.yml evaluates this model, and not the one that it was copied from."""
    names = view.zoo.registry.entries
    for run in read_runs(view.accuracy_check):
        base = max((name for name in names if run.name.startswith(name)), key=len, default="")
        if base and base != view.name and not run.name.startswith(view.name):
            at = find_node(run.node, "name")
            yield RuleViolation(
                node_location(at, view.folder),
                f"accuracy-check.yml calls it {run.name}, which is another model of this registry",
                "models.name",
                run.name,
                view.name,
            )


RULES: tuple[Rule, ...] = (
    Rule(
        "evaluated-color",
        Severity.ERROR,
        "accuracy-check.yml gives the network the colour order that the card says it takes.",
        "Channel order is `RGB`, and no bgr_to_rgb in the preprocessing",
        _evaluated_color,
    ),
    Rule(
        "evaluated-values",
        Severity.ERROR,
        "accuracy-check.yml normalizes for the original as the converter does, and not once more "
        "for the converted model.",
        "std: 57.12 in accuracy-check.yml, --scale_values=data[58.395]",
        _evaluated_values,
    ),
    Rule(
        "evaluated-keys",
        Severity.ERROR,
        "Every key and step of accuracy-check.yml is one that is read: a misspelt one is left out.",
        "preprocesing: [...]",
        _evaluated_keys,
    ),
    Rule(
        "evaluated-names",
        Severity.ERROR,
        "accuracy-check.yml calls inputs and outputs of the converted model as the card does.",
        "heatmaps_out: maps, and name - `heatmaps` on the card",
        _evaluated_names,
    ),
    Rule(
        "evaluated-size",
        Severity.ERROR,
        "accuracy-check.yml gives the network pictures of the size that the card says it takes.",
        "size: 256 in the preprocessing, shape - `1, 3, 224, 224` on the card",
        _evaluated_size,
    ),
    Rule(
        "reference",
        Severity.ERROR,
        "What accuracy-check.yml expects of the converted model is what its card says of it.",
        "reference: 0.8111, and Top 1 of 80.11% on the card",
        _reference,
    ),
    Rule(
        "evaluated-file",
        Severity.ERROR,
        "accuracy-check.yml evaluates a file of the model, or the one that its export writes.",
        "model: resnet.onnx, and --output-file=$conv_dir/resnet-18.onnx",
        _evaluated_files,
    ),
    Rule(
        "evaluated-model",
        Severity.ERROR,
        "accuracy-check.yml evaluates this model, and not the one that it was copied from.",
        "name: resnet-50 in resnet-101/accuracy-check.yml",
        _evaluated_model,
    ),
)
