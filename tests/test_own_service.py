"""The server of docs/howto/own_service.md, started and asked as on the page."""

import json
import os
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

import posezoo
from fakes.command import run_process
from fakes.pages import ROOT, blocks, commands
from fakes.ports import reserved_port
from fakes.waiting import HANG_S
from posezoo.media.images import SAMPLE_PHOTOS

PAGE = ROOT / "docs" / "howto" / "own_service.md"


@pytest.fixture(scope="module")
def zoo(mirror, tmp_path_factory):
    """The settings of the server and of the model here; the mirror has the files of blazepose-full."""
    for package in ("fastapi", "uvicorn", "python_multipart"):
        pytest.importorskip(package, reason=f"needs {package}")
    return {"mirror": str(mirror), "weights_dir": str(tmp_path_factory.mktemp("models"))}


@pytest.fixture(scope="module")
def model(zoo):
    return posezoo.load("blazepose-full", listener=None, **zoo)


@pytest.fixture(scope="module")
def server(zoo, model, tmp_path_factory):
    """The address of the page's server."""
    folder = tmp_path_factory.mktemp("service")
    (script,) = blocks(PAGE, "python")
    assert '"movenet-thunder"' in script
    script = script.replace('"movenet-thunder"', '"blazepose-full"')
    (folder / "service.py").write_text(script, "utf-8")
    start, _ = commands(PAGE)
    settings = {f"POSEZOO_{name.upper()}": value for name, value in zoo.items()}
    with reserved_port() as port:
        process = subprocess.Popen(
            [sys.executable, "-m", *start.replace("8000", str(port)).split()],
            cwd=folder,
            env={**settings, "PATH": os.environ["PATH"], "HOME": str(folder)},
        )
        try:
            address = f"http://127.0.0.1:{port}"
            _wait_for(address, process)
            yield address
        finally:
            process.terminate()
            process.wait(HANG_S)


def _wait_for(address, process):
    deadline = time.monotonic() + HANG_S
    while time.monotonic() < deadline:
        assert process.poll() is None, "the server ended"
        try:
            requests.get(f"{address}/docs", timeout=5)
        except requests.ConnectionError:
            time.sleep(0.2)
        else:
            return
    raise AssertionError("the server did not answer")


def post(address, data):
    return requests.post(f"{address}/poses", files={"photo": data}, timeout=HANG_S)


def test_a_photo_is_answered_with_its_poses(server, model):
    for photo in SAMPLE_PHOTOS:
        expected = [pose.to_json() for pose in model(photo)]
        assert expected
        answer = post(server, photo.read_bytes())
        assert answer.status_code == 200
        assert_same(answer.json(), expected)


def assert_same(found, expected):
    """The same keypoints within 0.01 pixels: several inferences at once may be rounded otherwise."""
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        points = [[each[axis] for axis in "xy"] for each in one["keypoints"]]
        others = [[each[axis] for axis in "xy"] for each in other["keypoints"]]
        for point, wanted in zip(points, others, strict=True):
            assert point == pytest.approx(wanted, abs=0.01)


def test_several_posts_at_once_get_the_poses_of_their_own_photo(server):
    photos = [photo.read_bytes() for photo in SAMPLE_PHOTOS]
    alone = [post(server, photo).json() for photo in photos]
    assert len(alone[0][0]["keypoints"]) == 33
    assert alone[0] != alone[1]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda index: post(server, photos[index % 2]), range(24)))
    for index, answer in enumerate(answers):
        assert answer.status_code == 200
        assert_same(answer.json(), alone[index % 2])


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"garbage", "is not an image of a known format"),
        (SAMPLE_PHOTOS[0].read_bytes()[:5000], "the image file is incomplete"),
    ],
)
def test_what_is_no_image_is_answered_400_with_the_reason(server, data, reason):
    answer = post(server, data)
    assert answer.status_code == 400
    assert reason in answer.json()["detail"]
    assert post(server, SAMPLE_PHOTOS[0].read_bytes()).status_code == 200  # it still runs


def test_the_command_for_a_photo_works_as_pasted(server, tmp_path):
    curl = shutil.which("curl")
    if curl is None:
        pytest.skip("needs curl")
    shutil.copy(SAMPLE_PHOTOS[0], tmp_path / "photo.jpg")
    _, ask = commands(PAGE)
    command = [curl, "--silent", *ask.split()[1:-1], f"{server}/poses"]
    ended = run_process(command, cwd=tmp_path, check=True)
    (pose,) = json.loads(ended.stdout)
    assert pose["skeleton"] == "blazepose-33"
