"""OpenCV 4 reads Caffe's and Darknet's networks, as OpenCV 5 does not any more."""

from __future__ import annotations

import cv2
import pytest

needs_opencv_4 = pytest.mark.skipif(
    not hasattr(cv2.dnn, "readNetFromCaffe"), reason="needs OpenCV 4, which reads Caffe and Darknet"
)
