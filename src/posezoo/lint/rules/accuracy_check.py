"""Rules that compare accuracy-check.yml with model.yml and the card."""

from __future__ import annotations

import re
from collections.abc import Iterator

from posezoo.lint.accuracy_check_yml import find_node, list_below, text_below
from posezoo.lint.finding import RuleViolation
from posezoo.lint.registry_view import ModelView
from posezoo.lint.rule import defined_rules, rule
from posezoo.lint.rules.shapes_and_names import base_name, is_listed
from posezoo.lint.text_comparison import find_intended
from posezoo.spec.model import UnpackArchive
from posezoo.spec.yaml_nodes import YamlNode

#: Keys of the accuracy checker that Open Model Zoo's models often use.
KEYS: tuple[str, ...] = (
    "models", "evaluations", "name", "launchers", "datasets", "framework", "device", "model",
    "weights", "adapter", "module", "inputs", "output_names", "type", "value", "shape", "layout",
    "precision", "reader", "annotation", "annotation_conversion", "data_source", "preprocessing",
    "postprocessing", "metrics", "size", "dst_width", "dst_height", "aspect_ratio",
    "aspect_ratio_scale", "use_pillow", "interpolation", "mean", "std", "central_fraction",
    "pad_type", "pad_value", "stride", "apply_to", "presenter", "top_k", "threshold", "overlap",
    "reference", "min_confidence", "height_range", "width_range", "area_range", "is_empty",
    "remove_filtered", "max_detections", "ignore_difficult", "include_boundaries", "integral",
    "label_map", "num_classes", "classes", "mode", "median", "module_config", "subsample_size",
    "shuffle",
)  # fmt: skip
STEPS: tuple[str, ...] = (
    "resize", "crop", "normalization", "bgr_to_rgb", "rgb_to_bgr", "bgr_to_gray", "rgb_to_gray",
    "bgr_to_lab", "bgr_to_yuv", "rgb_to_yuv", "auto_resize", "padding", "resize_prediction_boxes",
    "filter", "clip_boxes", "nms", "coco_precision", "accuracy", "mean_iou", "map", "recall",
    "f1-score",
)  # fmt: skip
#: Below these keys, each adapter and module has its own keys.
CUSTOM_KEYS = ("reference", "adapter", "module_config", "annotation_conversion", "label_map")
#: Keys of an adapter that name an output; raw_output does not.
_OUTPUT_KEYS = re.compile(r"(?!raw_output$).*_out(?:put)?")


@rule(
    "evaluated-keys",
    "Every key and step of accuracy-check.yml is one that is read: a misspelt one is ignored.",
    "preprocesing: [...]",
)
def evaluated_keys(view: ModelView) -> Iterator[RuleViolation]:
    stack = [view.accuracy_check] if isinstance(view.accuracy_check, YamlNode) else []
    while stack:
        node = stack.pop()
        if isinstance(node.value, list):
            stack += node.value
        elif isinstance(node.value, dict):
            children = node.value
            stack += (child for key, child in children.items() if key not in CUSTOM_KEYS)
            words = [(key, child.key_node or child, child, KEYS) for key, child in children.items()]
            if kind := text_below(node, "type"):
                words.append((kind, children["type"], children["type"], STEPS))
            for word, place, child, known in words:
                # Singular and plural are different words.
                if word in known or f"{word}s" in known or word.removesuffix("s") in known:
                    continue
                if intended := find_intended(word, (other for other in known if len(other) > 4)):
                    message = f"{child.field_path}: {word}: did you mean {intended}?"
                    yield RuleViolation(place, message, child.field_path, word, intended)


