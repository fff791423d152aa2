"""Decoders in a graph return what the numpy decoders return, for 200 drawn scenes each."""

import contextlib
import re
import shutil
from dataclasses import replace

import cv2
import numpy as np
import pytest
from onnx import helper

from fakes import crowds, graphs, posenet
from fakes.checkout import ROOT
from fakes.command import read_json
from fakes.conversion import context_of, convert_model, plan_conversion, with_camera_input
from fakes.loaded_irs import load_ir
from fakes.network import digest_of, downloaded, network, source_file, spec_of
from fakes.soak import soak
from posezoo import decode
from posezoo.core.declarations.model import (
    ColorOrder,
    Decoder,
    Framework,
    Input,
    Output,
    Precision,
)
from posezoo.core.errors import ConversionError, InferenceError, SelfCheckError
from posezoo.core.ir.ir_writer import write_ir
from posezoo.core.layout import ModelLayout
from posezoo.core.pipeline.artifact_states import check_artifacts
from posezoo.core.pipeline.get import get
from posezoo.core.registry import open_registry
from posezoo.core.resolve.input_options import InputOptions
from posezoo.core.resolve.resolution import resolve_model
from posezoo.export.decoded import append_decoder, nodes, with_decoding
from posezoo.export.decoded.frames import FrameFit
from posezoo.export.decoded.graphs import GRAPHS
from posezoo.poses.blazepose import decode_faces
from posezoo.poses.decoders import find_decoder, resolve_options
from posezoo.poses.heatmap import CONVENTIONS
from posezoo.poses.keypoints import from_pixel_indices
from posezoo.poses.letterbox import InputSizing, letterbox_image
from posezoo.poses.yolox_boxes import STRIDES, TOP_LEFT_ON_GREY, generate_cells
from posezoo.proof.fp16_check import compare_with_fp32
from posezoo.run.runtime.graph import Graph
from posezoo.run.runtime.runtime_config import LoadOptions

ov = pytest.importorskip("openvino")
ops = ov.opset13

SCENES = 200
SIZE = (192, 256)


def exact(model):
    """A model or the path of an IR, compiled for f32."""
    return ov.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})


def heatmaps(rng):
    """Hills inside the map, at its border and outside of it; some of them low, flat or below 0."""
    places = rng.uniform((-2, -2), (50, 66), (17, 2))
    widths, heights = rng.uniform(0.7, 4, (17, 1, 1)), rng.uniform(-0.2, 1.1, (17, 1, 1))
    rows, columns = np.mgrid[:64, :48]
    squared = (columns - places[:, :1, None]) ** 2 + (rows - places[:, 1:, None]) ** 2
    maps = heights * np.exp(-squared / (2 * widths**2)) + rng.normal(0, 0.01, (17, 64, 48))
    maps[0] = np.minimum(maps[0], 0.5)  # several cells are the highest
    return {"heatmaps": maps[None].astype(np.float32)}


def bins(rng, joints=17):
    low = rng.choice([-1, 0])
    return {
        f"simcc_{axis}": rng.uniform(low, 1, (1, joints, 2 * side)).astype(np.float32)
        for axis, side in zip("xy", SIZE, strict=True)
    }


def rows_of_people(rng, count=12):
    """People as RTMO's network finds them, with a row of padding, and one that is not finite."""
    dets = rng.uniform(0, 1, (1, count, 5))
    dets[0, :, 4] = np.sort(np.round(rng.random(count), 2))[::-1]
    dets[0, -1] = 0
    keypoints = rng.uniform(-20, 250, (1, count, 17, 3))
    keypoints[..., 2] = rng.random((1, count, 17))
    keypoints[0, rng.integers(count), 3, 0] = rng.choice([7, np.nan, np.inf])
    return {"dets": dets.astype(np.float32), "keypoints": keypoints.astype(np.float32)}


def rows_of_boxes(rng):
    """Boxes and labels as RTMDet's network finds them, some of no size or outside the image."""
    dets = rng.uniform(-60, 300, (1, 40, 5))
    dets[0, :, 4] = np.sort(np.round(rng.random(40), 2))[::-1]
    labels = rng.integers(0, 2, (1, 40))
    return {"dets": dets.astype(np.float32), "labels": labels.astype(np.float32)}


def cells(rng):
    """Groups of boxes that overlap, as YOLOX's network finds them; some are outside of the image, some are no people."""
    corners, _ = generate_cells(SIZE)
    rows = rng.normal(0, 0.3, (len(corners), 85))
    rows[:, 2:4] = rng.uniform(0, 3, (len(corners), 2))
    rows[:, 4:] = rng.uniform(0, 0.5, (len(corners), 81))
    for _ in range(rng.integers(0, 6)):
        start = rng.integers(len(corners) - 4)
        rows[start : start + 4, 2:4] = rng.uniform(1, 3)
        rows[start : start + 4, 4:6] = np.round(rng.uniform(0.5, 1, 4), 1)[:, None]
    rows[rng.integers(len(corners)), :2] = rng.choice([-40, 40])
    rows[rng.integers(len(corners)), rng.integers(6)] = rng.choice([np.nan, np.inf, 200])
    return {"predictions": rows[None].astype(np.float32)}


def cells_outside(rng):
    """The same, with more and better boxes outside of the image than the graph has steps."""
    predictions = cells(rng)["predictions"]
    predictions[0, :30, :6] = -100, -100, 0, 0, 1, 1
    return {"predictions": predictions}


