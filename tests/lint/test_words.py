"""Each closed vocabulary of model.yml: a misspelt word is an error at its line and column, with the nearest word."""

import pytest

from fakes.command import json_of, posezoo
from fakes.zoo import write_model

#: A model in Open Model Zoo's form.
THEIRS = f"""description: A small model.
task_type: human_pose_estimation
files:
  - name: net.zip
    size: 3
    checksum: '{"0" * 96}'
    source: https://models.invalid/net.zip
  - name: net.py
    size: 3
    checksum: '{"1" * 96}'
    original_source:
      $type: google_drive
      id: 1V9Iz0ZYy9m8VeaspfKECDW0NKlGsYmO1
    source: https://models.invalid/net.py
postprocessing:
  - $type: unpack_archive
    format: zip
    file: net.zip
  - $type: regex_replace
    file: net.py
    pattern: a
    replacement: b
conversion_to_onnx_args:
  - --model-path=$dl_dir
  - --model-name=Net
  - --import-module=net
  - --input-shape=1,3,4,6
  - --input-names=image
  - --output-names=heatmaps
  - --output-file=$conv_dir/net.onnx
input_info:
  - name: image
    shape: [1, 3, 4, 6]
    layout: NCHW
model_optimizer_args:
  - --mean_values=image[123.675,116.28,103.53]
  - --scale_values=image[58.395,57.12,57.375]
  - --reverse_input_channels
  - --output=heatmaps
  - --input_model=$conv_dir/net.onnx
framework: pytorch
license: https://models.invalid/LICENSE
"""

#: A model in our form, published as IR.
OURS = f"""description: A small model.
task_type: human_pose_estimation
framework: dldt
license: {{spdx: Apache-2.0, text: Apache-2.0-Tests.txt}}
files:
  - name: FP16/net.xml
    size: 3
    checksum: '{"2" * 96}'
    source: https://models.invalid/FP16/net.xml
  - name: FP16/net.bin
    size: 3
    checksum: '{"3" * 96}'
    source: {{$type: http, url: 'https://models.invalid/FP16/net.bin'}}
inputs:
  - name: image
    shape: [1, 3, 4, 6]
    layout: NCHW
    color: RGB
    mean: [123.675, 116.28, 103.53]
    scale: [58.395, 57.12, 57.375]
outputs:
  - name: heatmaps
    shape: [1, 17, 2, 3]
"""

#: The right word, the wrong one, and what the message has beside it.
WRONG_THERE = [
    ("--mean_values", "--mean_vales", "is no argument of Model Optimizer; did you mean --mean_v"),
    ("--mean_values", "-mean_values", "is no argument of Model Optimizer; did you mean --mean_v"),
    ("--scale_values", "--scale_value", "lacks its last letter; did you mean --scale_values?"),
    (
        "--reverse_input_channels",
        "--reverse_input_channels=yes",
        "takes no value, or True or False, got 'yes'",
    ),
    ("--input_model=$conv_dir", "--input_model=$cnv_dir", "no such variable: $cnv_dir; did you"),
    ("--output-names", "--ouput-names", "is no argument of the step to ONNX; did you mean --out"),
    ("--output-file=$conv_dir", "--output-file=$cnv_dir", "did you mean $conv_dir?"),
    ("layout: NCHW", "layout: NCHX", "X in 'NCHX' is no letter of a layout; did you mean NCHW?"),
    ("framework: pytorch", "framework: pytroch", "got 'pytroch'; did you mean pytorch?"),
    ("_estimation\n", "_estimaton\n", "did you mean human_pose_estimation?"),
    ("task_type:", "tasktype:", "tasktype: unknown key; did you mean task_type?"),
    ("original_source:", "orignal_source:", "left out; did you mean original_source?"),
    ("unpack_archive", "unpack_archiv", "did you mean unpack_archive?"),
]  # fmt: skip