@rule(
    "evaluated-names",
    "accuracy-check.yml uses the names of inputs and of the converted model's outputs that the card"
    " has.",
    "heatmaps_out: maps, and name - `heatmaps` on the card",
)
def evaluated_names(view: ModelView) -> Iterator[RuleViolation]:
    declared = {base_name(port.name) for port in view.inputs}
    for run in view.runs:
        adapter = find_node(run.launcher, "adapter")
        keys = adapter.value if adapter is not None and isinstance(adapter.value, dict) else {}
        given: dict[str, list[YamlNode | None]] = {
            "input": [find_node(node, "name") for node in list_below(run.launcher, "inputs")],
        }
        if run.is_converted:  # the original framework may have other names for its outputs
            named = (node for key, node in keys.items() if _OUTPUT_KEYS.fullmatch(key))
            given["output"] = [*named, *list_below(adapter, "outputs")]
        for kind, nodes in given.items():
            names = [port.name for port in view.claims.ports_on(kind, run.side, "")]
            on_card = [base_name(name.value) for name in names if name is not None]
            if not on_card or len(on_card) < len(names):
                continue
            for node in nodes:
                name = (
                    base_name(node.value)
                    if node is not None and isinstance(node.value, str)
                    else ""
                )
                # If model.yml has the name, too, then the card is wrong, and another rule reports
                # it.
                is_declared = kind == "input" and not run.is_converted and name in declared
                if node is not None and name and not is_listed(name, on_card) and not is_declared:
                    listed = ", ".join(on_card)
                    message = f"accuracy-check.yml names the {kind} {name}; the card has {listed}"
                    yield RuleViolation(node, message, "", name, listed)


@rule(
    "evaluated-classes",
    "The number of classes that accuracy-check.yml or the name of its data set states fits the"
    " outputs on the card.",
    "classes: 80, and an output of `1, 125, 13, 13`: 125 is not a multiple of 85",
)
def evaluated_classes(view: ModelView) -> Iterator[RuleViolation]:
    for run in view.runs:
        adapter = find_node(run.launcher, "adapter")
        kind = text_below(adapter, "type") or text_below(run.launcher, "adapter")
        shapes = [port.shape for port in view.claims.ports_on("output", run.side, "") if port.shape]
        in_name = re.search(r"([0-9]{1,5})_class", text_below(run.dataset, "name"))
        # A box of YOLO has four coordinates and mostly one confidence.
        is_yolo, declared = kind.startswith("yolo"), text_below(adapter, "classes")
        stated = declared if is_yolo else in_name[1] if in_name and kind == "classification" else ""
        if not re.fullmatch("[0-9]{1,5}", stated):
            continue
        sizes = [size for shape in shapes for size in shape.value]
        fits = (
            (
                0 in (size % (int(stated) + 5), size % (int(stated) + 4))
                if is_yolo
                else size == int(stated)
            )
            for size in sizes
            if not isinstance(size, str)
        )
        if sizes and not any(isinstance(size, str) for size in sizes) and not any(fits):
            place = find_node(adapter, "classes") or run.dataset
            texts = "; ".join(shape.text for shape in shapes)
            message = (
                f"accuracy-check.yml has {stated} classes; the outputs on the card are {texts}"
            )
            yield RuleViolation(place, message, "classes", stated, texts)


@rule(
    "model-labels",
    "model_info in model.yml has a label for each class of the data set that accuracy-check.yml"
    " names, and perhaps one for the background.",
    "80 labels, and the data set ms_coco_detection_91_classes",
)
def model_labels(view: ModelView) -> Iterator[RuleViolation]:
    labels = list_below(view.node("model_info"), "labels")
    names = [text_below(run.dataset, "name") for run in view.runs if labels]
    for match in filter(None, (re.search("([0-9]{1,5})_class", name) for name in names[:1])):
        if len(labels) not in (int(match[1]), int(match[1]) + 1):
            message = (
                f"model_info has {len(labels)} labels; accuracy-check.yml's data set is"
                f" {match.string}"
            )
            yield view.declared("model_info.labels", message, str(len(labels)), match.string)


@rule(
    "evaluated-file",
    "accuracy-check.yml evaluates a file of the model, or the one that its export writes.",
    "model: resnet.onnx, and --output-file=$conv_dir/resnet-18.onnx",
)
def evaluated_file(view: ModelView) -> Iterator[RuleViolation]:
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


@rule(
    "evaluated-model",
    "accuracy-check.yml evaluates this model, and not the one that it was copied from.",
    "name: resnet-50 in resnet-101/accuracy-check.yml",
)
def evaluated_model(view: ModelView) -> Iterator[RuleViolation]:
    for run in view.runs:
        if not run.name.startswith(view.name):
            place = find_node(run.node, "name") or run.node
            message = f"accuracy-check.yml calls it {run.name}, which is not the model's name"
            yield RuleViolation(place, message, "models.name", run.name, view.name)


RULES = defined_rules(globals())
