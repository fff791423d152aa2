"""Programs that find people in pictures, as exports have them.

They read how people are found and cut out from an exported IR's metadata, or for ONNX from a JSON.
Those for OpenVINO and for ONNX Runtime differ only in network.py, which runs one network.

The keys of the metadata are those of ``core.ir.people_metadata``, and::

    detector        the file of the detector, beside the network's; absent if there is none
    crop            fit, affine, align, stretch or blank: the function ``crop_...`` in
                    ``poses.top_down``; or body: BlazePose's ``body_region``, which has no padding
                    and no color outside
    padding         the size of the crop relative to the box; 0: that of the function
    outside         the color beside the image in a crop: blue, green and red, 0..255
    max_people      the maximum number of boxes that are used
    max_similarity  poses with a higher object keypoint similarity are of one person, 0..1
    seen_from       keypoints with a lower score are guesses, 0..1: boxes are around the others
    min_pose_score  poses with a lower score are left out, 0..1; BlazePose has none
    similarity      the keypoints that are compared: the index and the standard deviation of each
    second_look     the network then looks once more, in a box of this size relative to the pose
    second_score    the least score of that second pose, which is the person's
    compute_type    bf16, if posezoo computes the network in it on a CPU that has it; absent: f32
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from xml.etree import ElementTree

from posezoo.core.declarations.model import Decoder, ModelSpec
from posezoo.core.declarations.skeletons import SKELETONS, skeleton_of
from posezoo.core.ir.ir_writer import SECTION
from posezoo.core.ir.people_metadata import PIPELINE, describe_people
from posezoo.core.resolve.input_options import InputOptions
from posezoo.export.file_manifest import digest
from posezoo.export.target_type import ExportedModel, ExportFile, render, render_part
from posezoo.poses import limb_drawing
from posezoo.poses.blazepose import BlazePoseOptions
from posezoo.poses.decoders import (
    find_decoder,
    fit_to_input,
    resolve_options,
    sizing_of_input,
)
from posezoo.poses.keypoints import coco_order, usual_sigmas
from posezoo.poses.top_down import (
    CropFunction,
    TopDownOptions,
    crop_affine,
    crop_align,
    crop_blank,
    crop_fit,
    crop_stretch,
)
from posezoo.run.runtime.top_down_pipeline import SECOND_LOOK, SECOND_SCORE

#: The crop of BlazePose's landmark network: a rotated square around the body.
BODY = "body"

_CROPS: dict[CropFunction, str] = {
    crop_fit: "fit",
    crop_affine: "affine",
    crop_align: "align",
    crop_stretch: "stretch",
    crop_blank: "blank",
}


def explain_unknown_crop(spec: ModelSpec, _detector: ModelSpec) -> str:
    """Why no program of an export can cut out people for a model whose IR contains its decoder, as
    a clause; empty if it can.
    """
    assert spec.decoding
    if spec.first_input.resize:
        return "with --resize its program cannot cut people out of a picture"
    if spec.first_input.resize_type or not _name_crop(spec):
        return "its program cannot cut out people as this network needs them"
    return ""


def _name_crop(spec: ModelSpec) -> str:
    assert spec.decoding
    options = resolve_options(spec.decoding.decoder)
    if isinstance(options, BlazePoseOptions):
        return BODY
    return _CROPS.get(options.crop, "")


def describe_pipeline(model: ExportedModel, suffix: str = ".xml") -> dict[str, str]:
    """The metadata of a network with its decoder, by key; empty if it finds the people itself."""
    spec = model.spec
    people = model.pipeline.people
    finds_itself = not (people or model.detector)
    if finds_itself or spec.decoding is None or spec.first_input.resize_type:
        return {}
    decoder = spec.decoding.decoder
    options: TopDownOptions | BlazePoseOptions = resolve_options(decoder)
    detector = model.detector
    limits = model.pipeline.limits
    if people and detector and detector.spec.decoding:
        # The detector's file leaves out boxes itself.
        limits = replace(limits, min_score=detector.spec.decoding.min_score)
        people = replace(people, detectors={people.photo: limits})
    facts = {
        **describe_people(people),
        "crop": _name_crop(spec),
        "max_people": str(options.max_people),
        "max_similarity": f"{options.max_similarity:g}",
        "similarity": _describe_similarity(model, decoder),
        **_describe_guesses(decoder),
    }
    if not isinstance(options, BlazePoseOptions):
        _, color = fit_to_input(decoder, spec.first_input)
        facts["padding"] = f"{options.padding:g}"
        least = decoder.options.get("min_pose_score", limits.min_pose_score)
        facts["min_pose_score"] = f"{least:g}"
        outside = color if options.blank_is_mean else (0, 0, 0)
        facts["outside"] = " ".join(f"{value:g}" for value in outside)
    if detector is None:
        return facts
    facts["detector"] = f"{detector.name}{suffix}"
    if people and people.whole_image is not None:
        facts["second_look"] = f"{SECOND_LOOK:g}"
        facts["second_score"] = f"{SECOND_SCORE * people.whole_image:g}"
    return facts


def _describe_guesses(decoder: Decoder) -> dict[str, str]:
    return {"seen_from": f"{find_decoder(decoder.name).visible_score:g}"}


def _describe_similarity(model: ExportedModel, decoder: Decoder) -> str:
    """As ``pose_similarity``: COCO's keypoints, if the skeleton has all of them."""
    spec = model.spec
    skeleton = decoder.skeleton or spec.own_skeleton
    if skeleton is None:
        count = next(port.shape[1] for port in model.outputs if len(port.shape) == 3)
        name = spec.skeleton or find_decoder(decoder.name).skeleton or skeleton_of(count)
        skeleton = SKELETONS[name]
    indices = coco_order(skeleton)
    sigmas = usual_sigmas(SKELETONS["coco-17"])
    if indices is None:
        indices = [*range(len(skeleton.keypoints))]
        sigmas = usual_sigmas(skeleton)
    compared = zip(indices, sigmas, strict=True)
    return " ".join(f"{index} {sigma:g}" for index, sigma in compared)


