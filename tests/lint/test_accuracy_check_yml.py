"""What Open Model Zoo's accuracy-check.yml says of the images of a network."""

import pytest

from posezoo.core.declarations.yaml_nodes import parse_yaml
from posezoo.lint.accuracy_check_yml import read_runs

RUN = """\
models:
  - launchers: [{framework: dlsdk}]
    datasets: [{reader: %s, preprocessing: [%s]}]
"""


@pytest.mark.parametrize(
    ("reader", "steps", "color"),
    [
        ("opencv_imread", "type: resize", "BGR"),
        ("pillow_imread", "type: resize", "RGB"),
        ("opencv_imread", "type: bgr_to_rgb", "RGB"),
        ("opencv_imread", "type: rgb_to_bgr", ""),
        ("opencv_imread", "type: bgr_to_gray", ""),
        ("opencv_imread", "type: bgr_to_yuv", ""),
    ],
)
def test_the_color_is_the_readers_after_all_steps(reader, steps, color):
    (run,) = read_runs(parse_yaml((RUN % (reader, steps)).encode(), "accuracy-check.yml"))
    assert run.color == color
