"""Open Model Zoo's arguments become typed preprocessing; what has no place is kept, in order."""

import re

import pytest

from fakes.zoo import as_yaml
from posezoo.core.declarations import supported_mo_args
from posezoo.core.declarations.mo_args import read_arguments
from posezoo.core.declarations.model import (
    Family,
    Framework,
    Input,
    License,
    ModelSpec,
    Precision,
)
from posezoo.core.declarations.yaml_nodes import parse_yaml
from posezoo.core.errors import SpecError
from posezoo.omz.model_optimizer import refuse_unsafe_arguments, write_arguments

IMAGE = Input("image", (1, 3, 4, 6), "NCHW")
MASK = Input("mask", (1, 1, 4, 6), "NCHW")


def read(*arguments, inputs=(IMAGE,)):
    return read_arguments(parse_yaml(as_yaml(list(arguments)).encode(), "model.yml"), inputs)


@pytest.mark.parametrize(
    "text",
    [
        "image[1.5,2,3]",
        "[1.5,2,3]",
        "(1.5,2,3)",
        "image(1.5,2,3)",
        " image[ 1.5, 2 , 3 ] ",
        "image[1.50,2.0,+3e0]",
    ],
)
def test_means_are_read_in_every_form_that_is_found(text):
    (image,) = read(f"--mean_values={text}").inputs
    assert image.mean == (1.5, 2.0, 3.0)


def test_with_means_for_all_inputs_fewer_scales_go_to_the_first_ones():
    means = "--mean_values=[1,2,3],[7]"
    for arguments in ((means, "--scale_values=[2]"), ("--input=image,mask", "--scale_values=[2]")):
        image, mask = read(*arguments, inputs=(IMAGE, MASK)).inputs
        assert (image.scale, mask.scale) == ((2.0, 2.0, 2.0), ())


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (
            ["--mean_values=[1],[2]", "--scale_values=image[2]"],
            "names no inputs, and --scale_values does",
        ),
        (["--mean_values=[1]", "--scale_values=[2]"], "gives 1 sets of values .* for 2 inputs"),
        (["--input=image,mask", "--mean_values=[1],[2]", "--scale_values=[2]"], "gives 1 sets"),
    ],
)
def test_what_model_optimizer_cannot_assign_to_inputs_is_refused(arguments, problem):
    with pytest.raises(SpecError, match=problem) as refused:
        read(*arguments, inputs=(IMAGE, MASK))
    assert str(refused.value).startswith("model.yml:")


def test_inputs_of_the_older_generation_are_named_by_the_arguments():
    inputs = read("--input=a,b", "--input_shape=[1,16,19,26],(1, 2048)", inputs=()).inputs
    assert inputs == (
        Input("a", (1, 16, 19, 26), "", reshaped=True),
        Input("b", (1, 2048), "", reshaped=True),
    )


def test_frozen_values_are_read_in_the_forms_of_mo():
    kept = (("--freeze_placeholder_with_value", "a->True, b:0->[1 2.5],c->-3,d->[4, 5]"),)
    assert supported_mo_args.frozen_inputs(kept) == {
        "a": True,
        "b:0": (1.0, 2.5),
        "c": -3.0,
        "d": (4.0, 5.0),
    }


@pytest.mark.parametrize(
    ("argument", "problem"),
    [
        ("--freeze_placeholder_with_value", "expected name->value"),
        ("--freeze_placeholder_with_value=a", "expected name->value"),
        ("--freeze_placeholder_with_value=a->import os", "expected name->value"),
        ("--freeze_placeholder_with_value=a->[1 x]", "expected name->value"),
        ("--freeze_placeholder_with_value=a->1,", "expected name->value"),
        ("--data_type=INT8", "expected FP16, half, FP32 or float, got 'INT8'"),
        ("--compress_to_fp16=maybe", "takes no value, or True or False"),
        ("--static_shape=3", "takes no value, or True or False"),
        ("--saved_model_dir", "expected a folder"),
        ("--layout=image(nchw->nhw)", "does not have the letters of NCHW"),
        ("--layout=n...c...", "expected different capital letters such as NCHW, got 'N?C...'"),
    ],
)
def test_values_that_cannot_be_meant_are_told_where_they_stand(argument, problem):
    with pytest.raises(SpecError, match=rf"^model\.yml:1:3: .*{re.escape(problem)}"):
        read(argument)


