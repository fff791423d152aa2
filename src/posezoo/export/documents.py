"""README.md, NOTICE, LICENSE and labels.txt of an exported model."""

from __future__ import annotations

from collections.abc import Iterator

from posezoo.core.license_notice import collect_license_terms, format_notice
from posezoo.core.regular_files import read_regular_bytes
from posezoo.export.target_type import ExportedModel, ExportFile, ExportTarget, Port, render
from posezoo.poses.decoders import find_decoder

#: The names of the classes, one a line.
LABELS = "labels.txt"

# How posezoo fits a picture into the input, by model_info's resize_type.
_FITTED = {
    "standard": "posezoo stretches a picture to the input's size.",
    "fit_to_window": (
        "posezoo scales a picture to fit, keeps its aspect ratio, places it at the left and "
        "top, and fills the rest with {value}."
    ),
    "fit_to_window_letterbox": (
        "posezoo scales a picture to fit, keeps its aspect ratio, places it in the "
        "middle, and fills the rest with {value}."
    ),
    "crop": "posezoo cuts the middle out of a picture, in the aspect of the input, and resizes it.",
}

_BF16 = "CPUs with AMX or AVX512-BF16"


def render_documents(
    model: ExportedModel, target: ExportTarget, prefix: str = ""
) -> Iterator[ExportFile]:
    """The files of ``render_texts``; their paths begin with ``prefix``, or are in the model's
    folder.
    """
    for name, text in render_texts(model, target).items():
        yield ExportFile(f"{prefix or f'{model.name}/'}{name}", text)


def render_texts(model: ExportedModel, target: ExportTarget, card: str = "") -> dict[str, bytes]:
    """README.md, which begins with the ``card``, NOTICE, and LICENSE and labels.txt if known: bytes
    by name.
    """
    terms = collect_license_terms((model.spec,), model.layout)
    title = f"{model.name} as {target.network_format}, {model.pipeline.precision}"
    level = "##"
    heading = f"# {title}\n\n{model.pipeline.model.description.strip()}"
    if card:
        level = "###"
        heading = f"{card.rstrip()}\n\n## This folder\n\n{title}."
    readme = render(
        "model_readme.md",
        heading=heading,
        level=level,
        inputs="\n".join(map(_describe_port, model.inputs)),
        preparation=_describe_preparation(model),
        outputs="\n".join(map(_describe_port, model.outputs)),
        decoding=_describe_decoding(model),
        before=f"{target.needs.format(name=model.name)} Then, in" if target.needs else "In",
        command=describe_next_step(target, model, '"$PWD"'),
        computation=_describe_computation(model, target),
    )
    texts = {"README.md": readme, "NOTICE": format_notice(terms).encode()}
    for each in terms:
        if each.text:
            texts["LICENSE"] = read_regular_bytes(each.text)
    if model.labels:
        texts[LABELS] = "".join(f"{label}\n" for label in model.labels).encode()
    return texts


def _describe_computation(model: ExportedModel, target: ExportTarget) -> str:
    is_f32 = model.compute_type == "f32"
    if not target.sets_type:
        wanted = "f32, in which posezoo computes" if is_f32 else "the type of the computation"
        moved = "which moves keypoints" if is_f32 else "as posezoo does"
        return f"This runtime has no setting for {wanted}. {_BF16} compute in bf16, {moved}."
    where = target.sets_type.format(name=model.name)
    if is_f32:
        return (
            f"The network computes in f32, as posezoo does: {where} sets it. {_BF16} otherwise"
            " compute in bf16, which moves keypoints."
        )
    if target.computes_as_run:
        return (
            f"{where} sets bf16, in which {_BF16} compute the network, as posezoo does. On other"
            " CPUs, and devices, it is f32."
        )
    return (
        f"The network computes in f32: {where} sets it. posezoo uses bf16 on {_BF16}, and so finds"
        " keypoints at slightly other places."
    )


def describe_next_step(target: ExportTarget, model: ExportedModel, folder: str) -> str:
    """A command that uses the export in a folder, whose name is quoted for the shell."""
    return target.next_step.format(folder=folder, name=model.name)


def _describe_port(port: Port) -> str:
    about = ", ".join(filter(None, (port.element_type, port.layout, port.color)))
    return f"- `{port.name}`: {list(port.shape)}, {about}"


def _describe_preparation(model: ExportedModel) -> str:
    image = model.spec.first_input
    info = model.model_info
    sentences = [
        "Values are 0 to 255; the network applies mean and scale itself, if there are any."
    ]
    if model.spec.is_ir and (image.mean or image.scale):
        sentences = [
            f"The IR was published without its mean {list(image.mean)} and scale"
            f" {list(image.scale)}."
        ]
    elif model.spec.is_ir and image.color is None:
        sentences = [
            "Nothing in its files says which order of colors, mean and scale the network expects."
        ]
    if image.usual_size and model.spec.decoding:
        sentences.append(
            "`posezoo run` gives each picture a size of its own, and finds some other people."
        )
    if image.resize:
        sentences.append("The IR resizes pictures of any size itself.")
    elif fitted := _FITTED.get(info.get("resize_type", "")):
        sentences.append(fitted.format(value=info.get("pad_value", 0)))
    if model.detector:
        sentences.append(
            f"It takes one person at a time, cut out of the picture: {model.detector.name} finds"
            " the people."
        )
    elif model.pipeline.people:
        sentences.append(
            "It takes one person at a time: your program must find the people, and cut them out."
        )
    return " ".join(sentences)


def _describe_decoding(model: ExportedModel) -> str:
    spec = model.spec
    if spec.decoding:
        order = model.model_info.get("labels", "as in the model's card")
        return (
            "`keypoints` has x, y in pixels of the input, and the score, of each keypoint of each"
            " person; `scores` has those of the people. A row of zeros is not a person. The"
            f" keypoints: {order}."
        )
    if spec.composite:
        return (
            f"`posezoo run {spec.composite}` makes poses of them and of the outputs of its other"
            " part."
        )
    decoder = model.decoder
    if decoder is None:
        return "posezoo has no decoder for them."
    made = {"box": "boxes", "class": "classes"}.get(find_decoder(decoder.name).skeleton, "poses")
    return f'`posezoo.decode("{decoder.name}", ...)` makes {made} of them.'
