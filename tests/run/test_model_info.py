"""What model_info says is true, for every built-in model and whatever flags change."""

from dataclasses import replace

import pytest
import yaml

from fakes.model_api import FRAMES, SIMCC, SIZE, convert_simcc, simcc_network, simcc_spec
from fakes.own_registry import own_registry
from fakes.soak import soak_repeated
from posezoo.core.declarations.model import (
    OWN_CHECKPOINT,
    ColorOrder,
    Decoder,
    Framework,
    Input,
    Output,
)
from posezoo.core.ir import ir_writer
from posezoo.core.ir.ir_writer import MODEL_INFO
from posezoo.core.ir.openvino_import import import_openvino
from posezoo.export.decoded import with_decoding
from posezoo.run.model_info import build_model_info
from posezoo.run.model_procs import find_labels, find_model_proc

IMAGE = Input("image", (1, 3, 256, 192), "NCHW", color=ColorOrder.BGR)


def info_of(spec, decoder):
    """What the IR of a model says whose network has the declared outputs."""
    return build_model_info({output.name: output.shape for output in spec.outputs}, spec, decoder)


def written_in(xml):
    model = import_openvino().Core().read_model(xml)
    return {
        name: value.value for name, value in model.get_rt_info([MODEL_INFO]).astype(dict).items()
    }


def model_with(decoder, tmp_path, *outputs, **changes):
    fields = {"inputs": (IMAGE,), "outputs": outputs, "decoder": decoder, "skeleton": "", **changes}
    return simcc_spec(tmp_path, simcc_network(), **fields)


# --- every model


REGISTRY = own_registry()
OWN = {spec.full_name: spec for names in (None, ["*@*"]) for spec in REGISTRY.select(names).models}
#: It finds no poses: mp.solutions.holistic finds the crop of a hand with it.
del OWN["hand-recrop"]


def decoder_of(spec):
    return spec.decoder or (REGISTRY.find(spec.composite).decoder if spec.composite else None)


def one_of_each_kind(models):
    """Models of one decoder whose inputs are alike say the same: the first of them is tried each time."""

    def kind(name):
        spec = models[name]
        image = spec.inputs[0]
        return (
            repr(decoder_of(spec)),
            image.layout,
            image.color,
            image.reverse_input_channels,
            spec.skeleton,
        )

    return soak_repeated(map(pytest.param, models), kind)


@pytest.mark.parametrize("name", one_of_each_kind(OWN))
def test_no_built_in_model_asks_for_a_step_that_its_ir_does_itself(name):
    spec = OWN[name]
    info = info_of(spec, decoder_of(spec))
    assert not info.keys() & {"mean_values", "scale_values", "intensity_mode"}
    reader_gives = "RGB" if info["reverse_input_channels"] == "True" else "BGR"
    assert reader_gives == info["color_space"] == spec.inputs[0].ir_color
    assert info["resize_type"] in ("standard", "fit_to_window", "fit_to_window_letterbox")
    assert " " not in info.get("model_type", "")


def test_what_the_kinds_of_built_in_models_say():
    said = {name: info_of(spec, decoder_of(spec)) for name, spec in OWN.items()}
    types = {name: info["model_type"] for name, info in said.items() if "model_type" in info}
    decoders = {name: decoder_of(spec) for name, spec in OWN.items()}
    one_person = {name for name, each in decoders.items() if each and each.name == "heatmap"}
    one_person = {name for name in one_person if not name.startswith("pp-tinypose")}  # two outputs
    of_bins = {name for name, each in decoders.items() if each and each.name == "simcc"}
    of_bins.remove("rtmw3d-x")  # it has a third output
    assert types == {
        "person-detection-retail-0013": "ssd",
        "human-pose-estimation-0001": "keypoints_openpose",
        **dict.fromkeys(one_person, "keypoints_hrnet"),
        **dict.fromkeys(of_bins, "keypoint_detection"),
    }
    assert said["movenet-multipose"]["resize_type"] == "fit_to_window"
    assert said["lightweight-openpose-mobilenet-v1"]["pad_value"] == "128"
    assert said["alpha_pose_resnet101_v1b_coco"]["pad_value"] == "114"
    assert said["person-detection-retail-0013"]["labels"] == "background person"
    assert said["person-detection-retail-0013"]["resize_type"] == "standard"
    assert said["nanodet-g"]["resize_type"] == "fit_to_window_letterbox"
    assert said["pose-landmark-full-mediapipe"]["labels"].split()[-1] == "right_foot_index"
    assert "labels" not in said["pose-detection-mediapipe"]  # it finds regions, not landmarks


# --- what flags change


def test_simcc_with_another_number_of_bins_has_no_wrapper(tmp_path):
    bins = tuple(
        Output(f"simcc_{axis}", (1, 17, 3 * side), role=f"simcc_{axis}")
        for axis, side in zip("xy", SIZE, strict=True)
    )
    assert "model_type" not in info_of(
        model_with(SIMCC, tmp_path, *bins), Decoder("simcc", {"split": 3})
    )
    # x must be first.
    assert info_of(model_with(SIMCC, tmp_path, *bins[::-1]), SIMCC).get("model_type") is None


