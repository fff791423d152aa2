"""Programs that find people in pictures, as exports have them: the facts of a network as JSON, and
the files in Python and JavaScript that read them.

Those in Python are the same for each runtime but for network.py, which runs one network.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from posezoo.core.resolve.input_options import InputOptions
from posezoo.export.people_metadata import BODY, describe_pipeline
from posezoo.export.target_type import ExportedModel, ExportFile, render, render_part
from posezoo.poses.decoders import find_decoder, sizing_of_input

#: How the networks of these programs take images.
INPUTS = InputOptions(element_type="u8", layout="NHWC", decode=True)


def describe_skeleton(model: ExportedModel) -> tuple[list[str], list[list[int]]]:
    """The names of the keypoints, and the pairs of them that limbs join; none if it finds boxes."""
    info = model.model_info
    count = next((port.shape[1] for port in model.outputs if port.name == "keypoints"), 0)
    names = info.get("labels", "").split()
    if len(names) != count:
        names = list(map(str, range(count)))
    limbs = [[*map(int, limb.split("-"))] for limb in info.get("limbs", "").split()]
    return names, limbs


def render_drawing(model: ExportedModel) -> str:
    """Python that draws the keypoints of one person as ``posezoo.draw`` does, in a simpler way."""
    assert model.spec.decoding
    names, limbs = describe_skeleton(model)
    seen_from = find_decoder(model.spec.decoding.decoder.name).visible_score
    return render_part("sample_limbs.py", names=names, limbs=limbs, min_score=seen_from)


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
        pipeline            the metadata of ``people_metadata``; empty if it finds people itself
    """
    for each in model.networks:
        info = each.model_info
        port = each.inputs[0]
        assert each.spec.decoding
        sizing = sizing_of_input(each.spec.decoding.decoder, each.spec.first_input)
        keypoints, limbs = describe_skeleton(each)
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
            "limbs": limbs,
            "pipeline": describe_pipeline(each, ".onnx"),
        }
        text = json.dumps(facts, indent=2)
        yield ExportFile(f"{folder}/{each.name}.json", f"{text}\n".encode())


def render_python_sample(
    model: ExportedModel, suffix: str, packages: str, network: str
) -> dict[str, bytes]:
    """The Python program that prints the people in a picture and draws them: sample.py with its
    modules, by name.

    Args:
        suffix: of the network's file.
        packages: what runs the network, for pip.
        network: the template of the module that does so.
    """
    finder = _name_finder(model)
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
    }


def _name_finder(model: ExportedModel) -> str:
    """The name of the module that finds people in a picture."""
    return "blazepose" if describe_pipeline(model).get("crop") == BODY else "top_down"


def render_node_sample(model: ExportedModel) -> Iterator[ExportFile]:
    """The program for Node that prints the people in a picture as JSON: sample.mjs with its modules
    and its package.json. It runs the ONNX networks on ONNX Runtime.
    """
    detector = f'await open("{model.detector.name}")' if model.detector else "null"
    finder = _name_finder(model)
    files = {
        "sample.mjs": render("sample.mjs", name=model.name, detector=detector, finder=finder),
        f"{finder}.mjs": render(f"{finder}.mjs"),
        "top_down.mjs": render("top_down.mjs"),
        "resize.mjs": render("resize.mjs"),
        "network.mjs": render("network.mjs"),
        "package.json": render("package.json", name=model.name),
    }
    for name, content in files.items():
        yield ExportFile(f"{model.name}/{name}", content)
