"""The decoder of an IR comes from its metadata, else from its outputs, else an error names them."""

import re
from dataclasses import replace

import numpy as np
import pytest

from fakes.irs import write_ir
from fakes.loaded_irs import load_ir
from fakes.own_registry import own_registry
from fakes.plugin_package import plugin_package
from posezoo.core.declarations.model import Decoder, PairLimits, People
from posezoo.core.declarations.skeleton import LimbField, Skeleton
from posezoo.core.declarations.skeletons import SKELETONS
from posezoo.core.errors import DecoderError, InferenceError
from posezoo.core.ir.people_metadata import describe_people
from posezoo.poses.decoders import DECODERS, find_decoder
from posezoo.run.runtime.decoder_matching import describe_ir
from posezoo.run.runtime.graph import Graph
from posezoo.run.runtime.pipelines import find_pipeline
from posezoo.run.runtime.runtime_config import LoadOptions

pytest.importorskip("cv2")
opset13 = pytest.importorskip("openvino.opset13")

PLUGIN = """
import numpy as np
from dataclasses import dataclass
from posezoo.poses.decoder_type import DecoderType
from posezoo.poses.keypoints import Pose
from posezoo.core.declarations.model import Output

@dataclass(frozen=True)
class Options:
    pass

def decode(maps, size, options):
    return [Pose(np.zeros((0, 3), np.float32), "box", float(maps["mean"].mean()), (0, 0, *size))]

DECODER = DecoderType(
    networks=((Output("", (1, 3), role="mean"),),),
    options=Options,
    decode=decode,
    pipeline="posezoo.run.runtime.network_pipeline:DetectorPipeline",
    rules=({"mean": lambda name, shape: shape == (1, 3)},),
)
"""

OPENPOSE = {"L1": (1, 38, 8, 12), "L2": (1, 19, 8, 12)}
MAPS = {"heatmaps": (1, 17, 64, 48)}
EMBEDDINGS = {"heatmaps": (1, 17, 32, 48), "embeddings": (1, 17, 32, 48)}


@pytest.mark.parametrize(
    ("outputs", "decoder", "roles"),
    [
        (OPENPOSE, "openpose", {"L2": "heatmaps", "L1": "pafs"}),
        (
            {"L1": (1, 38, 32, 38), "L2": (1, 19, 32, 38)},
            "openpose",
            {"L2": "heatmaps", "L1": "pafs"},
        ),
        (
            {"L1": (1, 32, 19, 38), "L2": (1, 32, 19, 19)},
            "openpose",
            {"L2": "heatmaps", "L1": "pafs"},
        ),
        (
            {"xyz": (1, 57, 32, 57), "heat": (1, 19, 32, 57), "pafs": (1, 38, 32, 57)},
            "lifting_3d",
            {"xyz": "coordinates", "heat": "heatmaps", "pafs": "pafs"},
        ),
        ({"both": (1, 19, 12, 57)}, "openpose", {"both": "heatmaps_and_pafs"}),
        ({"both": (1, 57, 8, 12)}, "openpose", {"both": "heatmaps_and_pafs"}),
        ({"both": (1, 8, 12, 57)}, "openpose", {"both": "heatmaps_and_pafs"}),
        (EMBEDDINGS, "associative_embedding", {"heatmaps": "heatmaps", "embeddings": "embeddings"}),
        (
            {"heatmaps": (1, 17, 32, 48), "embeddings": (1, 17, 32, 48, 1)},
            "associative_embedding",
            {"heatmaps": "heatmaps", "embeddings": "embeddings"},
        ),
        (
            {**EMBEDDINGS, "nms_heatmaps": (1, 17, 32, 48)},
            "associative_embedding",
            {"heatmaps": "heatmaps", "embeddings": "embeddings"},
        ),
        ({"out": (1, 1, 17, 3)}, "movenet", {"out": "keypoints"}),
        ({"out": (1, 17, 16, 12)}, "heatmap", {"out": "heatmaps"}),
        (
            {"dets": (1, 1, 5), "keypoints": (1, 1, 17, 3)},
            "rtmo",
            {"dets": "dets", "keypoints": "keypoints"},
        ),
    ],
)
def test_the_outputs_tell_the_decoder(tmp_path, outputs, decoder, roles):
    spec, _ = describe_ir(Graph(write_ir(tmp_path / "net.xml", outputs)))
    assert spec.decoder.name == decoder
    assert {output.name: output.role for output in spec.outputs if output.role} == roles