WRONG_HERE = [
    ("_estimation\n", "_estimaton\n", "did you mean human_pose_estimation?"),
    ("name: FP16/net.xml", "name: FP61/net.xml", "the folder 'FP61' is no precision; did you mean FP16?"),
    ("name: FP16/net.xml", "name: fp16/net.xml", "the folder 'fp16' is no precision; did you mean FP16, FP16-INT8 or"),
    ("color: RGB", "color: RBG", "did you mean RGB?"),
    ("mean: [", "maen: [", "unknown key, left out; did you mean mean?"),
    ("size: 3", "sise: 3", "files[0].sise: unknown key; did you mean size?"),
    ("outputs:", "output:", "unknown key, left out; did you mean outputs?"),
    ("$type: http,", "$type: htpp,", "did you mean http?"),
    ("color: RGB", "colour: RGB", "unknown key, left out; did you mean color?"),
    ("outputs:\n", "checkpoint: $cnv_dir/net.onnx\noutputs:\n", "did you mean $conv_dir?"),
]  # fmt: skip


def lint(models, *words):
    return posezoo("lint", "--models_dir", models, *words)


def find_errors(tmp_path, text):
    """The exit code, and the errors in a model.yml."""
    write_model(tmp_path / "models", "net", text)
    ended = lint(tmp_path / "models", "--format", "json")
    findings = json_of(ended)["findings"]
    return ended.returncode, [each for each in findings if each["severity"] == "error"]


def place_of_change(old, new):
    """The line and the column of the value, key or item in which two texts first differ."""
    pairs = zip(old.splitlines(), new.splitlines(), strict=False)
    line, text = next((line, b) for line, (a, b) in enumerate(pairs, 1) if a != b)
    return line, text


@pytest.mark.parametrize("text", [THEIRS, OURS])
def test_a_model_with_right_words_has_no_error(tmp_path, text):
    assert find_errors(tmp_path, text) == (0, [])


@pytest.mark.parametrize(
    ("text", "right", "wrong", "message"),
    [(THEIRS, *each) for each in WRONG_THERE] + [(OURS, *each) for each in WRONG_HERE],
)
def test_a_misspelt_word_is_an_error_where_it_stands(tmp_path, text, right, wrong, message):
    assert right in text
    spoilt = text.replace(right, wrong, 1)
    code, errors = find_errors(tmp_path, spoilt)
    line, changed = place_of_change(text, spoilt)
    found = [each for each in errors if message in each["message"]]
    assert code == 1 and found, errors
    assert found[0]["line"] == line
    # The column is that of the item, of the key, or of the value.
    rest = changed[found[0]["column"] - 1 :]
    word = wrong.split("\n")[0].rpartition(": ")[2]
    assert rest.startswith((wrong.split("\n")[0], word, changed.lstrip(" -"))) or word in rest


@pytest.mark.parametrize("verb", ["get", "convert", "info"])
def test_each_command_refuses_a_misspelt_argument_with_its_place(tmp_path, verb):
    write_model(tmp_path / "models", "net", THEIRS.replace("--mean_values", "--mean_vales"))
    ended = posezoo(verb, "net", "--models_dir", tmp_path / "models")
    assert ended.returncode == 1
    assert "model.yml:36:5: " in ended.stderr
    assert "--mean_vales is no argument of Model Optimizer" in ended.stderr
    assert "did you mean --mean_values?" in ended.stderr


@pytest.mark.parametrize(
    ("right", "other"),
    [
        ("--mean_values", "--mean_v"),
        ("--mean_values", "-ms"),
        ("--reverse_input_channels", "--reverse_input_chan"),
        ("--reverse_input_channels", "--reverse_input_channels=True"),
        ("--input_model", "-m"),
        ("--input-shape", "--input-shapes"),
        ("--output-names", "--output-n"),
        ("layout: NCHW", "layout: NC?W"),
    ],
)
def test_what_the_converter_knows_by_another_name_is_no_error(tmp_path, right, other):
    assert find_errors(tmp_path, THEIRS.replace(right, other)) == (0, [])
