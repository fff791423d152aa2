"""Open Model Zoo's arguments become typed preprocessing; what has no place is kept, in order."""

import re
from dataclasses import replace

import pytest

from fakes.zoo import as_yaml
from posezoo.core.declarations import supported_mo_args
from posezoo.core.declarations.inputs_outputs import with_full_layouts
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


def test_values_with_names_go_to_their_inputs_alone():
    image, mask = read("--mean_values=mask[7],image[1,2,3]", inputs=(IMAGE, MASK)).inputs
    assert image.mean == (1.0, 2.0, 3.0)
    assert mask.mean == (7.0,)


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


def test_channels_are_reversed_where_there_are_three():
    image, mask = read("--reverse_input_channels", inputs=(IMAGE, MASK)).inputs
    assert image.reverse_input_channels
    assert not mask.reverse_input_channels
    assert image.color is None
    assert image.ir_color is None


def test_inputs_of_the_older_generation_are_named_by_the_arguments():
    inputs = read("--input=a,b", "--input_shape=[1,16,19,26],(1, 2048)", inputs=()).inputs
    assert inputs == (
        Input("a", (1, 16, 19, 26), "", reshaped=True),
        Input("b", (1, 2048), "", reshaped=True),
    )


def test_inputs_without_a_name_are_counted_by_their_shapes():
    assert read("--input_shape=[1,4,8,8]", inputs=()).inputs == (
        Input("", (1, 4, 8, 8), "", reshaped=True),
    )
    (image,) = read("--mean_values=[1,2,3]", inputs=()).inputs
    assert image == Input("", (), "", mean=(1.0, 2.0, 3.0))


def test_input_names_choose_among_the_declared_ones_and_set_their_order():
    assert read("--input=mask,image", inputs=(IMAGE, MASK)).inputs == (MASK, IMAGE)
    assert read("--input=mask", inputs=(IMAGE, MASK)).inputs == (MASK,)


@pytest.mark.parametrize(
    "text", ["image(NCHW)", "nchw", "image(n,c,h,w)", "[nchw]", "image(nchw->nchw)"]
)
def test_layouts_are_read_in_the_forms_of_mo(text):
    arguments = read(f"--layout={text}", inputs=(Input("image", (1, 3, 4, 6), ""),))
    assert arguments.inputs == (IMAGE,)
    assert arguments.kept == ()


def test_another_layout_for_the_ir_is_told_from_the_networks():
    (image,) = read("--layout=image(nhwc->nchw)", inputs=(Input("image", (1, 4, 6, 3), ""),)).inputs
    assert (image.layout, image.ir_layout) == ("NHWC", "NCHW")
    assert (image.shape, image.ir_shape) == ((1, 4, 6, 3), (1, 3, 4, 6))


@pytest.mark.parametrize(
    ("text", "layouts"),
    [
        ("n...", ("N???", "")),
        ("nc...", ("NC??", "")),
        ("...hw", ("??HW", "")),
        ("nchw...", ("NCHW", "")),
        ("nc...->nhwc", ("NCHW", "NHWC")),
        ("nchw->n...c", ("NCHW", "NHWC")),
        ("nc...->n...c", ("NCEF", "NEFC")),
        ("nc...->nc...", ("NC??", "")),
    ],
)
def test_three_dots_in_a_layout_stand_for_the_other_dimensions(text, layouts):
    sized, unsized = Input("image", (1, 3, 4, 6), ""), Input("image", (), "")
    (image,) = read(f"--layout={text}", inputs=(sized,)).inputs
    assert (image.layout, image.to_layout) == layouts
    (image,) = read(f"--layout={text}", inputs=(unsized,)).inputs
    assert with_full_layouts(image, rank=4) == replace(
        image, layout=layouts[0], to_layout=layouts[1]
    )


def test_an_input_that_is_frozen_is_none_any_more():
    read_once = read(
        "--input=image,training", "--freeze_placeholder_with_value=training->False", inputs=()
    )
    assert [port.name for port in read_once.inputs] == ["image"]
    assert supported_mo_args.frozen_inputs(read_once.kept) == {"training": False}


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


def test_layouts_of_several_inputs_are_told_apart():
    bare = (Input("a", (1, 3, 4, 6), ""), Input("b", (1, 7), ""))
    assert [port.layout for port in read("--layout=a(nchw),b(nc)", inputs=bare).inputs] == [
        "NCHW",
        "NC",
    ]
    assert [port.layout for port in read("--layout=nchw,nc", inputs=bare).inputs] == ["NCHW", "NC"]


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
