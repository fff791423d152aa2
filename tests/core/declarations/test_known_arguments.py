"""Arguments that neither Model Optimizer nor the step to ONNX knows are errors at their place, with the nearest name."""

import pytest

from fakes.zoo import as_yaml, omz_yml, write_model
from posezoo.core.declarations.mo_args import read_arguments, read_export_arguments, values_by_flag
from posezoo.core.declarations.model import Input
from posezoo.core.declarations.yaml_nodes import parse_yaml
from posezoo.core.errors import SpecError
from posezoo.core.registry import Registry

IMAGE = Input("image", (1, 3, 4, 6), "NCHW")


def read(*arguments):
    return read_arguments(parse_yaml(as_yaml(list(arguments)).encode(), "model.yml"), (IMAGE,))


def read_export(*arguments):
    return read_export_arguments(parse_yaml(as_yaml(list(arguments)).encode(), "model.yml"))


@pytest.mark.parametrize(
    ("argument", "problem", "hint"),
    [
        ("--inputmodel=net.onnx", "--inputmodel is no argument", "did you mean --input_model?"),
        ("--scal=2", "--scal is no argument", "did you mean --scale_values or --scale?"),
        ("--zzz=1", "--zzz is no argument", "known: --input_model, "),
        ("--keep_shape_ops=3", "--keep_shape_ops: takes no value", ""),
        ("--tensorboard_logdir", "--tensorboard_logdir needs a value", ""),
        (
            "--input_model=$dldir/net.onnx",
            "--input_model: no such variable: $dldir",
            "did you mean $dl_dir?",
        ),
    ],
)
def test_an_argument_that_model_optimizer_does_not_know_is_an_error_at_its_place(
    argument, problem, hint
):
    with pytest.raises(SpecError) as refused:
        read("--output=x", argument)
    assert str(refused.value).startswith("model.yml:2:3: [1]: ")
    assert problem in refused.value.problem
    assert hint in refused.value.hint


@pytest.mark.parametrize(
    ("argument", "problem", "hint"),
    [
        ("--model=a", "--model is no argument", "did you mean --model-name, --model-path or"),
        ("--zzz=a", "--zzz is no argument", "known: --model-name, "),
        ("--output-names", "--output-names needs a value", ""),
        # Open Model Zoo's converter replaces it in Model Optimizer's arguments alone.
        ("--model-path=$home", "no such variable: $home", "known: $dl_dir, "),
        ("--model-path=$mo_dir", "no such variable: $mo_dir", "did you mean $conv_dir?"),
    ],
)
def test_an_argument_that_the_step_to_onnx_does_not_know_is_an_error_at_its_place(
    argument, problem, hint
):
    with pytest.raises(SpecError) as refused:
        read_export("--model-name=Net", argument)
    assert str(refused.value).startswith("model.yml:2:3: [1]: ")
    assert problem in refused.value.problem
    assert hint in refused.value.hint


@pytest.mark.parametrize(
    ("argument", "whole"),
    [
        ("--mean_v=[1,2,3]", "--mean_values=[1,2,3]"),
        ("-ms=[1,2,3]", "--mean_values=[1,2,3]"),
        ("--reverse_input_chan", "--reverse_input_channels"),
        ("--input_meta=$dl_dir/net.meta", "--input_meta_graph=$dl_dir/net.meta"),
        # Unambiguous in the last release, although an older one had --input_symbol, too.
        ("--input_s=[1,3,4,6]", "--input_shape=[1,3,4,6]"),
        ("--tensorflow_use_custom_operations_config=x.json", "--transformations_config=x.json"),
    ],
)
def test_an_abbreviation_and_a_short_name_are_the_whole_name(argument, whole):
    assert read(argument) == read(whole)


def test_arguments_of_the_step_to_onnx_are_kept_by_their_whole_names():
    arguments = read_export("--input-shape=1,3", "--opset=9", "--model-param= a=1 ", "--weights=w")
    assert arguments == (
        "--input-shapes=1,3",
        "--opset_version=9",
        "--model-param=a=1",
        "--weights=w",
    )
    assert values_by_flag((*arguments, "--model-param=b=2"))["--model-param"] == ["a=1", "b=2"]


def test_a_model_with_an_unknown_argument_is_read_by_no_command(tmp_path):
    path = write_model(tmp_path / "models", "net", omz_yml(model_optimizer_args=["--ouput=x"]))
    with pytest.raises(SpecError, match="--ouput is no argument of Model Optimizer") as refused:
        Registry([tmp_path / "models"]).find("net")
    lines = path.read_text("utf-8").splitlines()
    assert lines[refused.value.line - 1][refused.value.column - 1 :] == "--ouput=x"