def test_a_skeleton_with_fields_names_the_decoder_of_heatmaps_and_pafs(tmp_path):
    outputs = {"1_heatmaps": (1, 3, 8, 12), "0_pafs": (1, 2, 8, 12)}
    arm = Skeleton("arm", ("elbow", "wrist"), limbs=((0, 1),), fields=(LimbField((0, 1), 0),))
    xml = write_ir(tmp_path / "net.xml", outputs)
    estimator = load_ir(xml, options=LoadOptions(skeleton=arm))
    assert estimator.decoder == "openpose" and estimator.model.skeleton == "arm"
    with pytest.raises(DecoderError, match="no decoder is known for its outputs"):
        load_ir(xml, options=LoadOptions(skeleton=replace(arm, fields=())))


def test_the_skeleton_of_a_model_that_an_ir_is_like_is_that_of_its_keypoints(tmp_path):
    arm = Skeleton("arm", ("elbow", "wrist"))
    xml = write_ir(tmp_path / "net.xml", {"out": (1, 2, 16, 12)}, states_images=False)
    declared = Decoder("heatmap", skeleton=arm)
    spec, _ = describe_ir(
        Graph(xml), like=replace(own_registry().find("hrnet-w32"), decoder=declared)
    )
    assert spec.decoder.skeleton == arm


@pytest.mark.parametrize(
    ("outputs", "decoders"),
    [
        ({"maps": (1, 6, 64, 48)}, ["heatmap"]),
        ({"out": (1, 21, 3)}, ["yolox", "yolo_pose", "coordinates"]),
        ({"classes": (1, 1000)}, ["coordinates", "classification"]),
        ({"picture": (1, 3, 256, 192)}, []),
    ],
)
def test_outputs_that_no_decoder_is_known_for_name_the_commands_whose_shapes_fit(
    tmp_path, outputs, decoders
):
    xml = write_ir(tmp_path / "net.xml", outputs, image=(1, 3, 256, 192))
    with pytest.raises(DecoderError, match="no decoder is known for its outputs") as caught:
        describe_ir(Graph(xml))
    assert re.findall(r"--decoder (\w+)", caught.value.hint) == decoders
    assert caught.value.fitting == ""
    with pytest.raises(DecoderError, match="simcc needs") as caught:
        describe_ir(Graph(xml), "simcc")
    assert re.findall(r"--decoder (\w+)", caught.value.hint) == decoders


def test_a_skeleton_names_the_keypoints_of_a_yolo_pose_without_metadata(tmp_path):
    xml = write_ir(tmp_path / "net.xml", {"out": (1, 68, 8400)})
    hand = SKELETONS["hand-21"]
    assert load_ir(xml, options=LoadOptions(skeleton=hand)).decoder == "yolo_pose"
    for skeleton in (None, SKELETONS["palm-7"]):
        with pytest.raises(DecoderError, match="no decoder is known for its outputs"):
            load_ir(xml, options=LoadOptions(skeleton=skeleton))


