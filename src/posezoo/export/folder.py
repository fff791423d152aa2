"""Export to a plain folder: the IR, its card, license, provenance and checksums, and a sample
program.
"""

from __future__ import annotations

from collections.abc import Iterator

from posezoo.core.declarations.model import ModelSpec
from posezoo.core.regular_files import read_regular_bytes
from posezoo.export.decoded.graphs import GRAPHS
from posezoo.export.documents import render_texts
from posezoo.export.file_manifest import digest
from posezoo.export.people_programs import (
    DRAWING,
    describe_pipeline,
    explain_unknown_crop,
    render_drawing,
    render_limb_drawing,
    render_pipeline,
    render_python_sample,
)
from posezoo.export.target_type import (
    NO_TELEMETRY,
    ExportedModel,
    ExportFile,
    ExportFolder,
    ExportTarget,
    render,
    render_part,
)
from posezoo.figures.model_facts import ModelFacts
from posezoo.pages.cards.model_card import NAME as CARD
from posezoo.pages.cards.model_card import render_card_files
from posezoo.poses.decoders import find_decoder, sizing_of_input
from posezoo.poses.letterbox import InputSizing, Size


def render_folder(model: ExportedModel, _folder: ExportFolder) -> Iterator[ExportFile]:
    """All files of a model; the checksums are the last."""
    files = [*render_pipeline(model, model.name)]
    record = model.xml.with_name("provenance.json")
    card = render_card_files(_describe_facts(model))
    texts = {name: text.encode() for name, text in card.items()}
    texts |= render_texts(model, TARGET, card[CARD])
    # Without a detector, the whole picture is one person.
    if describe_pipeline(model) and not model.spec.first_input.resize:
        texts |= render_python_sample(model, ".xml", "openvino", "network.py")
    else:
        texts["sample.py"] = render_sample(model)
        if _draws_keypoints(model):
            texts[DRAWING] = render_limb_drawing()
        if _fitted_size(model):
            texts["fit.py"] = render("fit.py")
    if model.detector:
        detector = render_texts(model.detector, TARGET)
        texts |= {f"{model.detector.name}-{name}": text for name, text in detector.items()}
    if record.is_file():
        texts["provenance.json"] = read_regular_bytes(record)
    for name, text in texts.items():
        files.append(ExportFile(f"{model.name}/{name}", text, digest(text)))
    yield from files
    lines = [f"{file.digest}  {file.name.rpartition('/')[2]}\n" for file in files]
    yield ExportFile(f"{model.name}/SHA256SUMS", "".join(lines).encode())


def _describe_facts(model: ExportedModel) -> ModelFacts:
    whole = model.pipeline.model
    if whole.stages:
        parts = tuple(each.spec for each in reversed(model.networks))
        return ModelFacts(whole, parts, model.layout)
    return ModelFacts(model.spec, (model.spec,), model.layout)


def render_sample(model: ExportedModel) -> bytes:
    """A Python program that prints what the model finds and draws it; without an image as its only
    input, the network gets zeros.

    It needs only OpenVINO and OpenCV. If the IR has no decoder, it prints arrays, and posezoo, if
    it is installed, makes poses of them.
    """
    drawing = render("sample_drawing.py", name=model.name)
    if not _takes_image(model):
        return render("sample_without_image.py", name=model.name, compute_type=model.compute_type)
    port = model.inputs[0]
    lines = []
    size = _fitted_size(model)
    if size:
        info = model.model_info
        decoder = model.decoder
        sizing = sizing_of_input(decoder, model.spec.first_input) if decoder else InputSizing()
        options = {"padding": int(info.get("pad_value", 0)), "truncates": sizing.truncates}
        options["keeps_scale"] = sizing.maps_by_scale
        keywords = "".join(f", {name}={value}" for name, value in options.items() if value)
        resize_type = info.get("resize_type", "standard")
        lines.append(f'matrix, image = fit(picture, {size}, "{resize_type}"{keywords})')
    if port.color == "RGB":
        lines.append("image = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)")
    axes = [str("HWC".index(letter)) for letter in port.layout.replace("N", "")]
    if axes != ["0", "1", "2"]:
        lines.append(f"image = image.transpose({', '.join(axes)})  # {port.layout}")
    extra = ""
    show = render("sample_arrays.py")
    if model.spec.decoding:
        show = render("sample_boxes.py")
        if _draws_keypoints(model):
            show = render("sample_decoded.py", limbs=render_drawing(model))
        show += drawing
    elif model.decoder and not model.spec.composite:
        extra = "\nFor poses instead of arrays it needs posezoo, too."
        is_alone = find_decoder(model.decoder.name).takes_boxes and not model.pipeline.detector
        detector = ", detector=None" if is_alone else ""
        show += render("sample_posezoo.py", detector=detector) + drawing
    return render(
        "sample.py",
        name=model.name,
        compute_type=model.compute_type,
        extra=extra,
        fit="from fit import fit" if size else "",
        picture=render_part("sample_picture.py"),
        prepare="\n".join(lines),
        show=show.decode().rstrip(),
    )


def _draws_keypoints(model: ExportedModel) -> bool:
    names = {port.name for port in model.outputs}
    return _takes_image(model) and model.spec.decoding is not None and "keypoints" in names


def _takes_image(model: ExportedModel) -> bool:
    sides = model.inputs[0].sides
    return (len(model.inputs), sides.get("C")) == (1, 3) and sides.keys() >= {"H", "W"}


def _fitted_size(model: ExportedModel) -> Size | None:
    if not _takes_image(model):
        return None
    image = model.spec.first_input
    sides = model.inputs[0].sides
    height, width = sides["H"], sides["W"]
    if min(height, width) < 0 and not image.resize:
        height, width = image.usual_size or (height, width)
    return (width, height) if min(width, height) > 0 else None


def _refuse_detector(spec: ModelSpec, detector: ModelSpec) -> str:
    for declared in (spec.decoder, detector.decoder):
        if declared and GRAPHS.find(declared.name) is None:
            return f"no program of an export can run the decoder {declared.name}"
    if spec.decoding is None:
        return "its sample cannot cut out people for an IR without its decoder: add --decode"
    return explain_unknown_crop(spec, detector)


TARGET = ExportTarget(
    summary=(
        "a folder for each model: IR, card, license, provenance, SHA256SUMS, and a sample in Python"
    ),
    render=render_folder,
    next_step="python {folder}/{name}/sample.py IMAGE",
    needs=(
        "The sample needs Python with `pip install openvino opencv-python-headless`. It prints what"
        " it finds, and draws it into a new picture in the current folder. If the IR has no decoder"
        " (`--decode`), it also needs posezoo for that, and prints arrays without it."
        f" {NO_TELEMETRY}"
    ),
    sets_type="sample.py",
    computes_as_run=True,
    refuse_detector=_refuse_detector,
    runs_people=True,
)
