"""The convention udp finds what rtmlib and transformers find in the same heatmaps, at most 0.1 px apart.

udp_results.json was written by rtmlib 0.0.16 (ViTPose) and transformers 5.23.0 (VitPoseImageProcessor) for
the maps of udp_outputs.py, in pixels of the input. They smooth differently: sigma 2, and sigma 0.8.
"""

from pathlib import Path

import numpy as np
import pytest

from fakes.command import read_json
from posezoo import decode

from .udp_outputs import INPUT, udp_heatmaps

pytest.importorskip("cv2")

RESULTS = read_json(Path(__file__).with_name("udp_results.json"))


@pytest.mark.parametrize(("judge", "blur"), [("rtmlib", 11), ("transformers", 3)])
def test_udp(judge, blur):
    maps = {"heatmaps": udp_heatmaps()}
    (pose,) = decode("heatmap", maps, INPUT, convention="udp", blur=blur)
    assert np.abs(pose.keypoints[:, :2] - RESULTS[judge]).max() <= 0.1
    assert np.allclose(pose.keypoints[:, 2], RESULTS["rtmlib scores"], atol=1e-4)
