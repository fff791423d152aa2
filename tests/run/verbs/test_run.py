"""The main job: a model on images, to pictures, keypoints and a card."""

import csv
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest

from conftest import by_digest
from fakes import seeker
from fakes.command import (
    json_of,
    misuse,
    posezoo,
    posezoo_process,
    read_json,
    refusal,
    run_process,
    start_posezoo,
    succeeded,
)
from fakes.irs import write_ir
from fakes.moving_camera import SIZE, pan
from fakes.picky_networks import write_picky_pose_ir, write_pictures
from fakes.server import Server
from fakes.small_disk import small_disk
from fakes.soak import soak
from fakes.videos import MJPEG, mjpeg, read_video, write_frames
from fakes.waiting import HANG_S, wait_until
from fakes.zoo import model_yml, write_model
from posezoo.core.registry import open_registry
from posezoo.core.settings import DEFAULT_DETECTOR
from posezoo.run.advice import FALLBACK_MODEL

#: Of the registry's list, the one that a test can download; and another model.
DEFAULT_MODEL, OTHER_MODEL = "movenet-thunder", "blazepose-full"

CAMERA = "bb53ccd861e8bcde0971f6914a9fff5f377077db4fe5aaec9c4d8a9b80e815f0aadb0c98c52ac998731b3b0ecfdccc04"
STAGES = [
    "download",
    "convert once",
    "compile",
    "read",
    "poses",
    "draw",
]


pytestmark = pytest.mark.usefixtures("networks_stay_compiled")


@pytest.fixture(scope="module")
def seeker_ir(tmp_path_factory):
    """An IR that finds one person in each picture, and is compiled ten times as fast as BlazePose."""
    return seeker.write_ir(tmp_path_factory.mktemp("seeker"))


@pytest.fixture
def clip(camera, tmp_path):
    """A video of two frames."""
    return video_of(camera, tmp_path / "clip.avi", 2)


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out"


@pytest.fixture
def empty_cache(compiled_networks, tmp_path):
    """The environment of a user without models, whose networks are compiled once for all tests."""
    return cache_without_models(tmp_path / "cache", compiled_networks)


def cache_without_models(folder, compiled):
    (folder / "posezoo").mkdir(parents=True)
    (folder / "posezoo" / "compiled").symlink_to(compiled)
    return {"XDG_CACHE_HOME": str(folder)}


@pytest.fixture
def mirrored(mirror, empty_cache):
    return {"POSEZOO_MIRROR": str(mirror), **empty_cache}


@pytest.fixture
def npm_mirrored(npm_mirror, empty_cache):
    return {"POSEZOO_MIRROR": str(npm_mirror), **empty_cache}


@pytest.fixture
def camera(mirror, tmp_path):
    path = tmp_path / "camera.png"
    shutil.copy(by_digest(mirror, CAMERA), path)
    return path


@pytest.fixture(scope="module")
def first_run(npm_mirror, compiled_networks, tmp_path_factory):
    """The command without arguments of a user without models: the cache, the results and what it printed."""
    folder = tmp_path_factory.mktemp("first")
    environ = cache_without_models(folder / "cache", compiled_networks)
    environ |= {"POSEZOO_MIRROR": str(npm_mirror), "POSEZOO_DEFAULT": DEFAULT_MODEL}
    ended = succeeded(posezoo("run", "-o", folder / "out", **environ))
    return folder / "cache", folder / "out", ended.stdout, ended.stderr


def test_the_first_run_prints_at_most_eight_lines_and_no_address(first_run):
    _, out, printed, told = first_run
    lines = [line.replace(str(out), "quickstart") for line in (printed + told).splitlines()]
    assert len(lines) <= 8
    assert [line for line in lines if len(line) > 120 or "://" in line] == []
    assert [line.partition(" (")[0] for line in lines if line.endswith(", converted, checked")] == [
        DEFAULT_MODEL,
        DEFAULT_DETECTOR,
    ]


def test_without_arguments_it_finds_the_poses_in_the_two_sample_photos(first_run):
    _, out, printed, _ = first_run
    told = read_json(out / "poses.json")
    assert (told["model"], told["people_from"]) == (DEFAULT_MODEL, DEFAULT_DETECTOR)
    assert [Path(each["image"]).name for each in told["images"]] == ["astronaut.png", "camera.png"]
    assert [len(each["poses"]) for each in told["images"]] == [1, 1]
    assert told["executed_precision"] == "f32"
    assert list(told["seconds"]) == STAGES
    for each in told["images"]:
        picture, image = cv2.imread(each["picture"]), cv2.imread(each["image"])
        assert picture.shape == image.shape
        assert (picture != image).any(axis=2).mean() > 0.005
    assert "## Self-Check" in Path(told["card"]).read_text(encoding="utf-8")
    for line in ("poses.json  their keypoints", "in f32", "poses "):
        assert line in printed


def test_the_second_run_needs_no_host_and_changes_no_file_of_the_cache(first_run, out):
    cache, *_ = first_run
    made = times_of_files(cache)
    environ = {"POSEZOO_MIRROR": "http://127.0.0.1:9", "POSEZOO_DEFAULT": DEFAULT_MODEL}
    again = succeeded(posezoo("run", "-o", out, XDG_CACHE_HOME=str(cache), **environ))
    assert again.stderr == ""
    assert times_of_files(cache) == made


