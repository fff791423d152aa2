"""The commands of docs/howto/your_network.md, with a hand's network of generated weights."""

import shutil
import sys

import cv2
import numpy as np
import pytest

from fakes.command import run_process
from fakes.hands import draw_hand
from fakes.pages import MARK, ROOT, blocks, environ_of, put_on_path
from fakes.when_used import needs

PAGE = ROOT / "docs" / "howto" / "your_network.md"


def write_hand(path):
    """Heat maps of 21 keypoints, from a convolution."""
    helper = needs("onnx").helper
    from fakes import graphs

    weights = np.random.default_rng(0).normal(0, 0.05, (21, 3, 4, 4)).astype(np.float32)
    node = helper.make_node("Conv", ["input", "weights"], ["output"], strides=[4, 4])
    image = ("input", graphs.FLOAT, (1, 3, 256, 256))
    output = ("output", graphs.FLOAT, (1, 21, 64, 64))
    path.write_bytes(graphs.written("hand", [node], [image], [output], {"weights": weights}))


def test_the_page_leads_from_an_onnx_to_int8_a_service_and_cpp(tmp_path):
    for package in ("nncf", "onnxruntime"):
        pytest.importorskip(package, reason=f"needs {package}")
    write_hand(tmp_path / "hand.onnx")
    (tmp_path / "photos").mkdir()
    for number in range(3):
        cv2.imwrite(str(tmp_path / "photos" / f"{number}.jpg"), draw_hand(300, 30 * number))
    shutil.copy(tmp_path / "photos" / "0.jpg", tmp_path / "photo.jpg")
    put_on_path(tmp_path / "bin")
    environ = environ_of(tmp_path, tmp_path / "no-mirror") | {"HOME": str(tmp_path)}
    del environ["POSEZOO_MIRROR"]
    scripts = blocks(PAGE, "sh")
    assert len(scripts) == 5 and MARK in PAGE.read_text("utf-8")
    for script in scripts:
        words = ["bash", "-euc", script]
        done = run_process(
            words,
            cwd=tmp_path,
            env=environ,
        )
        assert done.returncode == 0 and "hint:" not in done.stderr, done.stderr
    (code,) = blocks(PAGE, "python")
    words = [sys.executable, "-c", code]
    printed = run_process(words, cwd=tmp_path, env=environ, check=True)
    assert printed.stdout == "hand 21\n"
    assert [*(tmp_path / "found").glob("photo_poses.*")]
    assert (tmp_path / "hand_cpp" / "models" / "hand.xml").is_file()