def render_pipeline(model: ExportedModel, folder: str) -> Iterator[ExportFile]:
    """The IR of a model with its metadata, and that of its detector beside it, in a folder below
    the export's.
    """
    facts = describe_pipeline(model)
    if not facts and model.spec.decoding:
        facts = _describe_guesses(model.spec.decoding.decoder)
    yield from _state_facts(model, facts, folder)
    if model.detector:
        yield from _state_facts(model.detector, {}, folder)


def _state_facts(
    model: ExportedModel, facts: Mapping[str, str], folder: str
) -> Iterator[ExportFile]:
    if model.spec.decoding and model.compute_type != "f32":
        facts = {**facts, "compute_type": model.compute_type}
    for file in model.ir_files(folder):
        # docs/export.md is drawn without IR.
        if not (facts and file.name.endswith(".xml") and model.xml.is_file()):
            yield file
            continue
        tree = ElementTree.parse(model.xml)
        section = tree.find(f"rt_info/{SECTION}")
        assert section is not None, f"{model.xml}: has no metadata of posezoo"
        pipeline = section.find(PIPELINE)
        if pipeline is None:
            pipeline = ElementTree.SubElement(section, PIPELINE)
        pipeline.clear()
        for key, value in sorted(facts.items()):
            ElementTree.SubElement(pipeline, key, value=value)
        content = ElementTree.tostring(tree.getroot(), encoding="utf-8", xml_declaration=True)
        yield ExportFile(file.name, content, digest(content))


#: How the networks of these programs take images.
INPUTS = InputOptions(element_type="u8", layout="NHWC", decode=True)


def describe_skeleton(model: ExportedModel) -> tuple[list[str], list[list[int]]]:
    """The names of the keypoints, and the pairs of them that limbs join; none if it finds boxes."""
    info = model.model_info
    count = next((port.shape[1] for port in model.outputs if port.name == "keypoints"), 0)
    names = info.get("labels", "").split()
    if len(names) != count:
        names = list(map(str, range(count)))
    pairs = [[*map(int, limb.split("-"))] for limb in info.get("limbs", "").split()]
    return names, pairs


#: The module that draws in posezoo, which programs in Python contain.
DRAWING = "limb_drawing.py"


def render_limb_drawing() -> bytes:
    """The text of ``DRAWING``."""
    return inspect.getsource(limb_drawing).encode()


def render_drawing(model: ExportedModel) -> str:
    """Python that draws people as ``posezoo.draw`` does, by the functions of ``DRAWING``."""
    assert model.spec.decoding
    names, pairs = describe_skeleton(model)
    seen_from = find_decoder(model.spec.decoding.decoder.name).visible_score
    return render_part("sample_limbs.py", names=names, limbs=pairs, min_score=seen_from)


def render_facts(model: ExportedModel, folder: str) -> Iterator[ExportFile]:
    """NAME.json of an ONNX network, and of its detector, in a folder below the export's: what the
    metadata of their IR say.

    The keys are::

        model               the name in posezoo
        width, height       of the image that it takes, in pixels
        layout, color       of the image: NHWC or NCHW, BGR or RGB
        resize_type         how an image is fitted: standard (stretched), fit_to_window (at the left
                            and top) or fit_to_window_letterbox (in the middle)
        padding             the value beside the image, 0..255
        truncates           whether the sides of the fitted image are cut to whole pixels; else they
                            are rounded
        keeps_scale         whether points are mapped by the scale before its sides are whole pixels
        keypoints, limbs    the names of the keypoints, and pairs of them to draw; none if it finds
                            boxes
        pipeline            the metadata of ``describe_pipeline``; empty if it finds people itself
    """
    for each in model.networks:
        info = each.model_info
        port = each.inputs[0]
        assert each.spec.decoding
        sizing = sizing_of_input(each.spec.decoding.decoder, each.spec.first_input)
        keypoints, pairs = describe_skeleton(each)
        facts = {
            "model": each.pipeline.model.full_name,
            "width": port.sides["W"],
            "height": port.sides["H"],
            "layout": port.layout,
            "color": port.color or "BGR",
            "resize_type": info.get("resize_type", "standard"),
            "padding": int(info.get("pad_value", 0)),
            "truncates": sizing.truncates,
            "keeps_scale": sizing.maps_by_scale,
            "keypoints": keypoints,
            "limbs": pairs,
            "pipeline": describe_pipeline(each, ".onnx"),
        }
        text = json.dumps(facts, indent=2)
        yield ExportFile(f"{folder}/{each.name}.json", f"{text}\n".encode())


def render_python_sample(
    model: ExportedModel, suffix: str, packages: str, network: str
) -> dict[str, bytes]:
    """The Python program that prints the people in a picture and draws them: sample.py with its
    modules, among them the template ``network``; ``packages`` are for pip.
    """
    finder = "blazepose" if describe_pipeline(model).get("crop") == BODY else "top_down"
    sample = render(
        "sample_people.py",
        name=model.name,
        suffix=suffix,
        packages=packages,
        finder=finder,
        limbs=render_drawing(model),
        picture=render_part("sample_picture.py"),
    )
    return {
        "sample.py": sample + render("sample_drawing.py", name=model.name),
        f"{finder}.py": render(f"{finder}.py"),
        "top_down.py": render("top_down.py"),
        "fit.py": render("fit.py"),
        "network.py": render(network),
        DRAWING: render_limb_drawing(),
    }
