"""What a camera of this machine is asked for; its driver is a stand-in, since test machines have no camera."""

import cv2
import numpy as np
import pytest

from posezoo.media.captures import CameraMode, Capture


class Driver:
    """Stands in for OpenCV's access to a driver: it has one format, and sizes up to a largest one.

    As with Video4Linux, a new format sets the size back.
    """

    def __init__(self, formats=("MJPG",), largest=(1920, 1080), fps=30.0):
        self.formats, self.largest, self.fps = formats, largest, fps
        self.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*formats[0]))

    def set(self, prop, value):
        if prop == cv2.CAP_PROP_FOURCC:
            named = int(value).to_bytes(4, "little").decode()
            chosen = named if named in self.formats else self.formats[0]
            self.format, self.size = cv2.VideoWriter.fourcc(*chosen), [640, 480]
        elif prop == cv2.CAP_PROP_FRAME_WIDTH:
            self.size[0] = min(value, self.largest[0])
        elif prop == cv2.CAP_PROP_FRAME_HEIGHT:
            self.size[1] = min(value, self.largest[1])
        return True

    def get(self, prop):
        return {
            cv2.CAP_PROP_FOURCC: self.format,
            cv2.CAP_PROP_FRAME_WIDTH: self.size[0],
            cv2.CAP_PROP_FRAME_HEIGHT: self.size[1],
            cv2.CAP_PROP_FPS: self.fps,
        }.get(prop, 0)

    def isOpened(self):  # noqa: N802 OpenCV's name
        return True

    def read(self):
        return True, np.zeros((self.size[1], self.size[0], 3), np.uint8)

    def release(self):
        pass


def open_camera(monkeypatch, driver, mode=None):
    monkeypatch.setattr(cv2, "VideoCapture", lambda *_: driver)
    options = {"mode": mode} if mode else {}
    return Capture(0, "camera 0", **options).open()


def test_a_camera_is_asked_for_the_pictures_of_open_model_zoos_demos(monkeypatch):
    camera = open_camera(monkeypatch, Driver())
    assert camera.read().shape == (720, 1280, 3)
    assert camera.size == (1280, 720)
    assert camera.explain_mode() == ""


def test_the_user_chooses_size_rate_and_format(monkeypatch):
    driver = Driver(("MJPG", "YUYV"), fps=15.0)
    camera = open_camera(monkeypatch, driver, CameraMode((320, 240), 15.0, "YUYV"))
    assert camera.size == (320, 240)
    assert camera.explain_mode() == ""


@pytest.mark.parametrize(
    ("driver", "got"),
    [
        (Driver(largest=(800, 600)), "800 x 600 at 30 frames a second in MJPG"),
        (Driver(fps=10.0), "1280 x 720 at 10 frames a second in MJPG"),
        (Driver(("YUYV",)), "1280 x 720 at 30 frames a second in YUYV"),
    ],
)
def test_what_the_driver_gives_instead_is_said(monkeypatch, driver, got):
    asked = "1280 x 720 at 30 frames a second in MJPG"
    camera = open_camera(monkeypatch, driver)
    assert camera.explain_mode() == f"camera 0: gives {got}, not {asked}"