def times_of_files(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def test_after_a_get_of_one_precision_it_converts_nothing(npm_mirrored, out):
    succeeded(
        posezoo("get", DEFAULT_MODEL, DEFAULT_DETECTOR, "--precisions", "FP16", **npm_mirrored)
    )
    ran = posezoo("run", "-o", out, **npm_mirrored, POSEZOO_DEFAULT=DEFAULT_MODEL)
    assert (ran.returncode, ran.stderr) == (0, "")


@pytest.fixture(scope="module")
def without_npm(mirror, blazepose, compiled_networks, tmp_path_factory):
    """A mirror without the models of npm packages; another model is converted already."""
    cache = tmp_path_factory.mktemp("cache")
    environ = cache_without_models(cache, compiled_networks)
    shutil.copytree(blazepose.output_dir, cache / "posezoo" / "models")
    return {"POSEZOO_MIRROR": str(mirror), **environ}


def test_what_a_mirror_has_runs_and_the_results_say_why(without_npm, camera, out):
    ended = succeeded(posezoo("run", "-i", camera, "-o", out, **without_npm))
    why = "it is the first that the mirror has"
    assert why not in ended.stdout + ended.stderr
    results = read_json(out / "poses.json")
    assert results["chosen"] == {"name": "pose-measured", "why": why}
    assert results["model"] == open_registry().find("pose-measured").name
    succeeded(posezoo("run", OTHER_MODEL, "-i", camera, "-o", out, **without_npm))
    assert "chosen" not in read_json(out / "poses.json")


def test_the_setting_default_names_the_model(without_npm, out):
    succeeded(posezoo("run", "-o", out, **without_npm, POSEZOO_DEFAULT=OTHER_MODEL))
    why = "the setting default names it"
    assert read_json(out / "poses.json")["chosen"] == {"name": OTHER_MODEL, "why": why}
    assert f"  {OTHER_MODEL}: the setting default names it" in (
        posezoo("doctor", POSEZOO_DEFAULT=OTHER_MODEL).stdout.splitlines()
    )


@pytest.mark.parametrize(
    ("registry", "npm"),
    [
        ("https://registry.invalid", ", npm's registry did not answer"),
        pytest.param("not a URL", "", id="a registry that is not asked"),
    ],
)
def test_a_first_run_without_any_host_ends_with_two_lines(out, registry, npm):
    ended = posezoo("run", "-o", out, npm_config_registry=registry)
    assert (ended.returncode, ended.stdout) == (1, "")
    error, hint = ended.stderr.splitlines()
    assert error == (
        "error: no default model is available: download.openmmlab.com did not answer,"
        f" raw.githubusercontent.com did not answer{npm}"
    )
    assert hint.startswith("  hint: check the network connection and what posezoo doctor says, or")


def test_a_detector_that_is_out_of_reach_makes_its_model_unavailable(first_run, tmp_path, out):
    cache, *_ = first_run
    model = Path("public", DEFAULT_MODEL)
    shutil.copytree(cache / "posezoo" / "models" / model, tmp_path / "models" / model)
    places = ("--weights_dir", tmp_path / "models")
    ended = posezoo("run", "-o", out, *places, XDG_CACHE_HOME=str(tmp_path / "empty"))
    assert ended.returncode == 1
    assert "no default model is available: " in ended.stderr
    assert "npm's registry did not answer" in ended.stderr


def test_a_default_model_with_a_wrong_digest_does_not_give_way_to_another(camera, tmp_path, out):
    """Somebody may have changed it: that is not a registry that is out of reach."""
    with Server() as server:
        url = server.serve("net.tflite", b"xyz")
        file = {"name": "net.tflite", "size": 3, "checksum": "0" * 96, "source": url}
        write_model(tmp_path / "models", DEFAULT_MODEL, model_yml(files=[file]))
        places = ("--models_dir", tmp_path / "models", "--weights_dir", out)
        ended = posezoo("run", "--input", camera, *places, "--allow_http")
    assert ended.returncode == 1
    assert "the digest of the download is" in ended.stderr and OTHER_MODEL not in ended.stderr


@pytest.mark.skipif(shutil.which("unshare") is None, reason="needs unshare")
def test_without_a_network_a_mirror_is_enough(mirrored, out):
    command = ["unshare", "-rn", sys.executable, "-m", "posezoo", "run", "-o", out]
    succeeded(run_process(command, env={**os.environ, **mirrored}))
    assert (out / "camera_poses.png").is_file()


def run(xml, *args):
    """With a network of the user, who knows that there is one person in each picture."""
    return posezoo("run", xml, "--detector", "none", *args)


def run_blazepose(blazepose, *args, model="blazepose-full"):
    return posezoo("run", model, "--download_dir", blazepose.output_dir, *args)


def test_int8_that_a_model_does_not_have_leads_to_the_one_that_it_has(empty_cache, tmp_path):
    quantize = "posezoo quantize {} --images PHOTOS"
    for model, start in (("movenet-thunder", "choose FP16-INT8; or: "), ("movenet-lightning", "")):
        said = refusal(posezoo("run", model, "--precision", "FP32-INT8", **empty_cache))
        assert f"no conversion makes FP32-INT8, and {tmp_path}" in said
        assert said.endswith(f"  hint: {start}{quantize.format(model)}\n")


def test_images_are_named_as_files_folders_and_globs(seeker_ir, camera, tmp_path, out):
    (tmp_path / "folder").mkdir()
    shutil.copy(camera, tmp_path / "folder" / "a.png")
    shutil.copy(camera, tmp_path / "folder" / "b.PNG")
    (tmp_path / "folder" / "notes.txt").write_text("no image")
    args = (
        "-i",
        camera,
        tmp_path / "folder",
        tmp_path / "folder" / "a*.png",
        "-o",
        out,
    )
    ended = succeeded(run(seeker_ir, *args, "--format", "json"))
    images = [Path(load["picture"]).name for load in json_of(ended)["images"]]
    assert images == ["camera_poses.png", "a_poses.png", "b_poses.png", "a_poses_2.png"]


@pytest.mark.parametrize("verb", ["run", "demo"])
@pytest.mark.parametrize(
    ("target", "problem"),
    [
        ("nowhere.jpg", "is a link that leads nowhere: there is no nowhere.jpg"),
        ("link.jpg", "is a link that leads back to itself"),
    ],
)
def test_a_link_that_leads_to_no_file_is_said_to_be_one(tmp_path, verb, target, problem):
    (tmp_path / "link.jpg").symlink_to(target)
    silent = ("-no_show",) if verb == "demo" else ()
    said = refusal(posezoo(verb, "--input", "link.jpg", *silent, cwd=tmp_path))
    assert problem in said and "did you mean" not in said


@pytest.fixture
def disk_of_1_mb(tmp_path):
    with small_disk(tmp_path / "disk", "1m") as disk:
        yield disk


def shown_names(folder):
    """The names in a folder, without the hidden ones."""
    return sorted(path.name for path in folder.glob("[!.]*"))


def copies_of(photo, folder, count):
    folder.mkdir()
    for number in range(count):
        shutil.copy(photo, folder / f"{number:02}.png")
    return folder


@pytest.mark.parametrize("left", [60_000, 250_000])
def test_after_a_full_disk_the_same_command_continues(seeker_ir, disk_of_1_mb, tmp_path, left):
    """The disk is full at a picture, or at poses.json."""
    photos = seeker.write_photos(tmp_path / "photos", 12)
    other = disk_of_1_mb / "other"
    other.write_bytes(bytes((1 << 20) - left))
    out = disk_of_1_mb / "out"
    assert (
        refusal(run(seeker_ir, "-i", photos, "-o", out)).count(
            "cannot be written: No space left on device"
        )
        == 1
    )
    count = len(list(out.glob("*.png")))  # the last one may have no poses
    assert not (out / "poses.json").exists()
    other.unlink()
    again = succeeded(run(seeker_ir, "-i", photos, "-o", out))
    lines = [f"continues: {done} of 12 photos are done\n" for done in (count - 1, count)]
    assert again.stderr in lines
    images = read_json(out / "poses.json")["images"]
    assert [Path(each["image"]).name for each in images] == [f"{n:02}.png" for n in range(12)]


def results_in(folder):
    """The bytes of all results by their names, without the seconds that the run took."""
    results = {name: (folder / name).read_bytes() for name in shown_names(folder)}
    results["poses.json"] = re.sub(rb'"seconds": {.*},\n', b"", results["poses.json"])
    return results


@pytest.fixture(scope="module")
def whole_run(seeker_ir, tmp_path_factory):
    """A command on 100 photos, and what it wrote."""
    folder = tmp_path_factory.mktemp("whole")
    photos = seeker.write_photos(folder / "photos", 100)
    words = ["run", seeker_ir, "--detector", "none", "-i", photos, "-o", "out"]
    succeeded(posezoo(*words, cwd=folder))
    return words, results_in(folder / "out")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_run_that_was_ended_continues_to_the_results_of_a_whole_one(whole_run, tmp_path, number):
    words, whole = whole_run
    parts = tmp_path
    child = start_posezoo(*words, cwd=parts)
    wait_until(lambda: len(list(parts.glob("out/*.png"))) > 3)
    child.send_signal(number)
    _, errors = child.communicate(timeout=HANG_S)
    if number == signal.SIGINT:
        assert child.returncode == 130
        assert "the same command continues with photos" in errors
    assert not (parts / "out" / "poses.json").exists()
    first = parts / "out" / "00_poses.png"
    written = first.stat().st_mtime_ns
    again = posezoo(*words, cwd=parts)
    done = re.fullmatch(r"continues: (\d+) of 100 photos are done\n", again.stderr)
    assert done and 3 <= int(done[1]) < 100
    assert first.stat().st_mtime_ns == written
    assert results_in(parts / "out") == whole


@pytest.fixture
def ended_early(seeker_ir, tmp_path):
    """Ten photos, and the results of a run that could not write poses.json."""
    photos = seeker.write_photos(tmp_path / "photos", 10)
    out = tmp_path / "out"
    (out / "poses.json").mkdir(parents=True)
    refusal(run(seeker_ir, "-i", photos, "-o", out))
    (out / "poses.json").rmdir()
    return photos, out


def test_photos_are_done_again_if_they_or_their_pictures_changed(seeker_ir, ended_early):
    photos, out = ended_early
    before = (out / "03_poses.png").read_bytes()
    shutil.copy(photos / "04.png", photos / "03.png")
    shutil.copy(photos / "04.png", photos / "035.png")
    (out / "05_poses.png").unlink()
    ended = run(seeker_ir, "-i", photos, "-o", out)
    again = "continues: 8 of 11 photos are done; 2 changed since, and are done again\n"
    assert (ended.returncode, ended.stderr) == (0, again)
    images = read_json(out / "poses.json")["images"]
    assert [Path(each["image"]).stem for each in images[3:6]] == ["03", "035", "04"]
    assert images[3]["poses"] == images[4]["poses"] == images[5]["poses"]
    assert (out / "03_poses.png").read_bytes() != before
    assert (out / "05_poses.png").is_file()


def test_a_whole_line_is_believed_whoever_wrote_it_until_force_begins_anew(seeker_ir, ended_early):
    photos, out = ended_early
    (journal,) = out.glob("poses-*.jsonl")
    heading, *lines = journal.read_bytes().splitlines()
    said = json.loads(lines[3])
    right = said["result"]["poses"]
    said["result"]["poses"] = []
    incomplete = {**json.loads(lines[4]), "result": {"poses": "none"}}
    lines[3:5] = [json.dumps(said).encode(), json.dumps(incomplete).encode()]
    lines[5] = lines[5][:-9]
    journal.write_bytes(b"\n".join([heading, *lines]))
    content = journal.read_bytes()
    ended = run(seeker_ir, "-i", photos, "-o", out)
    again = "continues: 8 of 10 photos are done; 1 changed since, and are done again\n"
    assert (ended.returncode, ended.stderr) == (0, again)
    images = read_json(out / "poses.json")["images"]
    assert images[3]["poses"] == [] and all(image["poses"] for image in (*images[:3], *images[4:]))
    journal.write_bytes(content)
    ended = run(seeker_ir, "-i", photos, "-o", out, "--force")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert read_json(out / "poses.json")["images"][3]["poses"] == right
    assert not journal.exists()


def test_poses_that_the_user_edited_are_kept(seeker_ir, camera, out):
    succeeded(run(seeker_ir, "-i", camera, "-o", out))
    path = out / "poses.json"
    edited = json.dumps({**read_json(path), "my_labels": ["hours of work"]})
    path.write_text(edited)
    ended = succeeded(run(seeker_ir, "-i", camera, "-o", out))
    assert f"{path}: is not as posezoo wrote it: kept as poses.json.bak1" in ended.stderr
    assert path.with_name("poses.json.bak1").read_text() == edited
    succeeded(run(seeker_ir, "-i", camera, "-o", out))
    assert not path.with_name("poses.json.bak2").exists()


def test_a_picture_on_which_the_network_fails_is_reported_and_the_others_are_processed(
    tmp_path, out
):
    picky = write_picky_pose_ir(tmp_path / "picky.xml")
    pictures = write_pictures(tmp_path / "pictures")
    movenet = (picky, "--as", "movenet-lightning", "--detector", "none")
    ended = run(*movenet, "-i", pictures, "-o", out, "--format", "json")
    assert ended.returncode == 1
    (failed,) = json_of(ended)["failed"]
    assert failed["image"] == str(pictures / "b.png")
    assert failed["reason"].startswith(f"{pictures / 'b.png'}: {picky}: CPU failed: ")
    assert f"error: {failed['reason']}\n" in ended.stderr
    noses = {
        Path(row["image"]).stem: row["poses"][0]["keypoints"][0]["score"]
        for row in json_of(ended)["images"]
    }
    assert noses == {"a": pytest.approx(200 / 255), "c": pytest.approx(100 / 255)}


def test_a_damaged_photo_is_one_line_of_error(seeker_ir, tmp_path, out):
    (tmp_path / "cut.webp").write_bytes(b"RIFF\x20\0\0\0WEBPVP8 " + bytes(60))
    words = (seeker_ir, "--detector", "none", "-i", tmp_path / "cut.webp", "-o", out)
    # OpenCV reads how much it may say when it is imported.
    ended = posezoo_process("run", *words)
    assert ended.returncode == 1
    (line,) = ended.stderr.splitlines()
    assert line.startswith(f"error: {tmp_path}/cut.webp: the image is damaged, or of a kind")
    assert ended.stdout == ""


def test_a_broken_video_is_reported_and_the_others_are_played_also_those_of_a_glob(
    seeker_ir, camera, tmp_path, out
):
    clips = tmp_path / "clips"
    clips.mkdir()
    video_of(camera, clips / "good.avi")
    broken = clips / "walk: second take.avi"
    broken.write_bytes(bytes(10_000))
    problem = f"error: {broken}: is not an image, and not a video that FFmpeg can play\n"
    for inputs in ([broken, clips / "good.avi"], [clips / "*.avi"]):
        ended = run(seeker_ir, "-i", *inputs, "-o", out, "--format", "json")
        assert ended.returncode == 1 and problem in ended.stderr
        told = json_of(ended)
        assert [(video["video"], video["frames"]) for video in told["videos"]] == [
            (str(clips / "good.avi"), 6)
        ]
        assert [failed["video"] for failed in told["failed"]] == [str(broken)]
    alone = run(seeker_ir, "-i", broken, "-o", tmp_path / "none")
    assert (alone.returncode, alone.stdout) == (1, "") and problem in alone.stderr
    assert not (tmp_path / "none").exists()


def test_an_input_is_never_overwritten_by_its_annotated_image(seeker_ir, camera, tmp_path):
    actual = camera.rename(tmp_path / "camera_poses.png")
    before = actual.read_bytes()
    shutil.copy(actual, tmp_path / "camera.png")
    succeeded(run(seeker_ir, "-i", actual, tmp_path / "camera.png", "-o", tmp_path))
    assert actual.read_bytes() == before


def test_an_empty_folder_an_unknown_device_and_a_full_folder_are_one_line_each(
    seeker_ir, camera, tmp_path
):
    (tmp_path / "empty").mkdir()
    cases = {
        ("-i", tmp_path / "empty"): "no image to work on: ",
        ("-i", camera, "--device", "GPUU"): "no device 'GPUU' was found",
        ("-i", camera, "-o", camera / "out"): "cannot be written",
    }
    for args, problem in cases.items():
        said = refusal(run(seeker_ir, *args))
        assert problem in said
        assert "Traceback" not in said


def test_a_result_with_a_name_that_is_too_long_is_reported_and_the_others_are_written(
    seeker_ir, camera, tmp_path, out, clip
):
    photos = copies_of(camera, tmp_path / "photos", 1)
    shutil.copy(camera, photos / f"{'n' * 251}.png")
    long = shutil.copy(clip, tmp_path / f"{'n' * 251}.avi")
    said = refusal(run(seeker_ir, "-i", photos, long, clip, "-o", out))
    assert "n_poses.json: cannot be written: File name too long\n" in said
    assert "n_poses.png: cannot be written: File name too long\n" in said
    assert "hint: choose a shorter name" in said
    told = read_json(out / "poses.json")
    assert [len(told["images"]), len(told["videos"]), len(told["failed"])] == [1, 1, 2]


@pytest.mark.parametrize("name", ["out.gif", "out.webm"])
def test_a_format_that_is_not_written_does_not_become_a_folder(seeker_ir, camera, tmp_path, name):
    assert f"error: {tmp_path / name}: files with suffix {name[3:]} cannot be" in refusal(
        run(seeker_ir, "-i", camera, "-o", tmp_path / name)
    )
    assert not (tmp_path / name).exists()
    (tmp_path / name).mkdir()
    succeeded(run(seeker_ir, "-i", camera, "-o", tmp_path / name))
    assert (tmp_path / name / "camera_poses.png").is_file()


@pytest.mark.skipif(os.name == "nt", reason="needs a POSIX system")
def test_a_picture_goes_through_a_pipe_which_is_not_replaced(seeker_ir, camera, tmp_path):
    pipe = tmp_path / "pipe.png"
    os.mkfifo(pipe)
    with (tmp_path / "received.png").open("wb") as received:
        reader = subprocess.Popen(["cat", pipe], stdout=received)
        ended = run(seeker_ir, "-i", camera, "-o", pipe)
        assert reader.wait(timeout=HANG_S) == 0
    assert ended.returncode == 0, ended.stderr
    assert pipe.is_fifo() and cv2.imread(str(tmp_path / "received.png")).shape == (512, 512, 3)


def test_a_model_without_a_decoder_is_refused(blazepose, camera):
    assert refusal(
        run_blazepose(blazepose, "-i", camera, model="pose-detection-mediapipe")
    ).startswith("error: pose-detection-mediapipe")


@pytest.mark.parametrize("after_s", [soak(0.4), 0.9, soak(1.4)])
def test_a_kill_at_any_moment_leaves_no_incomplete_file_under_a_final_name(
    mirrored, empty_cache, after_s, out
):
    run = ["run", "blazepose-full", "-o", out]
    child = start_posezoo(*run, **mirrored)
    time.sleep(after_s)
    child.send_signal(signal.SIGKILL)
    child.communicate(timeout=HANG_S)
    checked = posezoo("verify", "--all", "--format", "json", **empty_cache)
    states = {load["artifact"]: load["state"] for load in json_of(checked)["artifacts"]}
    # An .xml without its record yet is whole: the pair is published before its provenance.json.
    assert "changed" not in states.values()
    for image in out.glob("*.png"):
        assert cv2.imread(str(image)) is not None
    succeeded(posezoo(*run, **mirrored))
    checked = posezoo("verify", "blazepose-full", **empty_cache)
    assert checked.returncode == 0, checked.stdout
    poses = read_json(out / "poses.json")
    assert np.isfinite(np.array([pose["poses"][0]["score"] for pose in poses["images"]])).all()


def video_of(photo, path, frames=6):
    """A video in which the photo moves to the right."""
    image = cv2.resize(cv2.imread(str(photo)), (256, 256))
    return write_frames(path, [np.roll(image, 2 * number, axis=1) for number in range(frames)])


def test_a_video_gives_an_annotated_video_and_the_keypoints_of_each_frame(
    seeker_ir, camera, tmp_path, out
):
    clip = video_of(camera, tmp_path / "clip.avi")
    ended = succeeded(run(seeker_ir, "-i", clip, camera, "-o", out))
    assert f"{out / 'clip_poses.mp4'}  6 frames, at most 1 person in one\n" in ended.stdout
    told = read_json(out / "poses.json")
    assert [Path(each["picture"]).name for each in told["images"]] == ["camera_poses.png"]
    (video,) = told["videos"]
    assert (video["frames"], video["people"], video["width"], video["height"]) == (6, 1, 256, 256)
    frames = read_json(Path(video["keypoints"]))["frames"]
    assert [each["frame"] for each in frames] == [0, 1, 2, 3, 4, 5]
    assert [each["seconds"] for each in frames] == [0, 0.04, 0.08, 0.12, 0.16, 0.2]
    assert all(len(each["poses"]) == 1 for each in frames)
    annotated, plain = read_video(out / "clip_poses.mp4"), read_video(clip)
    assert len(annotated) == 6
    assert (cv2.absdiff(annotated[3], plain[3]).max(axis=2) > 60).mean() > 0.005
    short = run(seeker_ir, "-i", clip, "-o", out, "--limit", "2", "--format", "json")
    assert [each["frames"] for each in json_of(short)["videos"]] == [2]


def test_a_video_without_times_has_those_of_the_stated_rate(seeker_ir, camera, tmp_path, out):
    """As an ESP32 or ``curl`` saves the stream of a camera."""
    raw = tmp_path / "esp32.mjpeg"
    encoded = cv2.imencode(".jpg", cv2.imread(str(camera)))[1].tobytes()
    raw.write_bytes(encoded * 4)
    ended = succeeded(run(seeker_ir, "-i", raw, "-o", out))
    assert "does not state times: 25 frames per second (--fps) are assumed" in ended.stderr
    ended = succeeded(run(seeker_ir, "-i", raw, "-o", out, "--fps", "10"))
    assert "does not state times" not in ended.stderr
    frames = read_json(out / "esp32_poses.json")["frames"]
    assert [each["seconds"] for each in frames] == [0, 0.1, 0.2, 0.3]
    video = cv2.VideoCapture(str(out / "esp32_poses.mp4"))
    assert video.get(cv2.CAP_PROP_FPS) == 10
    video.release()


def test_a_video_that_cannot_be_drawn_leaves_no_keypoints_that_look_complete(
    seeker_ir, tmp_path, out
):
    wide = np.zeros((32, 16_500, 3), np.uint8)  # MPEG-4 allows 8191, and x264 16,384
    video = write_frames(tmp_path / "wide.avi", [wide] * 3)
    assert "no video of 16500x32 can be written there" in refusal(
        run(seeker_ir, "-i", video, "-o", out)
    )
    assert not (out / "wide_poses.json").exists()


def test_pictures_are_drawn_with_the_options_of_draw(seeker_ir, camera, tmp_path):
    pictures = []
    for number, words in enumerate(((), ("thickness=9",), ("thickness=9", "boxes=yes"))):
        draws = ("--draw", *words) if words else ()
        out = tmp_path / f"{number}.png"
        succeeded(run(seeker_ir, "-i", camera, "-o", out, *draws))
        pictures.append(cv2.imread(str(out)))
    for one, other in pairwise(pictures):
        assert (one != other).any()
    assert "got 'color=blue'" in refusal(
        run(seeker_ir, "-i", camera, "--draw", "color=blue"), code=2
    )


def test_poses_that_are_not_drawn_are_not_counted(seeker_ir, camera, tmp_path, out):
    clip = video_of(camera, tmp_path / "clip.avi")
    seen = run(seeker_ir, "-i", camera, clip, "-o", out)
    picture, film = out / "camera_poses.png", out / "clip_poses.mp4"
    assert f"{picture}  1 person\n" in seen.stdout
    assert f"{film}  6 frames, at most 1 person in one\n" in seen.stdout
    assert "\nhint" not in seen.stdout
    hidden = run(seeker_ir, "-i", camera, clip, "-o", out, "--min_score", "1")
    assert f"{picture}  0 people\n" in hidden.stdout
    assert f"{film}  6 frames, nobody was found\n" in hidden.stdout
    assert "\nhint: poses of fewer than three visible keypoints are not drawn;" in hidden.stdout
    told = read_json(out / "poses.json")
    assert [pose["drawn"] for pose in told["images"][0]["poses"]] == [False]
    assert told["videos"][0]["people"] == 0


def test_people_in_a_video_are_numbered_and_published_as_they_are_found(
    blazepose, camera, tmp_path, out
):
    clip = video_of(camera, tmp_path / "clip.avi")
    words = ("-i", clip, "-o", out, "--smooth", "--json_lines", "-")
    ended = succeeded(run_blazepose(blazepose, *words))
    assert "  6 frames, at most 1 person in one\n" in ended.stderr
    lines = [json.loads(line) for line in ended.stdout.splitlines()]
    assert [line["frame"] for line in lines] == [0, 1, 2, 3, 4, 5]
    assert [pose["track_id"] for line in lines for pose in line["poses"]] == [1] * 6
    frames = read_json(out / "clip_poses.json")["frames"]
    assert [line["poses"] for line in lines] == [frame["poses"] for frame in frames]


def test_the_output_of_one_input_may_be_named(seeker_ir, camera, tmp_path, clip):
    for source, name in ((clip, "out.mp4"), (camera, "out.jpg"), (clip, "out.mp4")):
        told = succeeded(run(seeker_ir, "-i", source, "-o", tmp_path / name, "--format", "json"))
        (row,) = [*json_of(told)["images"], *json_of(told)["videos"]]
        assert (row["picture"], row.get("keypoints")) == (str(tmp_path / name), None)
    assert len(read_video(tmp_path / "out.mp4")) == 2
    assert cv2.imread(str(tmp_path / "out.jpg")).shape == cv2.imread(str(camera)).shape
    assert not (tmp_path / "poses.json").exists()


@pytest.mark.parametrize("name", ["k.csv", "k.json", "k.jsonl"])
def test_keypoints_of_photos_and_a_video_are_one_file_and_nothing_is_drawn(
    seeker_ir, camera, clip, tmp_path, name
):
    out = tmp_path / "out" / name
    ended = succeeded(run(seeker_ir, "-i", camera, clip, "-o", out))
    described = dict(re.split("  +", line, maxsplit=1) for line in ended.stdout.splitlines()[:3])
    assert described == {
        str(camera): "1 person",
        str(clip): "2 frames, at most 1 person in one",
        str(out): "their keypoints",
    }
    assert shown_names(out.parent) == [name]
    if name == "k.json":
        content = read_json(out)
        assert [image["image"] for image in content["images"]] == [str(camera)]
        assert [frame["frame"] for frame in content["frames"]] == [0, 1]
        assert content["videos"][0]["frames"] == 2 and content["provenance"]
        return
    if name == "k.jsonl":
        photo, first, _ = map(json.loads, out.read_text().splitlines())
        assert (photo["image"], first["name"]) == (str(camera), str(clip))
        assert photo["provenance"] and "provenance" not in first
        return
    with out.open(newline="") as file:
        rows = list(csv.DictReader(file))
    places = [(row["file"], row["frame"], row["seconds"], row["person"]) for row in rows]
    of_clip = [(str(clip), "0", "0", "0"), (str(clip), "1", "0.04", "0")]
    assert places == [(str(camera), "", "", "0"), *of_clip]


def test_rows_of_a_file_those_printed_and_json_have_the_same_numbers(seeker_ir, camera, tmp_path):
    succeeded(run(seeker_ir, "-i", camera, "-o", tmp_path / "k.csv"))
    printed = succeeded(run(seeker_ir, "-i", camera, "-o", tmp_path / "out", "--format", "csv"))
    assert printed.stdout == (tmp_path / "k.csv").read_text()
    assert (tmp_path / "out" / "camera_poses.png").is_file()
    (row,) = csv.DictReader(printed.stdout.splitlines())
    ((pose,),) = (image["poses"] for image in read_json(tmp_path / "out" / "poses.json")["images"])
    for keypoint in pose["keypoints"]:
        for key in ("x", "y", "score"):
            assert np.float32(row[f"{keypoint['name']}_{key}"]) == np.float32(keypoint[key])


def test_a_stream_of_rows_that_nothing_reads_any_more_ends(seeker_ir, camera, tmp_path):
    clip = video_of(camera, tmp_path / "clip.avi", 50)
    words = ("run", seeker_ir, "--detector", "none", "-i", clip, "-o", tmp_path / "out")
    child = start_posezoo(*words, "--format", "csv")
    assert child.stdout.readline().startswith("file,frame,")
    child.stdout.close()
    _, errors = child.communicate(timeout=HANG_S)
    assert "Traceback" not in errors


@pytest.mark.parametrize("name", ["out.mp4", "out.jpg"])
def test_one_output_for_several_inputs_is_refused(seeker_ir, camera, tmp_path, name, clip):
    said = refusal(run(seeker_ir, "-i", clip, camera, "-o", tmp_path / name))
    assert f"{name}: is the name of one" in said and "hint: name a folder" in said
    assert not (tmp_path / name).exists()


def test_an_output_without_a_name_is_wrong_usage(seeker_ir, camera, tmp_path):
    assert "argument -o/--output: expected a path, got an empty text" in refusal(
        run(seeker_ir, "-i", camera, "-o", ""), code=2
    )


@pytest.mark.parametrize("name", ["poses.json", "camera_poses.png", "clip_poses.mp4"])
def test_files_of_the_user_in_the_folder_of_the_results_stay(seeker_ir, camera, name, out, clip):
    out.mkdir()
    (out / name).write_bytes(b"mine")
    words = ("-i", camera, clip, "-o", out, "--quiet")
    ended = succeeded(run(seeker_ir, *words))
    kept = f"{out / name}: is not as posezoo wrote it: kept as {name}.bak1"
    assert kept in ended.stderr
    assert (out / f"{name}.bak1").read_bytes() == b"mine"
    assert (out / name).read_bytes() != b"mine"
    assert "kept as" not in run(seeker_ir, *words).stderr  # the same command again


def test_an_address_of_an_image_or_a_video_is_downloaded(seeker_ir, camera, tmp_path, out, clip):
    with Server() as server:
        photo = server.serve("me.png", camera.read_bytes())
        video = server.serve("clip.avi?token=0123", clip.read_bytes())
        ended = run(seeker_ir, "-i", photo, video, "-o", out)
        missing = run(seeker_ir, "-i", server.url("missing.png"), "-o", tmp_path / "no")
    assert ended.returncode == 0, ended.stderr
    assert f"{tmp_path / 'out' / 'me_poses.png'}  1 person\n" in ended.stdout
    assert "  2 frames" in ended.stdout and "0123" not in ended.stdout
    names = shown_names(out)
    assert names == ["clip_poses.json", "clip_poses.mp4", "me_poses.png", "poses.json"]
    assert missing.returncode == 1
    assert missing.stderr.startswith(f"error: {server.url('missing.png')}: HTTP 404")
    assert not (tmp_path / "no").exists()


def test_an_interrupt_ends_a_stream_and_keeps_its_frames(blazepose, out):
    with Server() as server:
        url = server.serve("camera", mjpeg(), headers=MJPEG, endless=True, without_length=True)
        words = ("run", "blazepose-full", "--download_dir", blazepose.output_dir)
        child = start_posezoo(*words, "-i", url, "-o", out)
        wait_until(
            lambda: any(
                path.stat().st_size > 2000 for path in out.glob(".posezoo-*/*_camera_poses.json")
            )
        )
        child.send_signal(signal.SIGINT)
        printed, _ = child.communicate(timeout=HANG_S)
    assert child.returncode == 130
    (video,) = read_json(out / "poses.json")["videos"]
    assert video["frames"] >= 1
    assert f"  {video['frames']} frame" in printed
    # A frame is shown until the next one came, so a slow machine repeats some.
    (drawn,) = out.glob("*_camera_poses.mp4")
    assert len(read_video(drawn)) >= video["frames"]


def test_a_checkpoint_is_run_by_its_path_or_for_a_named_network(
    empty_cache, shared, camera, tmp_path, out
):
    pytest.importorskip("torch", reason="needs torch")
    name = "mobile_pose_mobilenetv3_small"
    mine = tmp_path / "mine.params"
    shutil.copy(shared / "data" / "checkpoints" / f"{name}.params", mine)
    flags = ("--detector", "none", "-i", camera, "-o", out)
    for words in ((mine,), (name, "--checkpoint", mine), ("--checkpoint", mine)):
        succeeded(posezoo("run", *words, *flags, **empty_cache))
        assert read_json(out / "poses.json")["model"] == name


def skier(shared):
    return shared / "data" / "photos" / "000000000785.jpg"


def test_a_detector_alone_draws_boxes(mirrored, shared, out):
    succeeded(
        posezoo(
            "run",
            "person-detection-retail-0013",
            "-i",
            skier(shared),
            "-o",
            out,
            **mirrored,
        )
    )
    (answer,) = read_json(out / "poses.json")["images"]
    (person,) = answer["poses"]
    assert person["skeleton"] == "box" and person["keypoints"] == [] and person["score"] > 0.9
    changed = (cv2.imread(answer["picture"]) != cv2.imread(answer["image"])).any(axis=2)
    x0, y0, x1, _ = (int(side) for side in person["box"])
    assert changed[y0 - 1 : y0 + 2, x0:x1].mean() > 0.9


def write_clip(frames, folder):
    """A video, and a folder with its frames as photos."""
    clip, stills = write_frames(folder / "clip.avi", frames), folder / "stills"
    stills.mkdir()
    for number, frame in enumerate(read_video(clip)):
        cv2.imwrite(str(stills / f"{number:02}.png"), frame)
    return clip, stills


@pytest.mark.parametrize("verb", [("run",), ("demo", "-no_show", "-m")])
def test_without_a_detector_it_cannot_run_on_each_nth_frame(camera, tmp_path, verb):
    outputs = {"heatmaps": (1, 17, 64, 48)}
    xml = write_ir(tmp_path / "own.xml", outputs, image=(1, 3, 256, 192), states_images=False)
    clip = video_of(camera, tmp_path / "clip.avi")
    words = ("-i", clip, "-o", tmp_path / "out.mp4", "--as", "hrnet-w32", "--detector", "none")
    assert "error: --detect_every needs a detector, and own runs without one\n" in refusal(
        posezoo(*verb, xml, *words, "--detect_every", 2)
    )
    assert not (tmp_path / "out.mp4").exists()
    succeeded(posezoo(*verb, xml, *words))
    assert len(read_video(tmp_path / "out.mp4")) == 6


@pytest.mark.parametrize(
    ("model", "problem"),
    [
        ("movenet-multipose", "finds people itself, without a detector"),
        ("movenet-thunder", "runs without one"),
    ],
)
@pytest.mark.parametrize("verb", [("run",), ("demo", "-no_show", "-m")])
def test_that_is_refused_before_a_download(empty_cache, clip, verb, model, problem):
    words = ("-i", clip, "--detect_every", "2", "--detector", "none", "--attempts", "1")
    said = refusal(posezoo(*verb, model, *words, **empty_cache))
    assert said.startswith("error: --detect_every") and problem in said


def test_who_enters_a_video_is_found_within_three_frames_and_who_leaves_goes(
    npm_mirrored, photos, tmp_path
):
    """The camera pans from one person to another one."""
    scene = np.hstack([cv2.resize(photos[place][0], SIZE) for place in (-1, -3)])
    frames = [np.ascontiguousarray(scene[:, x : x + SIZE[0]]) for x in range(0, 641, 20)]
    clip, stills = write_clip(frames, tmp_path)
    lightning = ("run", "movenet-lightning", "--format", "json")
    ended = [
        posezoo(*lightning, "--track", "-i", clip, "-o", tmp_path / "video", **npm_mirrored),
        posezoo(*lightning, "-i", stills, "-o", tmp_path / "photos", **npm_mirrored),
    ]
    assert [each.returncode for each in ended] == [0, 0], ended
    told = read_json(tmp_path / "video" / "clip_poses.json")["frames"]
    numbers = [{pose.get("track_id") for pose in frame["poses"]} - {None} for frame in told]
    alone = [len(image["poses"]) for image in json_of(ended[1])["images"]]
    assert numbers[0] == {1} and numbers[-1] and 1 not in numbers[-1]
    first = alone.index(2)
    assert any(len(frame["poses"]) == 2 for frame in told[first : first + 3])


def test_a_video_has_the_people_that_its_frames_have_as_photos(npm_mirrored, photos, tmp_path):
    """One person, then a cut to four; the camera pans over both."""
    environ = {**npm_mirrored, "POSEZOO_DEFAULT": DEFAULT_MODEL}
    frames = [image for place in (-1, 11) for image, _ in pan(*photos[place], 10)]
    clip, stills = write_clip(frames, tmp_path)
    video = succeeded(posezoo("run", "-i", clip, "-o", tmp_path / "video", "--track", **environ))
    assert f"people from {DEFAULT_DETECTOR} (FP16)\n" in video.stdout
    succeeded(posezoo("run", "-i", stills, "-o", tmp_path / "photos", **environ))
    told = read_json(tmp_path / "video" / "clip_poses.json")["frames"]
    found = [len(frame["poses"]) for frame in told]
    alone = read_json(tmp_path / "photos" / "poses.json")["images"]
    expected = [len(image["poses"]) for image in alone]
    assert found[10] == expected[10] > 1  # at the cut
    assert sum(found) == pytest.approx(sum(expected), rel=0.1)
    numbers = {pose["track_id"] for frame in told[:10] for pose in frame["poses"]}
    assert numbers == {1}

    (followed,) = json_of(
        posezoo(
            *("run", "-i", clip, "-o", tmp_path / "one", "--detector", "none", "--format", "json"),
            **environ,
        )
    )["videos"]
    assert (followed["people"], followed["people_from"]) == (1, "tracking")


def test_if_nobody_is_found_it_names_the_detector_and_what_to_try(mirrored, camera, out):
    run = (
        "run",
        "movenet-singlepose-lightning-int8",
        "-i",
        camera,
        "-o",
        out,
        "--detector",
    )
    missed = succeeded(posezoo(*run, "person-detection-retail-0013", **mirrored))
    assert "0 people" in missed.stdout
    (hint,) = [line for line in missed.stdout.splitlines() if line.startswith("hint: ")]
    assert "person-detection-retail-0013 found no person with a score of 0.5 or more" in hint
    fallback = f"posezoo run {FALLBACK_MODEL} --input {camera}"
    for advice in ("--min_person_score 0.25", "--detector none", fallback):
        assert advice in hint
    found = succeeded(posezoo(*run, "blazepose-full", **mirrored))
    assert "0 people" not in found.stdout and "found no person" not in found.stdout


def test_keypoints_are_drawn_from_the_decoders_own_least_score(mirrored, shared, out):
    """MoveNet is seldom surer of a keypoint than 0.5, and mostly right from 0.2 on."""
    run = ("run", "movenet-singlepose-lightning-int8", "-i", skier(shared), "--detector", "none")
    drawn = {}
    for min_score in ((), ("--min_score", "0.2"), ("--min_score", "0.5")):
        succeeded(posezoo(*run, "-o", out, *min_score, **mirrored))
        drawn[min_score] = cv2.imread(str(out / "000000000785_poses.jpg"))
    own, low, high = drawn.values()
    assert (own == low).all()
    photo = cv2.imread(str(skier(shared))).astype(int)
    painted = [int((np.abs(image - photo).max(axis=2) > 60).sum()) for image in (own, high)]
    assert painted[0] > 1.5 * painted[1]


def test_masks_are_drawn_and_written_in_cocos_encoding(blazepose, camera, tmp_path):
    coco_masks = pytest.importorskip("pycocotools.mask")
    bare, masked = tmp_path / "bare", tmp_path / "masked"
    succeeded(run_blazepose(blazepose, "-i", camera, "-o", bare))
    succeeded(run_blazepose(blazepose, "-i", camera, "-o", masked, "--masks"))
    ((pose,),) = (each["poses"] for each in read_json(masked / "poses.json")["images"])
    mask = coco_masks.decode(pose["mask"]) > 0
    # The photographer is at the left, in front of the lawn.
    assert mask.shape == (512, 512) and mask[300, 100] and not mask[450, 400]
    assert 0.2 < mask.mean() < 0.4
    pictures = [cv2.imread(str(next(folder.glob("*.png")))) for folder in (bare, masked)]
    is_changed = (pictures[0] != pictures[1]).any(axis=2)
    # Limbs cover the mask.
    assert is_changed[mask].mean() > 0.8 and is_changed[~mask].mean() < 0.1


@pytest.mark.parametrize("verb", [("run",), ("demo", "-no_show", "-m")])
def test_a_model_without_masks_is_refused_before_it_is_downloaded(empty_cache, verb, camera):
    flags = ("-i", camera, "--masks", "--attempts", "1")
    error, hint = misuse(posezoo(*verb, "movenet-thunder", *flags, **empty_cache)).splitlines()
    assert error == "error: movenet-thunder: its network finds no masks"
    assert hint == "  hint: run BlazePose, which does: blazepose-full, of the registry posezoo"


def test_without_a_name_no_model_has_masks_and_the_error_names_one_that_does(empty_cache, camera):
    _, hint = misuse(posezoo("run", "-i", camera, "--masks", **empty_cache)).splitlines()
    assert hint == "  hint: run BlazePose, which does: blazepose-full, of the registry posezoo"


def test_an_ir_with_its_decoder_has_no_masks(blazepose, camera, mirror, tmp_path, out):
    places = ("--weights_dir", tmp_path, "--mirror", mirror)
    succeeded(posezoo("get", "pose-landmark-full-mediapipe", "--decode", *places))
    xml = next(tmp_path.rglob("FP16/pose-landmark-full-mediapipe.xml"))
    said = refusal(posezoo("run", xml, "-i", camera, "--masks", "-o", out))
    assert "contains the decoder" in said and "there are no masks" in said
    assert "hint: convert it without --decode" in said


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("plian.png", "there is no such file: did you mean plain.png?"),
        ("-", "the standard input is not read"),
        ("movenet-multipose", "a model stands before --input: posezoo run movenet-multipose"),
        ("gone/photos", "there is no such file: name images, folders or quoted globs"),
    ],
)
def test_an_input_that_does_not_exist_is_explained(tmp_path, name, hint):
    (tmp_path / "plain.png").touch()
    said = refusal(posezoo("run", "--input", name, cwd=tmp_path))
    assert f"error: no image to work on: {name}" in said
    assert "hint: " in said and hint in said


def test_the_network_that_ran_is_told_and_not_its_detector(mirror, tmp_path):
    xml = write_ir(tmp_path / "net.xml", {"maps": (1, 17, 16, 24)})
    environ = {"POSEZOO_MIRROR": f"{mirror}", "POSEZOO_WEIGHTS_DIR": f"{tmp_path / 'models'}"}
    said = ("--detector", "person-detection-retail-0013", "--output", tmp_path / "out")
    ran = succeeded(posezoo("run", xml, *said, cwd=tmp_path, **environ)).stdout
    assert f"ran {xml} (decoder heatmap) on CPU" in ran