KEYPOINT_RCNN = {"a": (1, 4), "b": (1,), "c": (1,), "d": (1, 17, 3), "e": (1, 17)}
SIDES = (40, 20, 10)
HEADS = {f"map{side}": (1, side, side, 5) for side in SIDES}
HEADS_BY_KIND = {
    **{f"classes{side}": (1, 80, side, side // 2) for side in SIDES},
    **{f"boxes{side}": (1, 4, side, side // 2) for side in SIDES},
}
YOLO_NAS = {"num": (1, 1), "boxes": (1, 1, 4), "scores": (1, 1), "joints": (1, 1, 17, 3)}


@pytest.mark.parametrize(
    ("outputs", "name"),
    [
        (KEYPOINT_RCNN, "Keypoint R-CNN"),
        (YOLO_NAS, "YOLO-NAS-pose"),
        ({"graph2_flat_predictions": (1, 57)}, "YOLO-NAS-pose"),
        ({"heatmap": (1, 17, 64, 48), "locref": (1, 34, 64, 48)}, "DeepLabCut"),
        (HEADS, "a detector such as RTMDet without its last step"),
        ({"map": (1, 40, 40, 5)}, "a detector such as RTMDet without its last step"),
        (HEADS_BY_KIND, "a detector such as RTMDet without its last step"),
        ({"out": (1, 1, 17, 3), "boxes": (1, 1, 4)}, ""),
    ],
)
def test_outputs_that_no_decoder_reads_are_refused_by_name(tmp_path, outputs, name):
    graph = Graph(write_ir(tmp_path / "net.xml", outputs))
    message = f"they are those of {name}.*, which posezoo does not read" if name else "no decoder"
    with pytest.raises(DecoderError, match=message) as caught:
        describe_ir(graph)
    assert ("MMDeploy" in caught.value.hint) == ("RTMDet" in name)


def test_outputs_of_whole_numbers_of_8_bits_are_refused(tmp_path):
    """Those of a TFLite with such inputs and outputs: its IR does not have their scale."""
    graph = Graph(write_ir(tmp_path / "net.xml", {"out": (1, 56, 8400)}))
    result = graph.model.outputs[0].node
    whole = opset13.convert(result.input_value(0), "i8")
    result.input(0).replace_source_output(whole.output(0))
    graph.model.validate_nodes_and_infer_types()
    with pytest.raises(DecoderError, match="out has whole numbers of 8 bits") as caught:
        describe_ir(graph)
    assert "integer_quant.tflite" in caught.value.hint


@pytest.mark.parametrize(
    ("info", "decoder", "options"),
    [
        (
            {("posezoo", "decoder"): "openpose", ("posezoo", "decoder_options"): '{"upsample": 4}'},
            "openpose",
            {"upsample": 4},
        ),
        ({("model_info", "model_type"): "OpenPose"}, "openpose", {}),
        ({("posezoo", "decoder"): "of the year 2040"}, "openpose", {}),
    ],
)
def test_the_metadata_of_an_ir_come_first(tmp_path, info, decoder, options):
    spec, _ = describe_ir(Graph(write_ir(tmp_path / "net.xml", OPENPOSE, info=info)))
    assert spec.decoder.name == decoder and spec.decoder.options == options


def pipeline_info(**facts):
    return {("posezoo", "pipeline", name): value for name, value in facts.items()}


def test_an_ir_states_the_limits_with_each_detector(tmp_path):
    people = People("mine", "mine", detectors={"mine": PairLimits(0.35, 0.15), "b": PairLimits()})
    info = pipeline_info(**describe_people(people))
    spec, _ = describe_ir(Graph(write_ir(tmp_path / "net.xml", MAPS, info=info)))
    assert spec.people == people


@pytest.mark.parametrize(
    ("color", "is_reversed", "mean"),
    [
        ("BGR", "false", (1, 2, 3)),
        ("BGR", "true", (3, 2, 1)),
        ("RGB", "false", (3, 2, 1)),
        ("RGB", "true", (1, 2, 3)),
    ],
)
def test_an_ir_says_which_mean_color_it_subtracts(tmp_path, color, is_reversed, mean):
    info = {"model": "net", "mean": "1 2 3", "color": color, "reverse_input_channels": is_reversed}
    xml = write_ir(tmp_path / "net.xml", MAPS, info={("posezoo", k): v for k, v in info.items()})
    _, description = describe_ir(Graph(xml))
    assert description.own_mean == mean


def test_a_decoder_that_does_not_fit_names_its_outputs_and_the_fitting_decoder(tmp_path):
    xml = write_ir(tmp_path / "net.xml", EMBEDDINGS)
    problem = (
        "openpose needs 19 heatmaps and 38 part affinity fields; the IR has"
        " heatmaps 1x17x32x48 and embeddings 1x17x32x48"
    )
    with pytest.raises(DecoderError, match=problem) as caught:
        load_ir(xml, "openpose")
    assert (caught.value.decoder, caught.value.fitting) == ("openpose", "associative_embedding")
    assert "associative_embedding" in caught.value.hint


def test_an_unknown_decoder_is_reported(tmp_path):
    with pytest.raises(InferenceError, match="no decoder is called openpos"):
        load_ir(write_ir(tmp_path / "net.xml", OPENPOSE), "openpos")


def score_of_grey(estimator, value=102):
    """What the network saw, after the preprocessing, over 255."""
    (pose,) = estimator(np.full((64, 96, 3), value, np.uint8))
    return pose.score


MOVENET = {"out": (1, 1, 17, 3)}


def test_model_info_defines_the_preprocessing_unless_the_caller_overrides_it(tmp_path):
    info = {
        ("model_info", "mean_values"): "51 51 51",
        ("model_info", "scale_values"): "0.5 0.5 0.5",
    }
    xml = write_ir(tmp_path / "net.xml", MOVENET, info=info)
    assert score_of_grey(load_ir(xml)) == pytest.approx(0.4)
    assert score_of_grey(load_ir(xml, options=LoadOptions(mean=[0]))) == pytest.approx(0.8)
    assert score_of_grey(load_ir(xml, options=LoadOptions(mean=[0], scale=[1.0]))) == pytest.approx(
        0.4
    )
    assert score_of_grey(
        load_ir(xml, options=LoadOptions(mean=[0, 51, 102], scale=[1]))
    ) == pytest.approx(0.2)
    done = {**info, ("model_info", "embedded_processing"): "True"}
    assert score_of_grey(
        load_ir(write_ir(tmp_path / "done.xml", MOVENET, info=done))
    ) == pytest.approx(0.4)


def test_channels_are_reversed_if_requested(tmp_path):
    """A mean of each channel's own makes the order show: blue is 0, red 102."""
    xml = write_ir(tmp_path / "net.xml", MOVENET)
    image = np.zeros((64, 96, 3), np.uint8)
    image[..., 2] = 204
    means = {"mean": [0.0, 0.0, 51.0], "scale": [1.0, 1.0, 2.0]}
    as_it_is, turned = (
        load_ir(xml, options=LoadOptions(reverse_input_channels=reverse, **means))(image)[0].score
        for reverse in (False, True)
    )
    assert as_it_is == pytest.approx((204 - 51) / 2 / 3 / 255, abs=1e-4)
    assert turned == pytest.approx((204 - 25.5) / 3 / 255, abs=1e-4)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"mean": [1, 2]}, "input image does not fit the preprocessing"),
        ({"scale": [1, 0, 1]}, "cannot be normalized by mean \\(\\) and scale \\(1, 0, 1\\)"),
        ({"mean": [float("nan")]}, "cannot be normalized by mean \\(nan,\\)"),
        ({"layout": "NCWH"}, "layout: expected NCHW or NHWC"),
        ({"layout": "NHWC"}, "its input image, 1x3x64x96, takes no images of three colors as NHWC"),
    ],
)
def test_preprocessing_that_does_not_fit_the_network_is_an_error_of_one_line(
    tmp_path, options, problem
):
    xml = write_ir(tmp_path / "net.xml", OPENPOSE)
    with pytest.raises(InferenceError, match=problem) as caught:
        load_ir(xml, options=LoadOptions(**options))
    assert "\n" not in str(caught.value)


