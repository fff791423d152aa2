"""A registry in Open Model Zoo's form in which nothing contradicts anything: model.yml, cards, index pages."""

from __future__ import annotations

from pathlib import Path

CARD = """\
# {name}

## Use Case and High-Level Description

The `{name}` model finds the keypoints of people in a picture, with a small network that was trained for tests.
See the [repository](https://github.com/owner/{project}).

## Specification

| Metric            | Value   |
|-------------------|---------|
| Type              | Human pose estimation |
| GFLOPs            | {gflops} |
| MParams           | {mparams} |
| Source framework  | PyTorch\\* |

## Accuracy

| Metric | Value |
| ------ | ----- |
| AP     | {accuracy}% |

## Input

### Original Model

Image, name - `data`, shape - `1, 3, 224, 288`, format is `B, C, H, W`, where:

- `B` - batch size
- `C` - channel
- `H` - height
- `W` - width

Channel order is `RGB`.
Mean values - [123.675, 116.28, 103.53], scale values - [58.395, 57.12, 57.375].

### Converted Model

Image, name - `data`, shape - `1, 3, 224, 288`, format is `B, C, H, W`, where:

- `B` - batch size
- `C` - channel
- `H` - height
- `W` - width

Channel order is `BGR`.

## Output

### Original Model

Heatmaps, name - `heatmaps`, shape - `1, 17, 56, 72`, format is `B, C, H, W`.

### Converted Model

Heatmaps, name - `heatmaps`, shape - `1, 17, 56, 72`, format is `B, C, H, W`.

## Legal Information

The original model is distributed under the
[MIT license](https://raw.githubusercontent.com/owner/{project}/main/LICENSE).
"""

MODEL = """\
description: >-
  The "{name}" model finds the keypoints of people in a picture, with a small network that was
  trained for tests. See the repository <https://github.com/owner/{project}>.
task_type: human_pose_estimation
files:
  - name: {name}.pth
    size: {size}
    checksum: {digit}{zeros}
    source: https://raw.githubusercontent.com/owner/{project}/v1/{name}.pth
conversion_to_onnx_args:
  - --model-name={name}
  - --weights=$dl_dir/{name}.pth
  - --input-shape=1,3,224,288
  - --input-names=data
  - --output-names=heatmaps
  - --output-file=$conv_dir/{name}.onnx
model_optimizer_args:
  - --input_shape=[1,3,224,288]
  - --input=data
  - --mean_values=data[123.675,116.28,103.53]
  - --scale_values=data[58.395,57.12,57.375]
  - --reverse_input_channels
  - --output=heatmaps
  - --input_model=$conv_dir/{name}.onnx
framework: pytorch
license: https://raw.githubusercontent.com/owner/{project}/main/LICENSE
"""

ACCURACY = """\
models:
  - name: {name}
    launchers:
      - framework: onnx_runtime
        model: {name}.onnx
        adapter:
          type: human_pose_estimation
    datasets:
      - name: ms_coco_keypoints
        preprocessing:
          - type: bgr_to_rgb
          - type: resize
            dst_height: 224
            dst_width: 288
          - type: normalization
            mean: (123.675, 116.28, 103.53)
            std: (58.395, 57.12, 57.375)

  - name: {name}
    launchers:
      - framework: openvino
        adapter:
          type: human_pose_estimation
    datasets:
      - name: ms_coco_keypoints
        preprocessing:
          - type: resize
            dst_height: 224
            dst_width: 288
        metrics:
          - type: coco_precision
            reference: {reference}
"""

INDEX = """\
# Models

| Model Name | Implementation | OMZ Model Name | Accuracy | GFlops | mParams |
| ---------- | -------------- | -------------- | -------- | ------ | ------- |
| Pose A     | PyTorch\\*      | [pose-a](./pose-a/README.md) | 69.04% | 60.125 | 33.165 |
| Pose B     | PyTorch\\*      | [pose-b](./pose-b/README.md) | 64.64% | 92.8364 | 28.6180 |
"""

IR_CARD = """\
# detector-0001

## Use Case and High-Level Description

This is a detector that finds people for those who look for keypoints.

## Specification

| Metric            | Value   |
|-------------------|---------|
| GFlops            | 2.300   |
| MParams           | 0.723   |
| Source framework  | Caffe\\* |

## Inputs

Image, name: `data`, shape: `1, 3, 320, 544` in the `B, C, H, W` format.

Expected color order is `BGR`.

## Outputs

The net outputs a blob with shape: `1, 1, 200, 7` in the format `1, 1, N, 7`.

## Legal Information

[*] Other names and brands may be claimed as the property of others.
"""

IR_MODEL = """\
description: Person detection.
task_type: detection
files:
  - {{name: FP32/detector-0001.xml, size: 90000, checksum: c{zeros}, source: https://models.invalid/FP32/detector-0001.xml}}
  - {{name: FP32/detector-0001.bin, size: 2891644, checksum: d{zeros}, source: https://models.invalid/FP32/detector-0001.bin}}
  - {{name: FP16/detector-0001.xml, size: 90000, checksum: e{zeros}, source: https://models.invalid/FP16/detector-0001.xml}}
  - {{name: FP16/detector-0001.bin, size: 1445822, checksum: f{zeros}, source: https://models.invalid/FP16/detector-0001.bin}}
framework: dldt
license: https://raw.githubusercontent.com/openvinotoolkit/open_model_zoo/master/LICENSE
"""


IR_ACCURACY = """\
models:
  - name: detector-0001
    launchers:
      - framework: openvino
        adapter: ssd
    datasets:
      - name: ms_coco_detection_80_class_with_background
        preprocessing:
          - type: resize
            dst_width: 544
            dst_height: 320
"""


def write_omz_zoo(root: Path) -> Path:
    """Two converted models and a published IR below ``root``; returns it."""
    facts = (
        ("pose-a", "project-a", "60.125", "33.165", "69.04", 132_665_000, "a"),
        ("pose-b", "project-b", "92.8364", "28.6180", "64.64", 114_477_000, "b"),
    )
    for name, project, gflops, mparams, accuracy, size, digit in facts:
        values = {
            "name": name, "project": project, "gflops": gflops, "mparams": mparams, "accuracy": accuracy,
            "reference": f"{float(accuracy) / 100:.4f}", "size": size, "digit": digit, "zeros": "0" * 95,
        }  # fmt: skip
        folder = root / "public" / name
        folder.mkdir(parents=True)
        for file, text in (
            ("README.md", CARD),
            ("model.yml", MODEL),
            ("accuracy-check.yml", ACCURACY),
        ):
            (folder / file).write_text(text.format(**values), "utf-8")
    (root / "public" / "index.md").write_text(INDEX, "utf-8")
    folder = root / "intel" / "detector-0001"
    folder.mkdir(parents=True)
    (folder / "README.md").write_text(IR_CARD, "utf-8")
    (folder / "accuracy-check.yml").write_text(IR_ACCURACY, "utf-8")
    (folder / "model.yml").write_text(IR_MODEL.format(zeros="0" * 95), "utf-8")
    return root