def cells_of_distributions(rng):
    """Groups of boxes that overlap, as NanoDet's network finds them; some have no size inside the image."""
    counts = [(SIZE[0] // stride) * (SIZE[1] // stride) for stride in STRIDES]
    scores = rng.uniform(0, 0.3, (sum(counts), 80))
    logits = rng.normal(0, 1, (sum(counts), 4, 11))
    for _ in range(rng.integers(0, 6)):
        start = rng.integers(len(scores) - 4)
        scores[start : start + 4, 0] = np.round(rng.uniform(0.5, 1, 4), 1)
        logits[start : start + 4, range(4), rng.integers(0, 11, 4)] += 12
    logits = logits.reshape(-1, 44)
    scores[rng.integers(len(scores)), rng.integers(2)] = rng.choice([np.nan, np.inf, 0.9])
    start = rng.integers(len(scores))
    scores[start, 0] = 0.95
    logits[start, rng.integers(44)] = rng.choice([np.nan, np.inf, -np.inf, 200])
    ends = np.cumsum(counts)[:-1]
    return {
        f"{kind}_{stride}": part[None].astype(np.float32)
        for kind, rows in (("scores", scores), ("distances", logits))
        for stride, part in zip(STRIDES, np.split(rows, ends), strict=True)
    }


def boxes_and_scores(rng):
    """Groups of boxes that overlap, as PicoDet's network finds them; some have no size inside the image."""
    boxes = rng.uniform(-60, 300, (200, 4)).repeat(4, axis=0) + rng.normal(0, 4, (800, 4))
    scores = np.round(rng.uniform(0, 0.3, (1, 800)), 2)
    scores[0, rng.choice(800, 12)] = np.round(rng.uniform(0.5, 1, 12), 1)
    boxes[rng.integers(800), rng.integers(4)] = rng.choice([np.nan, np.inf])
    return {"boxes": boxes[None].astype(np.float32), "scores": scores[None].astype(np.float32)}


def columns_of_people(rng, joints=17):
    """Groups of people that overlap, as YOLO-pose finds them before it removes any."""
    groups = rng.integers(1, 7)
    centers = rng.uniform(0, 250, (groups, 2)).repeat(9, axis=0)
    people = np.concatenate(
        [
            centers + rng.normal(0, 8, centers.shape),
            rng.uniform(30, 60, centers.shape),
            rng.uniform(0, 1, (len(centers), 1)).round(2),
            rng.uniform(-20, 250, (len(centers), 3 * joints)),
        ],
        axis=1,
    )
    rows = np.zeros((84, people.shape[1]))
    rows[rng.permutation(84)[: len(people)]] = people
    rows[:, 7::3] = rng.random((84, joints))
    rows[rng.integers(84), rng.integers(9)] = rng.choice([np.nan, np.inf, 7])
    return {"predictions": rows.T[None].astype(np.float32)}


def columns_of_two_classes(rng):
    """As ``columns_of_people``, with a score of a second class, and keypoints without a visibility."""
    columns = columns_of_people(rng)["predictions"]
    second = rng.uniform(0, 1, (1, 1, columns.shape[2])).round(2) * (columns[:, 4:5] > 0)
    places = np.delete(columns[:, 5:], np.s_[2::3], axis=1)
    rows = np.concatenate([columns[:, :5], second, places], axis=1)
    return {"predictions": rows.astype(np.float32)}


def rows_of_cells(rng):
    """As ``columns_of_people``, in the rows of YOLOX-pose for the cells of the input."""
    columns = columns_of_people(rng)["predictions"][0]
    rows = np.zeros((sum((SIZE[0] // side) * (SIZE[1] // side) for side in (8, 16, 32)), 57))
    rows[:84] = np.insert(columns.T, 5, rng.uniform(0.5, 1, 84), axis=1)
    return {"predictions": rows[None].astype(np.float32)}


def rows_without_grid(rng):
    """As ``rows_of_cells``, as the exporter of YOLOX-pose leaves them by default."""
    rows = rows_of_cells(rng)["predictions"]
    cells, strides = generate_cells(SIZE)
    rows[0, :, :2] = rows[0, :, :2] / strides - cells
    rows[0, :, 2:4] = np.log(rows[0, :, 2:4].clip(1, 99) / strides)
    return {"predictions": rows}


def rows_without_overlap(rng):
    """People as YOLO26's head finds them: corners, score, class and keypoints."""
    rows = rng.uniform(0, 250, (1, 30, 57))
    rows[0, :, 2:4] += 250
    rows[0, :, 4] = np.round(rng.random(30) ** 4, 2)
    rows[0, :, 5] = 0
    rows[0, :, 8::3] = rng.random((30, 17))
    rows[0, rng.integers(30), 9] = rng.choice([np.nan, 7])
    return {"predictions": rows.astype(np.float32)}


def in_shares(rows, first, axis, *, with_keypoints=True):
    """The rows or columns of people as Ultralytics' exports as TFLite state them."""
    rows = np.moveaxis(rows["predictions"], axis, -1).copy()
    starts = [0, 2, *(range(first, rows.shape[-1], 3) if with_keypoints else ())]
    for start in starts:
        rows[..., start : start + 2] /= SIZE
    return {"predictions": np.moveaxis(rows, -1, axis)}


def queries(rng, joints=17):
    """The queries of RF-DETR Keypoint; some are no people, or have keypoints that cannot be found."""
    labels = rng.normal(-3, 3, (1, 20, 2))
    keypoints = rng.normal(0, 1, (1, 20, joints, 8))
    keypoints[..., :2] = rng.uniform(-0.1, 1.1, (1, 20, joints, 2))
    keypoints[..., 2] *= 4
    keypoints[..., 4:7] += rng.normal(3, 2)
    keypoints[0, rng.integers(20), :, 2] = -200
    keypoints[0, rng.integers(20), 3, 4] = rng.choice([np.nan, -np.inf, -20, 90])
    boxes = np.zeros((1, 20, 4))
    boxes[0, rng.integers(20), 2] = rng.choice([0, np.nan])
    maps = {"dets": boxes, "labels": labels, "keypoints": keypoints}
    return {role: array.astype(np.float32) for role, array in maps.items()}


def people(rng):
    values = rng.random((1, 6, 56), np.float32)
    values[0, :, 55] *= rng.integers(0, 2, 6)
    values[0, rng.integers(6), rng.integers(51)] = rng.choice([0, np.inf, np.nan])
    return {"people": values}


def landmarks(rng):
    """The landmarks of a person, some outside of their heatmaps; some of these are likely nowhere."""
    raw = rng.normal(100, 90, (39, 5))
    raw[rng.integers(39), :2] = rng.uniform(-5, 1, 2)
    heatmaps = rng.normal(rng.normal(-3, 2, 39), 1.5, (1, 64, 64, 39))
    heatmaps[0, rng.integers(64), rng.integers(64)] = rng.choice([-1e9, 1e9])
    maps = {"landmarks": raw.reshape(1, 195), "presence": rng.random((1, 1)), "heatmaps": heatmaps}
    return {role: array.astype(np.float32) for role, array in maps.items()}


def detections(rng):
    rows = rng.uniform(-0.3, 1.3, (200, 7)).astype(np.float32)
    rows[:, 0], rows[:, 1] = 0, rng.integers(0, 3, 200)
    rows[:, 2] = np.round(rng.random(200), 2)  # equal scores keep their order
    rows[rng.integers(200) :: 3, 0] = -1
    return {"detections": rows[None, None]}


def crowd(rng):
    """The maps of a group of people of any kind."""
    seed = int(rng.integers(10_000))
    group = crowds.group(list(crowds.KINDS)[seed % len(crowds.KINDS)], seed, crowds.OPENPOSE_SIZE)
    maps = zip(("heatmaps", "pafs"), crowds.openpose_maps(group, seed), strict=True)
    return {role: np.array(array, np.float32) for role, array in maps}


def crowd_in_one_output(rng):
    maps = np.concatenate(list(crowd(rng).values()), axis=1)
    return {"heatmaps_and_pafs": np.ascontiguousarray(maps.transpose(0, 2, 3, 1))}


def group(rng):
    """What PoseNet finds of people who overlap, some cells of which are noisy."""
    centers = rng.uniform(20, 170, (rng.integers(1, 6), 1, 2))
    joints = centers + rng.normal(0, 30, (len(centers), 17, 2))
    maps = posenet.people_maps(joints, (193, 257))
    return {
        role: (array + rng.normal(0, 1, array.shape)).astype(np.float32)
        for role, array in maps.items()
    }


def scored_people(rng):
    keypoints = rng.random((1, 60, 17, 2), np.float32) * SIZE
    keypoints[0, 3, 2] = np.nan
    return {
        "scores": rng.random((1, 60), np.float32),
        "labels": np.ones((1, 60), np.float32),
        "keypoints": keypoints.astype(np.float32),
    }


CASES = {
    **{f"heatmap/{name}": (heatmaps, {"convention": name}) for name in CONVENTIONS},
    "heatmap/dark of small inputs": (heatmaps, {"convention": "dark", "blur": 3}),
    "simcc": (bins, {}),
    "simcc/of the whole body": (lambda rng: bins(rng, 133), {}),
    "rtmo": (rows_of_people, {}),
    "rtmdet": (rows_of_boxes, {}),
    "nanodet": (cells_of_distributions, {}),
    "picodet": (boxes_and_scores, {}),
    "yolox": (cells, {}),
    "yolox/with boxes outside": (cells_outside, {}),
    "yolo_pose": (columns_of_people, {}),
    "yolo_pose/of 26 keypoints": (lambda rng: columns_of_people(rng, 26), {"max_overlap": 0.4}),
    "yolo_pose/of two classes": (
        columns_of_two_classes,
        {"classes": 2, "values": 2, "max_overlap": 0.3},
    ),
    "yolo_pose/in shares of the input": (lambda rng: in_shares(columns_of_people(rng), 5, 1), {}),
    "yolo_pose/with only boxes in shares": (
        lambda rng: in_shares(columns_of_people(rng), 5, 1, with_keypoints=False),
        {},
    ),
    "yolo_pose/without overlap, in shares": (
        lambda rng: in_shares(rows_without_overlap(rng), 6, 2),
        {},
    ),
    "yolo_pose/of cells": (rows_of_cells, {}),
    "yolo_pose/of cells without their grid": (rows_without_grid, {}),
    "yolo_pose/without overlap": (rows_without_overlap, {}),
    "rf_detr": (queries, {}),
    "rf_detr/of 26 keypoints": (lambda rng: queries(rng, 26), {"min_score": 0.2}),
    "detrpose": (scored_people, {}),
    "coordinates": (
        lambda rng: {"coordinates": rng.normal(90, 60, (1, 34)).astype(np.float32)},
        {},
    ),
    "coordinates/in shares, y first, with scores": (
        lambda rng: {"coordinates": rng.normal(0.5, 0.4, (1, 17, 3)).astype(np.float32)},
        {"values": "shares", "y_first": True},
    ),
    "movenet": (lambda rng: {"keypoints": rng.random((1, 1, 17, 3), np.float32)}, {}),
    "movenet_multipose": (people, {}),
    "blazepose": (landmarks, {}),
    "detection": (detections, {}),
    "posenet": (group, {"min_score": 0.06}),
    "openpose": (crowd, GRAPHS.find("openpose").options),
    "openpose/in one output": (crowd_in_one_output, GRAPHS.find("openpose").options),
}


def test_each_decoder_with_a_graph_has_a_case_and_a_row_on_its_page():
    with_graph = {*GRAPHS.builtin}
    without_case = with_graph - {case.partition("/")[0] for case in CASES}
    assert not without_case, (
        f"add outputs of the network of {without_case} to CASES of tests/export/decoded/test_decoding.py"
    )
    page = (ROOT / "docs" / "decoded_ir.md").read_text("utf-8")
    listed = page.partition("can be part of an IR")[2].partition("\n\nassociative")[0]
    unlisted = with_graph - {*re.findall(r"\w+", listed)}
    assert not unlisted, f"add {unlisted} to docs/decoded_ir.md, in the list of decoders"


def size_of(name):
    """Width and height of the input of a network with this decoder."""
    return crowds.OPENPOSE_SIZE if name == "openpose" else SIZE


def described(name, maps, tmp_path, **options):
    """A model with one image as input, whose outputs are these maps."""
    width, height = size_of(name)
    image = Input("image", (1, 3, height, width), "NCHW")
    outputs = tuple(Output(role, array.shape, role=role) for role, array in maps.items())
    spec = spec_of(network("onnx"), tmp_path, inputs=(image,), outputs=outputs)
    return spec, Decoder(name, options)


def graph_of(spec, maps):
    """The decoder alone: its inputs are the outputs of a network."""
    image = ops.parameter(list(spec.inputs[0].shape), np.float32, name="image")
    nothing = ops.multiply(
        ops.reduce_max(image, ops.constant([0, 1, 2, 3])), ops.constant(np.float32(0))
    )
    outputs, inner = [], {}
    for role, array in maps.items():
        inner[role] = ops.parameter(list(array.shape), np.float32, name=role)
        outputs.append(
            ops.add(
                ops.relu(ops.multiply(nothing, ops.constant(np.zeros(array.shape, np.float32)))),
                ops.constant(np.float32(0)),
            )
        )
        outputs[-1].output(0).set_names({role})
    model = append_decoder(ov.Model(outputs, [image], "maps"), spec)
    for role, node in zip(maps, outputs, strict=True):
        for target in node.output(0).get_target_inputs():
            target.replace_source_output(inner[role].output(0))
    return ov.Model(model.get_results(), list(inner.values()), "decoder")


def expected(name, maps, shape, **options):
    """What posezoo.decode returns, with continuous coordinates, as the arrays of an IR, whose people have this shape."""
    decoder = find_decoder(name)
    joints = len(shape) == 3
    values, scores = np.zeros(shape), np.zeros(shape[0])
    poses = decode(name, maps, size_of(name), **options)
    for row, pose in enumerate(poses[: len(scores)]):
        scores[row], values[row] = pose.score, pose.keypoints if joints else pose.box
    if joints:
        values[values[..., 2] <= 0] = 0
        if decoder.has_pixel_centers:
            values = from_pixel_indices(values)
    return values, scores


#: With as many people, these have the operations of a case before them, whose graph is built for 20.
FEWER_PEOPLE = {
    "yolox/with boxes outside": 5,
    "yolo_pose/of 26 keypoints": 5,
    "yolo_pose/of two classes": 5,
}
FP16_CASES = ("heatmap/dark", "heatmap/udp", "detection", "openpose")


@pytest.mark.parametrize("case", CASES)
def test_a_graph_finds_the_same_people_as_numpy_in_a_few_scenes(case, tmp_path):
    people = FEWER_PEOPLE.get(case)
    assert find_the_same_people(case, Precision.FP32, 5, tmp_path, people) > 0


@pytest.mark.parametrize(
    ("case", "precision"),
    [
        *(
            soak(case, Precision.FP32) for case in CASES
        ),  # of which a few scenes are tried each time
        *((case, Precision.FP16) for case in FP16_CASES),
    ],
)
def test_a_graph_finds_the_same_people_as_numpy(case, precision, tmp_path):
    assert find_the_same_people(case, precision, SCENES, tmp_path) > SCENES / 3


#: Beside values that are not finite, numpy finds people at other places of the maps, and the graph finds nobody
#: (docs/decoded_ir.md).
NOBODY_BESIDE = {"openpose"}


def spoilt(draw):
    """For each output: scenes with values that are not finite, the highest and one, twelve or a twentieth more."""
    rng = np.random.default_rng(1)
    roles = list(draw(rng))
    for seed, value in enumerate((np.nan, np.inf, -np.inf)):
        for role in roles:
            maps = draw(np.random.default_rng(seed))
            size = maps[role].size
            places = rng.integers(size, size=(1, min(12, size // 4), size // 20)[seed])
            maps[role].flat[[np.nanargmax(maps[role]), *places]] = value
            yield f"{value:g} in {role}", maps


def compile_case(case, precision, tmp_path, max_people=None):
    """The decoder of a case in a graph."""
    draw, options = CASES[case]
    name = case.split("/")[0]
    spec, decoder = described(name, draw(np.random.default_rng(0)), tmp_path, **options)
    spec = with_decoding(spec, decoder, InputOptions(max_people=max_people))
    model = graph_of(spec, draw(np.random.default_rng(0)))
    assert not any(port.partial_shape.is_dynamic for port in model.outputs)
    assert not any(port.partial_shape.is_dynamic for op in model.get_ops() for port in op.outputs())
    return exact(write_ir(model, tmp_path / "decoder.xml", precision))


def compare(case, compiled, maps, seed):
    """How many people numpy finds, and how far those of the graph are; an AssertionError if they are others."""
    name, options = case.split("/")[0], CASES[case][1]
    values, scores = compiled(dict(maps)).values()
    # A person with a value that is not finite leaves a row of 0.
    order = np.argsort(scores <= 0, kind="stable")
    values, scores = values[order], scores[order]
    wanted, wanted_scores = expected(name, maps, values.shape, **options)
    assert np.array_equal(scores > 0, wanted_scores > 0), seed
    assert np.abs(scores - wanted_scores).max() <= 1e-4, seed
    if values.ndim == 3:
        assert np.abs(values[..., 2] - wanted[..., 2]).max() <= 1e-4, seed
    apart = np.abs(values - wanted)[..., : 4 if values.ndim == 2 else 2].max()
    return np.count_nonzero(wanted_scores), apart


def compare_spoilt(case, compiled):
    """An AssertionError if the graph takes values that are not finite otherwise than numpy."""
    name = case.split("/")[0]
    for what, maps in spoilt(CASES[case][0]):
        said = (
            f"{what}: the graph of {name} in export/decoded/ finds other people than poses/ beside values that are not"
            " finite: leave out the same rows or keypoints, with are_finite or blank_unsound of export/decoded/nodes.py"
        )
        if name in NOBODY_BESIDE:
            assert not any(output.any() for output in compiled(dict(maps)).values()), said
            continue
        with contextlib.suppress(InferenceError):  # boxes that cannot be right are refused
            _, apart = compare(case, compiled, maps, said)
            assert apart <= 0.2, said


def find_the_same_people(case, precision, scenes, tmp_path, max_people=None):
    """How many people numpy finds in these scenes; an AssertionError if the graph finds others."""
    compiled = compile_case(case, precision, tmp_path, max_people)
    farthest, found = 0, 0
    for seed in range(scenes):
        count, apart = compare(case, compiled, CASES[case][0](np.random.default_rng(seed)), seed)
        farthest, found = max(farthest, apart), found + count
    assert farthest <= 0.2
    if precision == Precision.FP32:
        compare_spoilt(case, compiled)
    return found


def faces(rng):
    """Groups of anchors that overlap, some of them with equal scores, and values that are not finite."""
    boxes, logits = rng.normal(0, 9, (1, 2254, 12)), rng.normal(-6, 1, (1, 2254, 1))
    boxes[0, :, 2:4] = rng.uniform(-5, 90, (2254, 2))
    for start in rng.integers(0, 2200, rng.integers(0, 12)):
        logits[0, start : start + 9, 0] = rng.normal(1, 2, 9).round(1)
    logits[0, rng.integers(2254, size=3)] = rng.choice([np.inf, -np.inf, np.nan, 90])
    boxes[0, rng.integers(2254, size=9)] = rng.choice([np.inf, np.nan, 5])
    return {"boxes": boxes.astype(np.float32), "scores": logits.astype(np.float32)}


@pytest.mark.parametrize(
    ("weighted", "precision", "scenes"),
    [
        (True, Precision.FP32, 10),
        (False, Precision.FP16, 10),
        *(
            (weighted, precision, SCENES)
            for weighted in (True, False)
            for precision in (Precision.FP32, Precision.FP16)
        ),
    ],
)
def test_the_graph_of_blazeposes_detector_finds_the_same_faces_as_numpy(
    weighted, precision, scenes, tmp_path
):
    maps = faces(np.random.default_rng(0))
    spec, decoder = described("blazepose", maps, tmp_path, weighted=weighted)
    model = graph_of(with_decoding(spec, decoder), faces(np.random.default_rng(0)))
    assert not any(port.partial_shape.is_dynamic for op in model.get_ops() for port in op.outputs())
    compiled = exact(write_ir(model, tmp_path / "decoder.xml", precision))
    options, found = resolve_options(decoder), 0
    for seed in range(scenes):
        maps = faces(np.random.default_rng(seed))
        values, scores = compiled(dict(maps)).values()
        poses = decode_faces(maps["boxes"], maps["scores"], options).to_poses(None, (224, 224))[
            : len(scores)
        ]
        assert np.allclose(scores[: len(poses)], [pose.score for pose in poses], atol=1e-6), seed
        assert np.all(scores[len(poses) :] == 0) and np.all(values[len(poses) :] == 0), seed
        for row, pose in zip(values, poses, strict=False):
            assert np.abs(row - pose.keypoints).max() <= 0.01, seed
        found += len(poses)
    assert found > 5 * scenes


@pytest.mark.parametrize(
    ("name", "draw", "chosen", "shapes"),
    [
        ("blazepose", faces, {"max_people": 3}, [[3, 4, 3], [3]]),
        ("yolox", cells, {}, [[20, 4], [20]]),
        ("yolox", cells, {"max_people": 3}, [[3, 4], [3]]),
        ("movenet_multipose", people, {"max_people": 2, "min_score": 0.9}, [[2, 17, 3], [2]]),
    ],
)
def test_the_number_of_people_is_a_choice(tmp_path, name, draw, chosen, shapes):
    maps = draw(np.random.default_rng(0))
    spec, decoder = described(name, maps, tmp_path)
    model = graph_of(with_decoding(spec, decoder, InputOptions(**chosen)), maps)
    assert [list(port.shape) for port in model.outputs] == shapes


@pytest.mark.parametrize(
    ("name", "draw", "most"), [("blazepose", faces, 256), ("movenet_multipose", people, 6)]
)
def test_more_people_than_a_graph_finds_are_refused(tmp_path, name, draw, most):
    maps = draw(np.random.default_rng(0))
    spec, decoder = described(name, maps, tmp_path)
    with pytest.raises(ConversionError, match=f"at most {most} people, so --max_people {most + 1}"):
        graph_of(with_decoding(spec, decoder, InputOptions(max_people=most + 1)), maps)


def pose_network(folder, *, kind="noise"):
    """An ONNX file of one convolution that makes 17 heatmaps of 16 x 12 from an image of 64 x 48, and its model."""
    stride, rng = 4, np.random.default_rng(3)
    weights = rng.normal(0, 0.01, (17, 3, stride, stride)).astype(np.float32)
    if kind == "brightness":
        weights[:] = 1 / (3 * stride**2 * 255)
    node = helper.make_node(
        "Conv", ["image", "weights"], ["heatmaps"], "conv", strides=[stride, stride]
    )
    image = Input("image", (1, 3, 64, 48), "NCHW", ColorOrder.RGB, reverse_input_channels=True)
    outputs = (Output("heatmaps", (1, 17, 64 // stride, 48 // stride), role="heatmaps"),)
    ports = [(port.name, graphs.FLOAT, port.shape) for port in (image, *outputs)]
    content = graphs.written("pose", [node], ports[:1], ports[1:], {"weights": weights})
    spec = spec_of(
        content,
        folder,
        inputs=(image,),
        outputs=outputs,
        decoder=Decoder("heatmap", {"convention": "dark", "blur": 3}),
    )
    return spec, downloaded(spec, content, folder)


def decoded_network(folder, *, min_score=None, resize=False, **network):
    spec, layout = pose_network(folder, **network)
    spec = with_decoding(spec, spec.decoder, InputOptions(min_score=min_score))
    return with_camera_input(spec, element_type="u8", layout="NHWC", resize=resize), layout


def test_an_ir_with_its_decoder_runs_like_the_network_with_the_numpy_decoder(tmp_path):
    spec, layout = decoded_network(tmp_path / "decoded")
    plain, plain_layout = pose_network(tmp_path / "plain")
    xml = convert_model(spec, layout).irs[Precision.FP32]
    plain_xml = convert_model(plain, plain_layout).irs[Precision.FP32]
    with_decoder, without = load_ir(xml), load_ir(plain_xml)
    assert with_decoder.decoder == "heatmap"
    image = np.random.default_rng(0).integers(0, 256, (90, 100, 3), np.uint8)
    boxes = [(0, 0, 50, 90), (30, 10, 90, 80)]
    poses = with_decoder(image, boxes=boxes)
    assert len(poses) == 2
    for one, other in zip(poses, without(image, boxes=boxes), strict=True):
        assert np.abs(one.keypoints - other.keypoints).max() < 1e-3
        assert one.score == pytest.approx(other.score, abs=1e-6) and one.box == pytest.approx(
            other.box, abs=1e-3
        )


def test_the_record_names_the_decoder_and_its_check(tmp_path):
    spec, layout = decoded_network(tmp_path, min_score=0.25)
    convert_model(spec, layout)
    record = read_json(layout.provenance_path(spec, Precision.FP32))
    assert record["key"]["arguments"]["decoding"]["min_score"] == 0.25
    checked = record["self_check"]["outputs"]
    assert set(checked) == {"heatmaps", "keypoints", "scores"}
    assert checked["keypoints"]["difference"] < 1e-4 < checked["keypoints"]["tolerance"]
    assert all(step.is_up_to_date for step in plan_conversion(spec, layout).irs)
    other, _ = decoded_network(tmp_path, min_score=0.3)
    plain, _ = pose_network(tmp_path)
    for changed in (other, plain):
        reasons = {step.reason for step in plan_conversion(changed, layout).irs}
        assert reasons == {"model.yml or the flags have changed"}


def test_an_ir_with_an_earlier_decoder_is_made_again(tmp_path):
    spec, layout = decoded_network(tmp_path)
    convert_model(spec, layout)
    record = layout.provenance_path(spec, Precision.FP32)
    text = record.read_text("utf-8")
    assert '"decoding_format": 2' in text
    record.write_text(text.replace('"decoding_format": 2', '"decoding_format": 1'), "utf-8")
    reasons = [step.reason for step in plan_conversion(spec, layout).irs if step.reason]
    assert reasons == ["its decoder was made by another version of posezoo"]


def test_the_bytes_are_the_same_in_each_run(tmp_path):
    digests = set()
    for folder in ("one", "two"):
        spec, layout = decoded_network(tmp_path / folder, resize=True)
        irs = convert_model(spec, layout).irs
        digests.add(
            tuple(
                path.read_bytes() for xml in irs.values() for path in (xml, xml.with_suffix(".bin"))
            )
        )
    assert len(digests) == 1


@pytest.mark.parametrize(
    ("size", "place"),
    [
        ((48, 64), (0.3, 0.6)),
        ((640, 480), (0.8, 0.25)),
        ((90, 900), (0.3, 0.6)),
    ],
)
def test_a_frame_of_any_size_gives_keypoints_in_its_own_pixels(tmp_path, size, place):
    """A bright spot is found where it is, in a frame that is letterboxed, and averaged first if it is large."""
    spec, layout = decoded_network(tmp_path, resize=True, kind="brightness")
    scale, spot = min(48 / size[0], 64 / size[1]), np.multiply(size, place)
    rows, columns = np.mgrid[: size[1], : size[0]] + 0.5
    squared = (columns - spot[0]) ** 2 + (rows - spot[1]) ** 2
    frame = np.repeat(250 * np.exp(-squared / (2 * (5 / scale) ** 2))[..., None], 3, axis=2).astype(
        np.uint8
    )
    xml = convert_model(spec, layout, precisions=(Precision.FP32,)).irs[Precision.FP32]
    values, scores = exact(xml)([frame[None]]).values()
    # In pixels of the input; the cells of the maps are four pixels wide.
    assert np.abs(scale * (values[0, :, :2] - spot + 1.5 / scale)).max() < 0.8 and scores[0] > 0.5


@pytest.mark.parametrize(
    ("name", "maps"), [("movenet", "keypoints"), ("movenet_multipose", "people")]
)
def test_a_frame_is_where_the_pipeline_of_its_decoder_puts_it(tmp_path, name, maps):
    """MoveNet MultiPose sees it in the upper left corner, others in the middle."""
    drawn = {"keypoints": np.zeros((1, 1, 17, 3)), "people": np.zeros((1, 6, 56))}
    spec, decoder = described(name, {maps: drawn[maps]}, tmp_path)
    spec = with_camera_input(with_decoding(spec, decoder), layout="NHWC", resize=True)
    fit, image = FrameFit.of(spec), ops.parameter([1, -1, -1, 3], np.float32)
    compiled = exact(ov.Model([fit.fit(image, ov.Type.f32)], [image]))
    frame = np.random.default_rng(0).integers(1, 256, (100, 300, 3), np.uint8)
    sizing = find_decoder(name).input_sizing
    wanted = letterbox_image(frame, SIZE, sizing.padding, sizing=sizing)[1]
    assert np.abs(compiled([frame[None].astype(np.float32)])[0][0] - wanted).max() <= 1


# Each pair of two choices is in one of them.
@pytest.mark.parametrize(
    ("layout", "stretches", "sizing"),
    [
        pytest.param("NHWC", False, InputSizing(), id="NHWC in the middle"),
        pytest.param("NCHW", False, TOP_LEFT_ON_GREY, id="NCHW in the corner"),
        pytest.param("NHWC", True, TOP_LEFT_ON_GREY, id="NHWC stretched"),
        pytest.param("NCHW", True, InputSizing(), id="NCHW stretched"),
    ],
)
def test_frames_are_fitted_as_in_numpy_before_rounding(layout, stretches, sizing):
    color = (3.0, 40.0, 200.0)
    fit = FrameFit(layout, SIZE, stretches, color, sizing)
    image = ops.parameter([1, -1, -1, 3] if layout == "NHWC" else [1, 3, -1, -1], np.uint8)
    compiled = exact(ov.Model([fit.fit(image, ov.Type.f32)], [image]))
    for size in ((1, 1), (17, 30), (191, 700), (640, 480), (1152, 720), (1536, 1024)):
        frame = np.random.default_rng(0).integers(0, 256, (*size[::-1], 3), np.uint8)
        wanted = letterbox_image(
            frame.astype(np.float32), SIZE, color, sizing=sizing, stretches=stretches
        )[1]
        fitted = compiled([(frame if layout == "NHWC" else frame.transpose(2, 0, 1))[None]])[0][0]
        fitted = fitted if layout == "NHWC" else fitted.transpose(1, 2, 0)
        assert fitted.shape == wanted.shape and np.abs(fitted - wanted).max() <= 0.01, size


@pytest.mark.parametrize("size", [(640, 427), (333, 500), (191, 90)])
@pytest.mark.parametrize("sizing", [InputSizing(), TOP_LEFT_ON_GREY], ids=["middle", "corner"])
def test_boxes_are_mapped_to_the_frame_as_in_numpy(size, sizing):
    fit = FrameFit("NHWC", SIZE, False, (0.0, 0.0, 0.0), sizing)
    frame = ops.parameter([1, -1, -1, 3], np.uint8)
    box = np.float32([[10, 20, 190, 120]])
    compiled = exact(ov.Model([fit.to_frame(ops.constant(box), frame)], [frame]))
    image = np.zeros((*size[::-1], 3), np.uint8)
    view, _ = letterbox_image(image, SIZE, sizing=sizing)
    wanted = view.to_image(box.reshape(2, 2)).ravel()
    assert compiled([image[None]])[0][0] == pytest.approx(wanted, abs=1e-3)


def test_a_wrong_decoder_is_not_published(tmp_path, monkeypatch, in_this_process):
    spec, layout = decoded_network(tmp_path)
    keep = nodes.keep_people
    monkeypatch.setattr(
        nodes,
        "keep_people",
        lambda keypoints, *rest: keep(keypoints + nodes.constant([1, 0, 0]), *rest),
    )
    with pytest.raises(SelfCheckError, match=r"differs from posezoo\.decode in keypoints"):
        convert_model(spec, layout)
    assert not layout.ir_path(spec, Precision.FP32).exists()


def test_an_ir_with_its_decoder_refuses_what_needs_the_maps(tmp_path):
    spec, layout = decoded_network(tmp_path, min_score=0.2)
    xml = convert_model(spec, layout, precisions=(Precision.FP32,)).irs[Precision.FP32]
    with pytest.raises(InferenceError, match="contains the decoder: images are not run mirrored"):
        load_ir(xml, options=LoadOptions(flip=True))
    with pytest.raises(InferenceError, match=r"drops people with a score below 0\.2") as caught:
        load_ir(xml, options=LoadOptions(min_person_score=0.1))
    assert caught.value.hint == "convert it with --min_score 0.1"
    load_ir(xml, options=LoadOptions(min_person_score=0.2))  # the limit itself is no less
    assert (
        load_ir(xml, options=LoadOptions(min_person_score=0.99))(np.zeros((64, 48, 3), np.uint8))
        == []
    )
    with pytest.raises(InferenceError, match="contains the decoder heatmap, not simcc"):
        load_ir(xml, "simcc")
    with pytest.raises(InferenceError, match="refuses a batch of 2"):
        Graph(xml).set_batch(2)


@pytest.mark.parametrize(
    ("changes", "options", "problem"),
    [
        ({"decoder": None}, {}, "has no decoder"),
        ({"decoder": Decoder("lifting_3d")}, {}, "its decoder lifting_3d cannot be put into an IR"),
        ({}, {"max_people": 2}, "finds one person, so --max_people 2"),
        (
            {"composite": "both", "outputs": (Output("x", (1, 4), role="faces"),)},
            {},
            "its outputs are not those of the decoder heatmap",
        ),
    ],
)
def test_a_model_whose_decoder_does_not_fit_a_graph_is_refused(tmp_path, changes, options, problem):
    spec = replace(pose_network(tmp_path)[0], **changes)
    with pytest.raises(ConversionError, match=problem):
        with_decoding(spec, spec.decoder, InputOptions(**options))


def test_an_input_gets_the_size_that_posezoo_run_gives_it():
    spec = open_registry().find("human-pose-estimation-0001")
    for target, shape in ((None, (1, 3, 368, 656)), (480, (1, 3, 480, 856))):
        decoding = with_decoding(spec, spec.decoder, InputOptions(target_size=target))
        assert decoding.inputs[0].shape == shape
        assert {port.shape for port in decoding.outputs} == {()}
    top_down = open_registry().find("movenet-thunder")
    with pytest.raises(ConversionError, match="movenet-thunder: its input size is fixed"):
        with_decoding(top_down, top_down.decoder, InputOptions(target_size=480))


def test_sizes_that_follow_from_the_images_stay_static_in_fp16(tmp_path):
    """As in MoveNet MultiPose, whose range in floats FP16 would give a dynamic size."""
    spec, decoder = described(
        "movenet", {"keypoints": np.zeros((1, 1, 17, 3), np.float32)}, tmp_path
    )
    image = ops.parameter([1, 3, -1, -1], np.float32, name="image")
    width = ops.convert(ops.gather(ops.shape_of(image), ops.constant(3), ops.constant(0)), "f32")
    columns = ops.range(ops.constant(np.float32(0)), width, ops.constant(np.float32(1)), "f32")
    mean = ops.reduce_mean(ops.add(image, columns), ops.constant([0, 1, 2, 3]))
    output = ops.broadcast(mean, ops.constant([1, 1, 17, 3]))
    output.output(0).set_names({"keypoints"})
    model = ov.Model([output], [image], "maps")
    model.reshape([1, 3, SIZE[1], SIZE[0]])
    graph = append_decoder(model, with_decoding(spec, decoder))
    for precision in (Precision.FP32, Precision.FP16):
        write_ir(graph, tmp_path / precision / "net.xml", precision)
    folders = (tmp_path / precision / "net.xml" for precision in (Precision.FP32, Precision.FP16))
    assert compare_with_fp32(*folders).difference == ""


def test_no_decoder_is_put_into_int8(tmp_path):
    spec, layout = pose_network(tmp_path)
    options = InputOptions(decode=True)
    with pytest.raises(ConversionError, match="INT8 is only made with the inputs and outputs"):
        resolve_model(spec, (Precision.FP16_INT8,), context_of(layout), inputs=options)


@pytest.fixture(scope="module")
def published_once(tmp_path_factory):
    """A model that is published as IR in FP32 and FP16, and where its files lie."""
    folder = tmp_path_factory.mktemp("published")
    spec, layout = pose_network(folder / "onnx", kind="brightness")
    converted = convert_model(spec, layout)
    published_at = folder / "all" / spec.subdirectory
    files = []
    for precision, xml in converted.irs.items():
        for path in (xml, xml.with_suffix(".bin")):
            name, content = f"{precision}/{spec.name}{path.suffix}", path.read_bytes()
            files.append(source_file(name, content, published_at))
            target = published_at / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
    image = replace(spec.inputs[0], reverse_input_channels=False, color=ColorOrder.BGR)
    published = replace(spec, framework=Framework.DLDT, files=tuple(files), inputs=(image,))
    return published, folder / "all"


@pytest.fixture
def published_ir(published_once, tmp_path):
    """This model, and the layout of a copy of its files."""
    published, folder = published_once
    shutil.copytree(folder, tmp_path / "all")
    return published, ModelLayout(tmp_path / "all", tmp_path / "all")


@pytest.mark.parametrize("resize", [False, True])
def test_a_published_ir_gets_its_decoder_beside_it(published_ir, resize):
    """The IR of each precision is made from the published one of that precision, which is kept."""
    published, layout = published_ir
    before = {path: path.read_bytes() for path in layout.output_dir.rglob("*") if path.is_file()}
    spec = with_decoding(published, published.decoder)
    spec = with_camera_input(spec, element_type="u8", layout="NHWC", resize=resize)
    assert [step.reason for step in plan_conversion(spec, layout).irs] == [
        "it does not exist yet"
    ] * 2
    irs = convert_model(spec, layout).irs
    assert {path: path.read_bytes() for path in before} == before
    frame = np.random.default_rng(1).integers(0, 256, (1, 64, 48, 3), np.uint8)
    for precision, xml in irs.items():
        assert xml.parts[-3:-1] == ("decoded", precision)
        original = layout.ir_path(published, precision)
        plain = exact(original)
        maps = {"heatmaps": plain(frame.transpose(0, 3, 1, 2).astype(np.float32))[0]}
        (pose,) = decode("heatmap", maps, (48, 64), convention="dark", blur=3)
        values, scores = exact(xml)(frame).values()
        assert np.abs(values[0, :, :2] - pose.keypoints[:, :2] - 0.5).max() < 1e-3
        assert scores[0] == pytest.approx(pose.score, abs=1e-5)
        record = read_json(layout.provenance_path(spec, precision))
        assert {name.partition("/")[0] for name in record["key"]["sources"]} == {precision.value}
        assert "reading the original" in record["self_check"]["reference"]
    assert all(step.is_up_to_date for step in plan_conversion(spec, layout).irs)
    assert {each.state for each in check_artifacts(published, layout)} == {"good"}
    layout.ir_path(published, Precision.FP16).with_suffix(".bin").write_bytes(b"")
    with pytest.raises(ConversionError, match=r"has 0 bytes, model\.yml declares"):
        convert_model(spec, layout, force=True, precisions=(Precision.FP16,))


def test_a_file_that_is_no_ir_gets_no_decoder(published_ir):
    published, layout = published_ir
    (xml, *others) = published.files
    content = b"x" * 5000
    xml = replace(xml, size=len(content), checksum=digest_of(content))
    (layout.model_download_dir(published) / xml.name).write_bytes(content)
    spec = with_decoding(replace(published, files=(xml, *others)), published.decoder)
    with pytest.raises(ConversionError, match="not an OpenVINO IR, but something else"):
        convert_model(spec, layout, precisions=(Precision.FP32,))


@pytest.mark.parametrize(
    ("model", "precision"),
    [
        *(
            ("person-detection-retail-0013", each)
            for each in (Precision.FP32, Precision.FP16, Precision.FP16_INT8)
        ),
        ("human-pose-estimation-0001", Precision.FP16_INT8),
        ("tf-pose-mobilenet-v2-small", Precision.FP32),
        ("movenet-singlepose-lightning-int8", Precision.FP32),
        ("pose-landmark-full-mediapipe", Precision.FP32),
    ],
)
def test_real_networks_with_their_decoders_find_the_same_people(zoo, shared, model, precision):
    spec, sizes, networks = zoo.registry.find(model), [], []
    for decodes in (False, True):
        resolved = resolve_model(spec, (precision,), zoo, inputs=InputOptions(decode=decodes))
        xml = get(resolved, zoo).irs[precision]
        sizes.append(xml.with_suffix(".bin").stat().st_size)
        networks.append(ov.Core().read_model(xml))
    assert sizes[1] - sizes[0] < 50_000  # weights in INT8 stay in INT8
    networks[0].reshape(networks[1].input(0).partial_shape)  # the size of ``posezoo run``
    plain, whole = (exact(network) for network in networks)
    is_nhwc = whole.input(0).shape[3] == 3
    height, width = whole.input(0).shape[1:3] if is_nhwc else whole.input(0).shape[2:]
    roles, found = {port.role: port.name for port in spec.outputs}, 0
    decoder = resolved.decoder.name  # of its composite, if it is a part
    options = GRAPHS.find(decoder).options
    for photo in sorted((shared / "data" / "photos").glob("*.jpg")):
        picture = cv2.resize(cv2.imread(str(photo)), (width, height))
        feed = (picture if is_nhwc else picture.transpose(2, 0, 1))[None]
        feed = feed.astype(whole.input(0).element_type.to_dtype())
        values, scores = whole([feed]).values()
        outputs = plain([feed])
        maps = {role: outputs[name if len(roles) > 1 else 0] for role, name in roles.items()}
        poses = decode(decoder, maps, (width, height), **options)
        assert np.count_nonzero(scores) == len(poses)
        for value, score, pose in zip(values, scores, poses, strict=False):
            wanted = pose.box if value.ndim == 1 else pose.keypoints
            assert np.abs(value - wanted).max() <= 0.01 and abs(score - pose.score) <= 1e-4
            assert value.ndim == 1 or np.abs(value - wanted)[:, 2].max() <= 1e-4
        found += len(poses)
    assert found >= 10
