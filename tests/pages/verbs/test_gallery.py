"""posezoo gallery, run as a command."""

import base64
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import cv2
import numpy as np
import pytest

from conftest import by_digest
from fakes.command import heed_interrupts, json_of, posezoo, refusal, run_process, succeeded
from fakes.waiting import HANG_S
from fakes.zoo import model_yml, write_model
from posezoo.core.registry import builtin_models_dir

pytest.importorskip("jinja2", reason="needs jinja2")

CAMERA = "bb53ccd861e8bcde0971f6914a9fff5f377077db4fe5aaec9c4d8a9b80e815f0aadb0c98c52ac998731b3b0ecfdccc04"
SPEED = {
    "model": "other",
    "kind": "speed",
    "precision": "FP16",
    "machine": "A processor, 2 cores",
    "figures": {"throughput_fps": 31.5, "latency_p50_ms": 30},
}


@pytest.fixture
def checkout(tmp_path):
    """Two models."""
    published = {"accuracy": [{"metric": "AP", "value": 0.402}], "gflops": 15.4}
    write_model(tmp_path / "models", "light", model_yml(published=published))
    write_model(tmp_path / "models", "other", model_yml())
    return tmp_path


def gallery(checkout, *args):
    return posezoo("gallery", *args, "--models_dir", checkout / "models", cwd=checkout)


def pages(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.html"))


def test_a_site_is_written_and_its_index_named(checkout):
    ended = gallery(checkout, "--output", "site/")
    assert (ended.returncode, ended.stdout) == (0, "site/index.html\n")
    assert ended.stderr == "site: 3 pages: 3 written, 0 unchanged, 0 removed\n"
    assert pages(checkout / "site") == ["index.html", "models/light.html", "models/other.html"]


def test_a_removed_model_is_removed_from_the_site_and_other_files_stay(checkout):
    gallery(checkout)
    (checkout / "site" / "robots.txt").write_text("mine")
    ended = gallery(checkout, "light")
    assert ended.stderr == "site: 2 pages: 1 written, 1 unchanged, 1 removed\n"
    assert pages(checkout / "site") == ["index.html", "models/light.html"]
    assert (checkout / "site" / "robots.txt").read_text() == "mine"


def test_json_reports_changes_and_a_dry_run_those_that_would_be_made(checkout):
    planned = json_of(gallery(checkout, "--dry_run", "--format", "json"))
    assert not (checkout / "site").exists()
    done = json_of(gallery(checkout, "--format", "json"))
    assert planned == done
    assert done["models"] == 2
    assert done["written"] == ["models/light.html", "models/other.html", "index.html"]
    assert done["bytes"] == sum(
        (checkout / "site" / name).stat().st_size for name in done["written"]
    )


def test_the_users_measurements_are_shown(checkout):
    (checkout / "speed.json").write_text(json.dumps([SPEED]))
    succeeded(gallery(checkout, "--figures", "speed.json", "--title", "Ours & <theirs>"))
    index = (checkout / "site" / "index.html").read_text()
    assert '"network_fps":[31.5,"m"]' in index
    assert "A processor, 2 cores" in index
    assert "<h1>Ours &amp; &lt;theirs&gt;</h1>" in index


@pytest.mark.parametrize("requested", [("--machine", "abacus"), ("--setting", "hnit=LATENCY")])
def test_settings_that_match_no_speed_give_a_warning(checkout, requested):
    (checkout / "speed.json").write_text(json.dumps([SPEED]))
    ended = succeeded(gallery(checkout, "--figures", "speed.json", *requested))
    assert "warning: no speed measurement matches --machine and --setting\n" in ended.stderr


def test_a_folder_with_other_files_is_refused(checkout):
    assert refusal(gallery(checkout, "--output", ".")).splitlines() == [
        "error: .: is not the folder of a gallery",
        "  hint: choose another folder, or use --force: it only replaces files that have the names of pages",
    ]
    succeeded(gallery(checkout, "--output", ".", "--force"))
    assert (checkout / "models" / "public" / "light" / "model.yml").is_file()


def test_an_unreadable_file_is_reported_and_the_others_are_shown(checkout):
    write_model(checkout / "models", "broken", "files: [")
    assert "broken/model.yml:2:1: not YAML" in refusal(gallery(checkout))
    assert pages(checkout / "site") == ["index.html", "models/light.html", "models/other.html"]


def test_models_that_only_pytorch_converts_have_no_picture_without_it(tmp_path, monkeypatch):
    pytest.importorskip("openvino", reason="needs openvino")
    monkeypatch.setitem(sys.modules, "torch", None)
    models = ("hrnet-w32", "hrnet-w48-384x288", "detrpose-l")
    ended = succeeded(posezoo("gallery", *models, "--pictures", cwd=tmp_path))
    own_code, pytorch = re.findall("^warning: no picture of (.*)", ended.stderr, re.MULTILINE)
    assert own_code.startswith("detrpose-l: cannot be converted here")
    assert re.match(r"[\w-]+, [\w-]+: torch is not installed: .*torch", pytorch)


@pytest.mark.slow
def test_pictures_of_ones_own_photo_are_shown_of_each_model_that_can_be_downloaded(
    blazepose, mirror, tmp_path
):
    shutil.copy(by_digest(mirror, CAMERA), tmp_path / "me.png")
    models = ("blazepose-full", "human-pose-estimation-0001", "human-pose-estimation-0005")
    environ = {"POSEZOO_MIRROR": str(mirror), "POSEZOO_ATTEMPTS": "1"}
    ended = succeeded(
        posezoo(
            *("gallery", *models, "--pictures", "me.png", "--weights_dir", blazepose.output_dir),
            cwd=tmp_path,
            **environ,
        )
    )
    missing = "warning: no picture of human-pose-estimation-0005: the files cannot be downloaded"
    assert missing in ended.stderr.splitlines()
    page = (tmp_path / "site" / "side_by_side.html").read_text()
    assert re.findall(r'alt="([^"]*)"', page) == [
        "what blazepose-full finds in me.png",
        "what human-pose-estimation-0001 finds in me.png",
    ]
    assert re.findall(r'class="note">([^<]*)', page) == ["me.png", "me.png, FP16-INT8"]
    jpeg = base64.b64decode(re.findall(r'"data:image/jpeg;base64,([^"]*)"', page)[0])
    picture = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    photo = cv2.imread(str(tmp_path / "me.png"))
    assert picture.shape == photo.shape
    assert (np.abs(picture.astype(int) - photo).max(axis=2) > 100).mean() > 0.005


def test_the_picture_of_the_default_model_is_what_it_finds_today(blazepose, mirror, tmp_path):
    succeeded(
        posezoo(
            *("gallery", "blazepose-full", "--pictures", "--weights_dir", blazepose.output_dir),
            cwd=tmp_path,
            POSEZOO_MIRROR=str(mirror),
        )
    )
    page = (tmp_path / "site" / "models" / "blazepose-full.html").read_text()
    assert "Eileen Collins" in page
    jpeg = base64.b64decode(re.findall(r'"data:image/jpeg;base64,([^"]*)"', page)[0])
    today = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    kept = cv2.imread(str(builtin_models_dir() / "public" / "blazepose-full" / "example.jpg"))
    # Another processor moves a joint by a part of a pixel (0.2 % of the picture); without the poses
    # 2 % of it would differ.
    assert (np.abs(today.astype(int) - kept).max(axis=2) >= 64).mean() < 0.005


@pytest.mark.parametrize(
    ("photo", "message"),
    [
        ("no.jpg", "error: no image to work on: no.jpg"),
        ("bad.jpg", "error: bad.jpg: is not an image of"),
    ],
)
def test_a_photo_that_cannot_be_read_is_reported_before_a_model_is_run(checkout, photo, message):
    (checkout / "bad.jpg").write_text("no image")
    assert refusal(gallery(checkout, "--pictures", photo)).startswith(message)
    assert not (checkout / "site").exists()


def test_a_dry_run_runs_no_model(checkout):
    assert refusal(gallery(checkout, "--pictures", "--dry_run")).startswith(
        "error: --pictures runs the models, which --dry_run does not"
    )


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("lihgt",), "error: no model is called 'lihgt'\n  hint: did you mean light?\n"),
        (
            ("--figures", "no.json"),
            "error: no.json: no such file\n  hint: posezoo benchmark MODEL --output no.json\n",
        ),
    ],
)
def test_what_does_not_exist_is_reported_in_one_line(checkout, args, message):
    ended = gallery(checkout, *args)
    assert (ended.returncode, ended.stderr) == (1, message)
    assert not (checkout / "site").exists()


