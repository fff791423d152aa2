"""The window on a virtual screen: what it shows, and what keys do."""

import json
import os
import re
import shutil
import subprocess
import sys

import cv2
import numpy as np
import pytest

from conftest import ROOT, by_digest
from fakes.command import refusal, run_process
from fakes.desktop import Desktop
from fakes.running import SRC
from fakes.scaling_irs import write_ir
from fakes.waiting import HANG_S, wait_until

#: Environments with the OpenCV of the pins, and with OpenCV 5.
ENVIRONMENTS = [ROOT / "build" / name for name in ("demo-env", "demo-env-opencv5")]
CAMERA = "bb53ccd861e8bcde0971f6914a9fff5f377077db4fe5aaec9c4d8a9b80e815f0aadb0c98c52ac998731b3b0ecfdccc04"
TITLE = "posezoo demo"
GREY = 90

pytestmark = pytest.mark.skipif(
    not shutil.which("Xvfb") or not shutil.which("xdotool"), reason="needs Xvfb and xdotool"
)


@pytest.fixture(params=ENVIRONMENTS, ids=lambda folder: folder.name)
def python(request):
    """The Python of an environment whose OpenCV has windows."""
    if not request.param.is_dir():
        pytest.skip(f"needs {request.param.name}: make build/demo-env-opencv5")
    return request.param / "bin" / "python"


@pytest.fixture
def desktop(tmp_path):
    (tmp_path / "screen").mkdir()
    with Desktop(tmp_path / "screen") as desktop:
        yield desktop