def test_a_network_that_takes_batches_is_asked_once(tmp_path):
    """The small network multiplies by how many images it sees at once."""
    estimator = load_ir(write_ir(tmp_path / "net.xml", MOVENET, image=(-1, 3, 64, 96)))
    images = [np.full((64, 96, 3), value, np.uint8) for value in (51, 102)]
    assert [pose.score for (pose,) in estimator.batch(images)] == pytest.approx([0.4, 0.8])
    assert [estimator(image)[0].score for image in images] == pytest.approx([0.2, 0.4])
    assert estimator.batch([]) == []


@pytest.mark.parametrize("name", DECODERS.builtin)
def test_every_decoder_names_a_pipeline(name):
    assert isinstance(find_pipeline(find_decoder(name).pipeline), type)


def test_a_decoder_of_an_installed_package_is_recognized_and_runs(tmp_path):
    """It takes the mean of a map as the score of its only pose."""
    with plugin_package(tmp_path, "posezoo.decoders: mean = meanposes:DECODER", meanposes=PLUGIN):
        estimator = load_ir(write_ir(tmp_path / "net.xml", {"mean": (1, 3)}))
        assert estimator.decoder == "mean"
        (pose,) = estimator(np.full((64, 96, 3), 102, np.uint8))
        assert pose.score == pytest.approx(102 / 255, abs=0.01)