def test_an_ir_with_its_decoder_names_keypoints_but_no_wrapper(tmp_path):
    info = written_in(convert_simcc(tmp_path, decodes=True))
    assert info.keys() & {"model_type", "model_type_dlstreamer", "apply_softmax"} == set()
    assert info["labels"].split()[0] == "nose"
    assert info["resize_type"] == "fit_to_window_letterbox"


def test_an_ir_that_resizes_says_so(tmp_path):
    info = written_in(convert_simcc(tmp_path, camera={**FRAMES, "resize": True}))
    assert (info["embedded_processing"], info["orig_height"], info["orig_width"]) == (
        "True",
        "256",
        "192",
    )
    assert (info["resize_type"], info["reshape"]) == ("standard", "256 192")


def test_nothing_is_said_about_a_model_of_which_nothing_is_known(tmp_path):
    assert info_of(model_with(SIMCC, tmp_path, inputs=(replace(IMAGE, color=None),)), None) == {}


def test_a_declared_model_info_is_used_instead_of_ours_without_the_steps_that_the_ir_does(tmp_path):
    declared = {
        "model_type": "other",
        "mean_values": (1.0, 2.0, 3.0),
        "scale_values": (4.0,),
        "pad_value": 9,
    }
    spec = model_with(SIMCC, tmp_path, model_info=declared)
    assert info_of(spec, SIMCC) == declared
    prepared = replace(spec, inputs=(replace(IMAGE, mean=(1.0, 2.0, 3.0)),))
    assert info_of(prepared, SIMCC).keys() == declared.keys() - {"mean_values"}
    own = simcc_spec(tmp_path, simcc_network(), model_info=declared)
    assert info_of(with_decoding(own, SIMCC), SIMCC).get("model_type") is None


@pytest.mark.parametrize(
    "name, size, labels",
    [
        ("alexnet-like", 1000, ""),  # nobody says which classes these are
        ("resnet-50-pytorch", 1000, "tench goldfish great_white_shark"),
        ("mobilenet-v1-1.0-224-tf", 1001, "background tench goldfish"),
        ("resnet-50-tf", 10, ""),  # another model of this name
        ("yolo-v3-tf", 255, "person bicycle car"),
        ("aclnet", 53, "Dog Rooster Pig Cow Frog Cat Hen Insects_(flying)"),
        ("age-gender-recognition-retail-0013", 2, "Female Male age/100"),
    ],
)
def test_the_classes_of_known_models_are_named_as_words(tmp_path, name, size, labels):
    spec = model_with(SIMCC, tmp_path, Output("prob", (1, size)), name=name)
    words = info_of(spec, None).get("labels", "").split(" ")
    assert " ".join(words[: labels.count(" ") + 1]) == labels
    assert not {",", ";"} & {*"".join(words)}
    retrained = replace(spec, checkpoint=OWN_CHECKPOINT)
    assert "labels" not in info_of(retrained, None)


#: By the data set of accuracy-check.yml: how many classes a model has, with the first of them.
DATA_SETS = {
    "imagenet_1000_classes": (1000, "tench"),
    "imagenet_1001_classes": (1001, "background"),
    "ms_coco_detection_80_class_without_background": (80, "person"),
    "ms_coco_detection_80_class_with_background": (81, "background"),
    "ms_coco_detection_90_class_without_background": (91, "person"),
    "ms_coco_detection_91_classes": (92, "background"),
    "VOC2007_detection": (21, "background"),
}


def test_the_classes_of_other_models_are_those_that_open_model_zoo_measures_them_with(
    shared, tmp_path
):
    spec = model_with(SIMCC, tmp_path, Output("prob", (1, 1000)))
    seen = set()
    for path in (shared / "data" / "omz-2021.4" / "models").glob("*/*/accuracy-check.yml"):
        name = path.parent.name
        named = find_labels(replace(spec, name=name), ())
        if not named or find_model_proc(name) is not None:
            continue
        data_set = yaml.safe_load(path.read_text())["models"][-1]["datasets"][0]["name"]
        count, first = DATA_SETS[data_set]
        labels = find_labels(replace(spec, name=name), [(1, count)])
        assert (len(labels), labels[0]) == (count, first), name
        seen.add(data_set)
    assert seen == {*DATA_SETS}


def test_the_int8_of_a_published_ir_keeps_the_description_of_its_publisher(tmp_path):
    network = import_openvino().Core().read_model(convert_simcc(tmp_path))
    network.set_rt_info({"model_type": "theirs"}, [MODEL_INFO])
    spec = simcc_spec(tmp_path, simcc_network())
    ir_writer.prepare_for_writing(network, replace(spec, framework=Framework.DLDT), SIMCC)
    assert network.get_rt_info([MODEL_INFO]).value == {"model_type": "theirs"}
    ir_writer.prepare_for_writing(network, spec, SIMCC)
    assert network.get_rt_info([MODEL_INFO, "model_type"]).value == "keypoint_detection"
