"""Fifteen likely mistakes, each made for real: tests/golden/first_minutes.md has what posezoo answers.

``FIRST_MINUTES=draw python -m pytest tests/test_first_minutes.py`` writes the answers there.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import venv
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest

from conftest import by_digest
from fakes.command import assert_success, heed_interrupts
from fakes.pages import ROOT, commands, put_on_path
from fakes.server import Server
from fakes.waiting import HANG_S, wait_until
from posezoo.core.registry import open_registry

PAGE = ROOT / "tests" / "golden" / "first_minutes.md"
CAMERA = "bb53ccd861e8bcde0971f6914a9fff5f377077db4fe5aaec9c4d8a9b80e815f0aadb0c98c52ac998731b3b0ecfdccc04"
TITLES = re.findall(r"^## (.+)", PAGE.read_text("utf-8"), re.MULTILINE)
#: What depends on the machine or on the moment, and what the page has instead.
REPLACED = (
    (r"\b\d+\.\d s\b", "... s"),
    (r"localhost:\d+", "mirror.example"),
    (r"this is 3\.\d+", "this is 3.9"),
    (r"Makefile:\d+", "Makefile"),
    (r"(?<=package index: )[\w.]+", "index.example"),
    (r"\bregistry\.[a-z]+\.org\b", "registry.example"),
    (r"only CPU\b.*", "only CPU"),
)


def section(title):
    return re.split(r"\n## ", PAGE.read_text("utf-8").partition(f"\n## {title}\n")[2])[0]


class Desk:
    """The home folder of a user with a photo, who runs commands.

    Attributes:
        prefix: the words before the shell of each command, which take something away from it.
    """

    def __init__(self, folder, photo):
        self.folder = folder
        self.prefix = []
        put_on_path(folder / "bin")
        cv2.imwrite(str(folder / "photo.jpg"), cv2.imread(str(photo)))
        path = f"{folder / 'bin'}{os.pathsep}/usr/bin{os.pathsep}/bin"
        of_make = ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")  # of the make that runs the tests
        kept = {name: value for name, value in os.environ.items() if name not in of_make}
        self.environ = {**kept, "PATH": path, "HOME": str(folder)}
        self.environ.pop("PIP_NO_INDEX")

    def start(self, command):
        return subprocess.Popen(
            [
                *self.prefix,
                "bash",
                "-c",
                f"exec {command}" if command.startswith("posezoo") else command,
            ],
            cwd=self.folder,
            env=self.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            preexec_fn=heed_interrupts,
        )

    def files(self):
        return [path for path in (self.folder / ".cache").rglob("*") if path.is_file()]

    def run(self, command):
        """What a failing command says."""
        child = self.start(command)
        answer, _ = child.communicate(timeout=HANG_S)
        assert child.returncode in (1, 2), f"{command}: {child.returncode}: {answer}"
        return answer


@pytest.fixture
def desk(tmp_path, mirror):
    return Desk(tmp_path, by_digest(mirror, CAMERA))


def without(desk, *prefix):
    """Take something away from the commands to come, such as the network."""
    if subprocess.run(
        [*prefix, "true"], cwd=desk.folder, capture_output=True, check=False
    ).returncode:
        pytest.skip(
            "cannot take the network away here" if "-rn" in prefix else "cannot mount a tmpfs here"
        )
    desk.prefix = list(prefix)


def no_network(desk):
    without(desk, "unshare", "-rn")


def mounted(name, options, desk):
    (desk.folder / name).mkdir()
    mount = f'mount -t tmpfs -o {options} tmpfs {name} && exec "$@"'
    without(desk, "unshare", "-rm", "sh", "-c", mount, "-")


def old_python(desk):
    for name in ("Makefile", ".ci", "setup.cfg", "pyproject.toml", "constraints.txt"):
        (desk.folder / name).symlink_to(ROOT / name)
    code = "import sys; sys.exit(sys.version_info >= (3, 10))"
    for path in filter(None, map(shutil.which, ("python3.9", "python3.8", "pypy3"))):
        if subprocess.run([path, "-c", code], check=False).returncode == 0:
            (desk.folder / "bin" / "python3.9").write_text(f'#!/bin/sh\nexec {path} "$@"\n')
            (desk.folder / "bin" / "python3.9").chmod(0o755)
            return
    pytest.skip("needs a Python older than 3.10, such as pypy3 of Debian 12")


def missing_extra(desk):
    """A virtual environment with posezoo and what it requires, but without the packages of its extras."""
    venv.create(desk.folder / ".venv", symlinks=True)
    (site,) = desk.folder.glob(".venv/lib/python*/site-packages")
    for path in (
        path for each in sys.path if each.endswith("site-packages") for path in Path(each).iterdir()
    ):
        if not path.name.startswith(("openvino", "cv2", "opencv")):
            (site / path.name).symlink_to(path)
    command = desk.folder / ".venv" / "bin" / "posezoo"
    command.write_text('#!/bin/sh\nexec "${0%/*}/python" -m posezoo "$@"\n')
    command.chmod(0o755)


def broken_photos(desk):
    _, png = cv2.imencode(".png", cv2.imread(str(desk.folder / "photo.jpg")))
    (desk.folder / "half.png").write_bytes(png.tobytes()[: png.size // 2])
    (desk.folder / "empty.jpg").touch()
    (desk.folder / "page.jpg").write_text("<html>Not Found</html>")


def stale_mirror(desk):
    (desk.folder / "mirror").mkdir()
    no_network(desk)


def own_weights(desk):
    numpy = pytest.importorskip("safetensors.numpy", reason="needs safetensors")
    numpy.save_file({"fc.weight": np.zeros((2, 2), np.float32)}, desk.folder / "mine.safetensors")


PREPARE = {
    "No network": no_network,
    "An old Python": old_python,
    "A missing extra": missing_extra,
    "A full disk": partial(mounted, "disk", "size=32k"),
    "A folder that is read-only": partial(mounted, "share", "ro"),
    "A corrupt photo": broken_photos,
    "A mirror that is out of date": stale_mirror,
    "A wrong checkpoint": own_weights,
}


def serve_model(server, mirror, **faults):
    """Serve the file of movenet-singlepose-lightning-int8 as a mirror does; returns its name there."""
    (file,) = open_registry().find("movenet-singlepose-lightning-int8").files
    name = f"1/{file.checksum.value[:2]}/{file.checksum.value[2:]}"
    server.serve(name, (mirror / name).read_bytes(), **faults)
    return name


def run_twice_at_once(desk, mirror):
    (command,) = commands(section("Two runs at once"))
    with Server() as server:
        desk.environ |= {"POSEZOO_MIRROR": server.url()}
        name = serve_model(server, mirror, silence_s=HANG_S, times=1)
        first = desk.start(command)
        wait_until(lambda: server.asked(name))
        first.send_signal(signal.SIGSTOP)
        second = desk.start(command)
        line = second.stdout.readline()
        first.send_signal(signal.SIGCONT)
        server.stopping.set()  # ends the silence
        answer, _ = second.communicate(timeout=HANG_S)
        first.communicate(timeout=HANG_S)
        assert first.returncode == second.returncode == 0
    return [line + answer]


def interrupt_and_repeat(desk, mirror):
    first, second = commands(section("An interrupted run"))
    with Server() as server:
        desk.environ |= {"POSEZOO_MIRROR": server.url()}
        serve_model(server, mirror, hang_at=2_000_000, times=1, etag='"1"')
        child = desk.start(first)
        wait_until(
            lambda: any(path.stat().st_size > 1_900_000 for path in desk.files()), "the download"
        )
        child.send_signal(signal.SIGINT)
        answers = [child.communicate(timeout=HANG_S)[0]]
        assert child.returncode == 130
        child = desk.start(second)
        answers.append(child.communicate(timeout=HANG_S)[0])
        assert_success(child)
    return answers


PLAY = {"Two runs at once": run_twice_at_once, "An interrupted run": interrupt_and_repeat}


def transcript(title, desk, mirror):
    """The console block of a section, made anew."""
    PREPARE.get(title, lambda _: None)(desk)
    lines = commands(section(title))
    play = PLAY.get(title, lambda desk, _: [desk.run(line) for line in lines])
    text = "".join(
        f"$ {line}\n{answer}" for line, answer in zip(lines, play(desk, mirror), strict=True)
    )
    for path, name in (
        (desk.folder, "/home/ann"),
        (ROOT, "/home/ann/posezoo"),
        (sys.executable, "python"),
    ):
        text = text.replace(str(path), name)
    for pattern, replacement in REPLACED:
        text = re.sub(pattern, replacement, text)
    return text


@pytest.mark.parametrize("title", TITLES)
def test_each_mistake_ends_in_the_answer_that_the_page_shows(title, desk, mirror, request):
    # Which need a model that is there.
    if title in (
        "A full disk",
        "A wrong decoder",
        "A corrupt photo",
    ):
        made = request.getfixturevalue("blazepose").output_dir
        desk.environ["POSEZOO_WEIGHTS_DIR"] = str(made)
        for path in made.glob("**/FP16/pose-landmark-full-mediapipe.[xb]*"):
            (desk.folder / f"part{path.suffix}").symlink_to(path)
    if title == "A full disk":
        desk.environ["POSEZOO_MIRROR"] = str(mirror)
    text = transcript(title, desk, mirror)
    assert "Traceback" not in text
    if os.environ.get("FIRST_MINUTES") == "draw":
        old = section(title)
        new = re.sub(
            r"```console\n.*?```", lambda _: f"```console\n{text}```", old, flags=re.DOTALL
        )
        PAGE.write_text(PAGE.read_text("utf-8").replace(old, new), "utf-8")
    assert re.findall(r"```console\n(.*?)```", section(title), re.DOTALL) == [text]