class Running:
    """The demo in its own process, with an OpenCV that has windows."""

    def __init__(self, python, desktop, folder, source, *args):
        network = write_ir(folder / "tiny.xml", {"heatmaps": 19, "pafs": 38})
        model = () if "-m" in args else ("-m", network)
        command = [python, "-m", "posezoo", "demo", *model, "-i", source, "--format", "json", *args]
        self.desktop = desktop
        self._child = subprocess.Popen(
            list(map(str, command)),
            env={**desktop.environ, "PYTHONPATH": str(SRC)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def __enter__(self):
        self.until(lambda: self.desktop.shows(TITLE))
        return self

    def __exit__(self, *_):
        if self._child.poll() is None:
            self._child.kill()
            self._child.communicate()

    def until(self, holds):
        """Wait until something holds, unless the demo ends before."""
        wait_until(lambda: self._child.poll() is not None or holds())
        assert self._child.poll() is None, self._child.communicate()

    def end(self):
        """Its report, once it has ended."""
        out, err = self._child.communicate(timeout=HANG_S)
        assert self._child.returncode == 0, err
        assert "qt" not in err.lower()
        return json.loads(out)


@pytest.fixture
def video(tmp_path):
    """Grey, so that everything else is drawn."""
    writer = cv2.VideoWriter(
        str(tmp_path / "v.avi"), cv2.VideoWriter_fourcc(*"MJPG"), 25, (640, 480)
    )
    for _ in range(10):
        writer.write(np.full((480, 640, 3), GREY, np.uint8))
    writer.release()
    return tmp_path / "v.avi"


@pytest.fixture
def mode_on(python, tmp_path):
    """Which mode's name stands in the upper left corner, in the letters of this OpenCV."""
    code = (
        "import sys, numpy as np\n"
        "from posezoo.run.player import draw_text\n"
        f"drawn = np.full((480, 640, 3), {GREY}, np.uint8)\n"
        "draw_text(drawn, [sys.argv[1]])\n"
        "np.save(sys.argv[2], drawn[:20, :240])"
    )
    expected = {}
    for name in ("User specified", "Min latency"):
        file = tmp_path / f"{name}.npy"
        environ = {**os.environ, "PYTHONPATH": str(SRC)}
        subprocess.run([python, "-c", code, name, file], env=environ, check=True, timeout=HANG_S)
        expected[name] = np.load(file)

    def find(desktop):
        seen = desktop.picture()[:20, :240].astype(int)
        fitting = (name for name, drawn in expected.items() if np.abs(seen - drawn).max() < 12)
        return next(fitting, "")

    return find


def corner(desktop):
    """How much is drawn into the lower left corner of the frame."""
    return int((np.abs(desktop.picture()[360:480, :150].astype(int) - GREY) > 12).any(axis=2).sum())


def test_tab_switches_modes_and_q_quits_with_the_speeds_of_both(
    python, desktop, tmp_path, video, mode_on
):
    with Running(python, desktop, tmp_path, video, "--loop", "-nireq", "3") as running:
        running.until(lambda: mode_on(desktop) == "User specified")
        desktop.press("Tab", TITLE)
        running.until(lambda: mode_on(desktop) == "Min latency")
        desktop.press("Tab", TITLE)
        running.until(lambda: mode_on(desktop) == "User specified")
        desktop.press("q", TITLE)
        told = running.end()
    assert told["requests"] == 3
    for mode in told["modes"].values():
        assert mode["frames"] > 0 and mode["fps"] > 0 and mode["latency_ms"] > 0
    assert list(told["steps_ms"]) == ["read", "find poses", "draw", "show", "write"]


@pytest.mark.parametrize("key", ["c", "d", "m", "h"])
def test_the_key_of_a_monitor_shows_and_hides_it(python, desktop, tmp_path, video, mode_on, key):
    with Running(python, desktop, tmp_path, video, "--loop") as running:
        running.until(lambda: mode_on(desktop) != "" and corner(desktop) == 0)
        desktop.press(key, TITLE)
        running.until(lambda: corner(desktop) > 500)
        desktop.press(key, TITLE)
        running.until(lambda: corner(desktop) == 0)
        desktop.press("Escape", TITLE)
        running.end()


def test_a_photo_stays_with_its_person_until_a_key_is_pressed(
    python, desktop, tmp_path, mirror, blazepose, monkeypatch
):
    monkeypatch.setitem(desktop.environ, "POSEZOO_WEIGHTS_DIR", str(blazepose.output_dir))
    photo = tmp_path / "camera.png"
    shutil.copy(by_digest(mirror, CAMERA), photo)
    with Running(
        python, desktop, tmp_path, photo, "-m", "blazepose-full", "-o", tmp_path / "out.png"
    ) as running:
        running.until(lambda: (tmp_path / "out.png").exists())
        drawn = cv2.imread(str(tmp_path / "out.png"))
        running.until(lambda: (desktop.picture()[:512, :512] == drawn).mean() > 0.99)
        desktop.press("x", TITLE)
        assert running.end()["frames"] == 1
    assert (drawn != cv2.imread(str(photo))).any(axis=2).mean() > 0.01


def test_a_closed_window_is_noticed_and_does_not_wait_for_keys(python, desktop):
    """Without a window manager there is no close button, so OpenCV closes the window."""
    code = (
        "import cv2, numpy as np\n"
        "from posezoo.media.window import Window\n"
        "with Window('posezoo demo') as window:\n"
        "    window.show(np.zeros((100, 100, 3), np.uint8))\n"
        "    print(window.is_open)\n"
        "    cv2.destroyWindow('posezoo demo')\n"
        "    print(repr(window.wait_for_key()), window.is_open)"
    )
    environ = {**desktop.environ, "PYTHONPATH": str(SRC)}
    ended = run_process([python, "-c", code], env=environ)
    assert ended.stdout.split() == ["True", "''", "False"], ended.stderr


def refused(tmp_path, video, python, **environ):
    network = write_ir(tmp_path / "tiny.xml", {"heatmaps": 19, "pafs": 38})
    plain = {name: value for name, value in os.environ.items() if "DISPLAY" not in name}
    return refusal(
        run_process(
            [python, "-m", "posezoo", "demo", "-m", network, "-i", video],
            env={**plain, "PYTHONPATH": str(SRC), **environ},
        )
    )


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        ({}, r"there is no display: neither DISPLAY nor WAYLAND_DISPLAY is set"),
        ({"DISPLAY": ":4711"}, r"the display :4711 cannot be opened"),
    ],
)
def test_a_missing_display_is_refused_with_a_hint(python, tmp_path, video, environ, message):
    error, hint = refused(tmp_path, video, str(python), **environ).splitlines()
    assert re.fullmatch(f"error: {message}", error)
    assert hint == "  hint: use -no_show to run without a window"


def test_an_opencv_without_windows_is_refused_with_a_hint(tmp_path, video):
    error, hint = refused(tmp_path, video, sys.executable, DISPLAY=":0").splitlines()
    assert error == "error: this OpenCV comes without windows (opencv-python-headless)"
    assert hint.endswith(" install opencv-python") and "uninstall --yes" in hint