def test_the_last_word_about_the_precision_counts():
    assert supported_mo_args.requested_precision(()) is None
    assert supported_mo_args.requested_precision((("--data_type", "half"),)) is Precision.FP16
    kept = (("--compress_to_fp16", ""), ("--compress_to_fp16", "False"))
    assert supported_mo_args.requested_precision(kept) is Precision.FP32


def test_what_has_no_typed_place_is_kept_in_its_order():
    kept = read(
        "--transformations_config=$mo_ext_dir/front/tf/yolo_v2.json",
        "--output=x",
        "--freeze_placeholder_with_value=input_lengths->[16]",
        "--disable_nhwc_to_nchw",
        "--tensorboard_logdir=1",
        "--tensorboard_logdir=2",
    ).kept
    assert kept == (
        ("--transformations_config", "$mo_ext_dir/front/tf/yolo_v2.json"),
        ("--freeze_placeholder_with_value", "input_lengths->[16]"),
        ("--disable_nhwc_to_nchw", ""),
        ("--tensorboard_logdir", "1"),
        ("--tensorboard_logdir", "2"),
    )


def spec_with(arguments):
    return ModelSpec(
        name="net",
        family=Family.PUBLIC,
        path=None,  # type: ignore[arg-type]
        description="",
        task="",
        framework=Framework.ONNX,
        license=License(),
        files=(),
        inputs=arguments.inputs,
        outputs=arguments.outputs,
        mo_args=arguments.kept,
        input_model=arguments.input_model,
    )


def test_the_outputs_of_an_ssd_are_kept_as_text_because_the_ir_has_another_one():
    config = "--transformations_config=$mo_dir/extensions/front/tf/ssd_v2_support.json"
    pipeline = "--tensorflow_object_detection_api_pipeline_config=$dl_dir/net/pipeline.config"
    output = "--output=detection_scores,detection_boxes,num_detections"
    meaning = read(output, config, pipeline, inputs=())
    assert meaning.outputs == ()
    assert write_arguments(spec_with(meaning)) == (output, config, pipeline)
    refuse_unsafe_arguments(spec_with(meaning))  # Model Optimizer itself gets them
    assert len(read(output, config, inputs=()).outputs) == 3


def test_a_value_may_be_the_next_item_as_people_type_it():
    apart = read(
        "--input",
        "image",
        "--mean_values",
        "image[1,2,3]",
        "-s",
        "2",
        "--reverse_input_channels",
        "-m",
        "n.onnx",
    )
    together = read(
        "--input=image",
        "--mean_values=image[1,2,3]",
        "-s=2",
        "--reverse_input_channels",
        "-m=n.onnx",
    )
    assert apart == together
    with pytest.raises(SpecError, match="--input needs a value"):
        read("--input", "--reverse_input_channels")


def test_types_of_inputs_are_written_as_they_are_read(tmp_path):
    from fakes.network import network, spec_of

    inputs = read("--input=image{u8}", "--layout=image(nchw->nhwc)").inputs
    spec = spec_of(network("onnx"), tmp_path, inputs=inputs)
    assert read(*write_arguments(spec)).inputs == inputs


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("image{u9}", "expected a type such as"),
        ("image[1,3", "expected names of inputs"),
        ("image->", "expected names of inputs"),
        ("image->import os", "expected names of inputs"),
        ("image->x", "expected name->value"),
        ("image[8..1,3]", "8..1 contains no size"),
    ],
)
def test_a_form_of_an_input_that_cannot_be_meant_is_refused_with_its_place(text, problem):
    with pytest.raises(SpecError, match=problem) as refused:
        read(f"--input={text}", inputs=())
    assert str(refused.value).startswith("model.yml:1:3: ")


def test_shapes_are_given_in_one_place():
    with pytest.raises(SpecError, match="gives shapes, and so does --input"):
        read("--input=image[1,3,8,8]", "--input_shape=[1,3,8,8]", inputs=())