def test_a_registry_without_models_is_reported(tmp_path):
    (tmp_path / "models").mkdir()
    assert f"error: no model found in {tmp_path}" in refusal(gallery(tmp_path))


def test_a_site_is_drawn_without_a_network_stack_or_any_runtime(checkout):
    code = (
        "import sys\nfrom posezoo.cli.main import main\n"
        f"assert main(['gallery', '--quiet', '--models_dir', {str(checkout / 'models')!r}]) == 0\n"
        "assert not {'requests', 'openvino', 'cv2', 'torch'} & sys.modules.keys()"
    )
    succeeded(run_process([sys.executable, "-c", code], cwd=checkout))


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="needs a POSIX system")
def test_an_interrupted_run_leaves_whole_pages_and_the_next_one_completes_them(checkout):
    for number in range(150):
        write_model(checkout / "models", f"net-{number}", model_yml())
    command = [sys.executable, "-m", "posezoo", "gallery", "--models_dir", str(checkout / "models")]
    child = subprocess.Popen(
        command, cwd=checkout, preexec_fn=heed_interrupts, stderr=subprocess.DEVNULL
    )
    end = time.monotonic() + HANG_S
    while len(pages(checkout / "site")) < 5 and time.monotonic() < end:
        time.sleep(0.001)
    child.send_signal(signal.SIGINT)
    assert child.wait(timeout=HANG_S) in (130, 0)
    assert all(
        path.read_bytes().endswith(b"</html>") for path in (checkout / "site").rglob("*.html")
    )
    succeeded(gallery(checkout))
    assert len(pages(checkout / "site")) == 153
