"""The demo by its flags: what it answers, writes and refuses, without a window."""

import json
import re
import shutil
import signal
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from conftest import ROOT, by_digest
from fakes.command import (
    json_of,
    misuse,
    python_file,
    refusal,
    run_process,
    start_posezoo,
    succeeded,
)
from fakes.irs import write_ir as write_output_ir
from fakes.picky_networks import write_picky_pose_ir, write_pictures
from fakes.scaling_irs import write_ir
from fakes.server import Server
from fakes.videos import MJPEG, mjpeg, read_video, write_frames, write_video
from fakes.waiting import HANG_S, wait_until
from posezoo.media import frame_outputs

SCRIPTS = ROOT / "demos" / "human_pose_estimation_demo" / "python"
SCRIPT = SCRIPTS / "human_pose_estimation_demo.py"
CAMERA = "bb53ccd861e8bcde0971f6914a9fff5f377077db4fe5aaec9c4d8a9b80e815f0aadb0c98c52ac998731b3b0ecfdccc04"
OPENPOSE = {"heatmaps": 19, "pafs": 38}
pytestmark = pytest.mark.usefixtures("networks_stay_compiled")


def demo(*args, show=False):
    """What Open Model Zoo's script answers, which is called in this process."""
    return python_file(SCRIPT, *args, *(() if show else ("-no_show",)))


@pytest.fixture
def tiny(tmp_path):
    """An OpenPose-like IR that finds nobody."""
    return write_ir(tmp_path / "tiny.xml", OPENPOSE)


@pytest.fixture
def photos(mirror, tmp_path):
    """A folder with one photographer, twice."""
    (tmp_path / "photos").mkdir()
    for name in ("a.png", "000000000042.png"):
        shutil.copy(by_digest(mirror, CAMERA), tmp_path / "photos" / name)
    return tmp_path / "photos"


@pytest.fixture(scope="session")
def models(tmp_path_factory):
    return tmp_path_factory.mktemp("models")


@pytest.fixture
def real(mirror, models, monkeypatch):
    """Models of the zoo come from the mirror, once."""
    monkeypatch.setenv("POSEZOO_MIRROR", str(mirror))
    monkeypatch.setenv("POSEZOO_WEIGHTS_DIR", str(models))


@pytest.fixture
def video(tmp_path):
    return write_video(tmp_path / "v.avi", 12)


REAL = ("-m", "human-pose-estimation-0001", "--precision", "FP16-INT8")


def read_lines(path):
    """The frames that --json_lines wrote."""
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


# The script


def test_the_script_runs_without_an_installation(tiny, video):
    code = (
        "import runpy, sys, importlib.util as util\n"
        "sys.meta_path = [each for each in sys.meta_path if 'editable' not in repr(each).lower()]\n"
        "sys.argv = sys.argv[1:]\n"
        "runpy.run_path(sys.argv[0], run_name='__main__')"
    )
    command = [sys.executable, "-c", code, SCRIPT, "-m", tiny, "-i", video, "-no_show"]
    ended = succeeded(run_process(command, env={"PATH": "", "HOME": str(video.parent)}))
    assert ended.stdout.startswith("12 frames\n")


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["-d", "FPGA"], "FPGA: OpenVINO's last version for it is 2020.3: use GPU or CPU"),
        (["-d", "HDDL"], "HDDL: OpenVINO's last version for it is 2022.3: use NPU, GPU or CPU"),
        (
            ["-d", "MULTI:MYRIAD.1.2-ma2480,CPU"],
            "MYRIAD: OpenVINO's last version for it is 2022.3: use NPU",
        ),
        (["-d", ""], "expected a device"),
        (["-nireq", "-1"], "expected a whole number from 0"),
        (["-nstreams", "CPU=4"], "expected 4, AUTO, or CPU:4,GPU:2, got 'CPU=4'"),
        (["-loop", "0"], "expected a whole number from 1"),
        (["-t", "1.5"], "expected a number from 0 to 1, got '1.5'"),
        (["-at", "yolo"], "invalid choice: 'yolo'"),
        (["-u", "cx"], "expected some of the letters c, d, m, h, got 'cx'"),
        (["--output_resolution", "1280"], "expected width and height as 1280x720"),
        (["--layout", "CHWN"], "expected NCHW or NHWC, got 'CHWN'"),
        (["--mean_values", "a", "b"], "expected numbers, got 'a'"),
    ],
)
def test_invalid_flags_are_wrong_usage(tiny, video, args, said):
    complaint = refusal(demo("-m", tiny, "-i", video, *args), code=2)
    assert said in complaint
    assert complaint.startswith("usage: ")
    assert len(complaint.splitlines()) == 2


def test_a_mean_for_two_of_three_channels_and_a_scale_of_0_are_wrong_usage(tiny, video):
    assert "--mean_values: expected one number, or one for each of 3 channels" in refusal(
        demo("-m", tiny, "-i", video, "--mean_values", "1", "2"), code=2
    )
    zero = demo("-m", tiny, "-i", video, "--scale_values", "1", "0", "1")
    assert "--scale_values: expected divisors" in refusal(zero, code=2)


@pytest.mark.parametrize(
    "flag", [("--mean_values", "1"), ("--reverse_input_channels",), ("--layout", "NCHW")]
)
def test_input_flags_are_refused_for_a_model_of_the_zoo(video, flag):
    assert f"{flag[0]}: only for an .xml" in refusal(
        demo("-m", "blazepose-full", "-i", video, *flag), code=2
    )


# Sources and their ends


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("missing.mp4", "missing.mp4: no such file or folder"),
        ("empty", "empty: no images there"),
        ("*.jpg", "*.jpg: no images there"),
        ("noise.mp4", "noise.mp4: is not an image, and not a video that FFmpeg can play"),
    ],
)
def test_a_missing_source_is_one_line_and_a_hint(tiny, tmp_path, name, said):
    (tmp_path / "empty").mkdir()
    (tmp_path / "noise.mp4").write_bytes(bytes(range(256)) * 10)
    error, hint = refusal(demo("-m", tiny, "-i", tmp_path / name)).splitlines()[-2:]
    assert error == f"error: {tmp_path}/{said}"
    assert hint.startswith("  hint: ")


def test_an_unreadable_image_is_reported_and_left_out_with_exit_code_1(tiny, photos, tmp_path):
    (photos / "b.png").write_bytes((photos / "a.png").read_bytes()[:5000])
    ended = demo("-m", tiny, "-i", photos, "-o", tmp_path / "out")
    assert ended.returncode == 1
    assert ended.stderr.count("b.png: the image file is incomplete") == 1
    assert ended.stdout.startswith("2 frames\n")
    assert sorted(path.name for path in (tmp_path / "out").glob("[!.]*")) == [
        "000000000042.png",
        "a.png",
    ]


@pytest.mark.parametrize("args", [("-nthreads", 1), ("-nireq", 3, "-nstreams", 1)])
def test_a_picture_on_which_the_network_fails_is_an_error_with_its_name(tmp_path, args):
    picky = write_picky_pose_ir(tmp_path / "picky.xml")
    pictures = write_pictures(tmp_path / "pictures")
    movenet = ("-m", picky, "--as", "movenet-lightning", "--detector", "none")
    ended = demo(*movenet, "-i", pictures, "-r", *args)
    assert ended.returncode == 1
    assert f"error: {pictures / 'b.png'}: {picky}: CPU failed: " in ended.stderr
    assert len(ended.stdout.splitlines()) == 1  # only a.png has a pose


def test_a_broken_video_keeps_the_results_so_far(tiny, tmp_path):
    video = write_video(tmp_path / "v.mkv", 30)
    video.write_bytes(video.read_bytes()[: video.stat().st_size * 2 // 3])
    assert "v.mkv: is truncated or damaged: it ended after" in refusal(
        demo(
            "-m",
            tiny,
            "-i",
            video,
            "-o",
            tmp_path / "out.avi",
            "--json_lines",
            tmp_path / "k.jsonl",
        )
    )
    assert 0 < len(read_lines(tmp_path / "k.jsonl")) == len(read_video(tmp_path / "out.avi")) < 30


def test_a_disconnected_camera_ends_the_demo(tiny, tmp_path):
    body = mjpeg(9)
    with Server() as server:
        address = server.serve(
            "camera", body, headers=MJPEG, without_length=True, cut_at=len(body) // 2
        )
        ended = demo("-m", tiny, "-i", address, "--reconnect", "1", "-o", tmp_path / "out.mp4")
    assert ended.returncode == 1
    assert f"error: {address}: was disconnected after " in ended.stderr
    written = int(re.search(r"out\.mp4: (\d+) written", ended.stdout)[1])
    assert 1 <= written <= len(read_video(tmp_path / "out.mp4"))


def test_endless_play_lasts_until_an_interrupt_and_keeps_the_results(tiny, video, tmp_path):
    lines = tmp_path / "k.jsonl"
    output = ("-o", tmp_path / "out.avi", "-limit", 20, "--json_lines", lines, "-r")
    running = start_posezoo("demo", "-m", tiny, "-i", video, "--loop", "-no_show", *output)
    wait_until(lambda: lines.exists() and lines.read_text().count("\n") > 20)
    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=HANG_S)
    assert running.returncode == 130, err
    assert "Traceback" not in err
    assert len(read_video(tmp_path / "out.avi")) == 20
    assert f"{len(read_lines(lines))} frames\n" in out


# What comes out


def test_poses_of_photos_are_drawn_and_written_in_every_format(real, photos, tmp_path):
    out, lines = tmp_path / "out", tmp_path / "k.jsonl"
    ended = succeeded(
        demo(*REAL, "-i", photos, "-o", out, "-r", "--json_lines", lines, "-t", "0.2")
    )
    assert "human-pose-estimation-0001 (FP16-INT8 IR) on CPU in i8: openpose" in ended.stderr
    raw = [line.split() for line in ended.stdout.splitlines() if line.count(" ") > 50]
    assert len(raw) == 2
    assert all(len(line) == 1 + 3 * 18 for line in raw)

    frames = read_lines(lines)
    assert [Path(frame["name"]).name for frame in frames] == ["000000000042.png", "a.png"]
    (first, *_), (second, *_) = (frame["poses"] for frame in frames)
    assert first == second
    nose = next(each for each in first["keypoints"] if each["name"] == "nose")
    assert (nose["x"], nose["y"]) == pytest.approx((230, 160), abs=25)
    assert raw[0][0] == f"{first['score']:.2f}"
    assert float(raw[0][1]) == pytest.approx(nose["x"], abs=0.1)

    image, photo = cv2.imread(str(out / "a.png")), cv2.imread(str(photos / "a.png"))
    assert image.shape == photo.shape
    assert (image != photo).any(axis=2).mean() > 0.01
    assert f"{out}: 2 written" in ended.stdout


def test_with_json_the_standard_output_has_only_the_summary(real, photos):
    ended = demo(*REAL, "-i", photos, "--format", "json", "-r", "-nireq", "2")
    told = json_of(ended)
    assert told["model"] == "human-pose-estimation-0001"
    assert (told["decoder"], told["device"], told["requests"]) == ("openpose", "CPU", 2)
    assert told["steps_ms"].keys() >= {"read", "find poses", "write"}
    assert told["modes"]["Min latency"]["frames"] == 0
    assert sum(line.count(" ") > 50 for line in ended.stderr.splitlines()) == 2


def test_no_frame_of_a_video_is_dropped_if_encoding_is_slower_than_the_model(
    tiny, video, tmp_path, monkeypatch
):
    writer = cv2.VideoWriter

    class SlowWriter:
        fourcc = writer.fourcc

        def __init__(self, *args):
            self.writer = writer(*args)

        def __getattr__(self, name):
            return getattr(self.writer, name)

        def write(self, image):
            time.sleep(0.01)
            self.writer.write(image)

    monkeypatch.setattr(cv2, "VideoWriter", SlowWriter)
    monkeypatch.setattr(frame_outputs, "_MAX_WAITING", 1)
    ended = demo("-m", tiny, "-i", video, "-o", tmp_path / "out.avi")
    assert f"{tmp_path / 'out.avi'}: 12 written\n" in ended.stdout
    assert len(read_video(tmp_path / "out.avi")) == 12


@pytest.mark.parametrize(("limit", "written"), [("5", 5), ("12", 12), ("0", 12)])
def test_the_output_limit_ends_writing_but_not_playing_and_is_reported_once(
    tiny, video, tmp_path, limit, written
):
    ended = demo("-m", tiny, "-i", video, "-o", tmp_path / "out.avi", "-limit", limit)
    assert ended.stdout.startswith("12 frames\n")
    assert len(read_video(tmp_path / "out.avi")) == written
    warning = f"{tmp_path / 'out.avi'}: stopped at 5 frames; -limit 0 writes all"
    assert ended.stderr.count(warning) == ended.stderr.count("stopped at") == (written < 12)


@pytest.mark.parametrize("dimension_names", ["c", "cdmh"])
def test_monitors_are_drawn_from_the_start(tiny, tmp_path, dimension_names):
    cv2.imwrite(str(tmp_path / "a.png"), np.full((480, 640, 3), 90, np.uint8))
    ended = demo(
        "-m", tiny, "-i", tmp_path / "a.png", "-o", tmp_path / "b.png", "-u", dimension_names
    )
    image = cv2.imread(str(tmp_path / "b.png"))
    assert (image[-10:, :100] != 90).any()
    assert "CPU " in ended.stdout and "GiB of memory" in ended.stdout


def test_a_refused_run_keeps_earlier_results(video, tmp_path):
    out = tmp_path / "out.avi"
    out.write_text("old")
    assert "no model is called 'no-such-model'" in refusal(
        demo("-m", "no-such-model", "-i", video, "-o", out)
    )
    assert out.read_text() == "old"
    assert not list(tmp_path.glob(".posezoo-*"))


# Models and how they run


def test_a_wrong_architecture_is_refused_with_a_hint_to_the_right_one(video, tmp_path):
    embeddings = write_ir(tmp_path / "ae.xml", {"heatmaps": 17, "embeddings": 17})
    said = misuse(demo("-m", embeddings, "-i", video, "-at", "openpose"))
    assert "openpose needs 19 heatmaps and 38 part affinity fields; the IR has" in said
    assert "hint: try -at ae\n" in said
    succeeded(demo("-m", embeddings, "-i", video, "-at", "ae"))
    succeeded(demo("-m", embeddings, "-i", video, "-at", "higherhrnet"))
    succeeded(demo("-m", embeddings, "-i", video))


def test_the_hint_after_a_wrong_architecture_names_a_flag_that_takes_the_outputs(video, tmp_path):
    maps = write_output_ir(tmp_path / "maps.xml", {"maps": (1, 34, 8, 12)})
    assert "hint: try -at topdown\n" in misuse(demo("-m", maps, "-i", video, "-at", "openpose"))
    either = write_output_ir(tmp_path / "either.xml", {"maps": (1, 34, 8, 8)})
    said = misuse(demo("-m", either, "-i", video, "-at", "openpose"))
    assert "hint: posezoo new " in said and "--decoder heatmap" in said


def test_a_wrong_architecture_for_a_model_of_the_zoo_is_refused(video):
    said = misuse(demo("-m", "blazepose-full", "-i", video, "-at", "ae"))
    assert "blazepose-full is decoded by blazepose, not by associative_embedding" in said
    assert "hint: try -at blazepose\n" in said


#: Outputs that none of the decoders takes which ``-at`` names, by the reason.
NOT_FOR_AT = {
    "one person's keypoints": {"Identity:0": (1, 1, 17, 3)},
    "classes": {"prob": (1, 1000)},
    "a segmentation": {"classes": (1, 21, 64, 96)},
    "five sides": {"volume": (1, 17, 8, 12, 4)},
    "a number": {"number": ()},
    "more maps than a decoder's": {"h": (1, 19, 8, 12), "p": (1, 38, 8, 12), "q": (1, 38, 8, 12)},
}


@pytest.mark.parametrize("architecture", ["openpose", "ae", "higherhrnet", "topdown", "blazepose"])
@pytest.mark.parametrize("outputs", NOT_FOR_AT.values(), ids=NOT_FOR_AT)
def test_an_architecture_that_does_not_fit_is_one_line(video, tmp_path, outputs, architecture):
    xml = write_output_ir(tmp_path / "net.xml", outputs)
    ended = demo("-m", xml, "-i", video, "-at", architecture)
    assert ended.returncode == 2
    error, hint = ended.stderr.splitlines()
    name = next(iter(outputs))
    assert re.match(rf"error: \w+ needs .*; the IR has {name} ", error)
    assert hint.startswith("  hint: ")
    assert not ended.stdout


@pytest.mark.parametrize("outputs", [{"maps": (1, 17, 16, 24)}, {"maps": (1, 21, 16, 24)}])
def test_heatmaps_of_any_number_of_keypoints_are_those_of_topdown(video, tmp_path, outputs):
    xml = write_output_ir(tmp_path / "net.xml", outputs)
    succeeded(demo("-m", xml, "-i", video, "-at", "topdown", "--detector", "none"))


@pytest.mark.parametrize(
    ("outputs", "problem"),
    [
        ({"heatmaps": (1, 19, 8, 12), "pafs": (1, 38, 4, 6)}, "maps of one image have one size"),
        ({"dets": (1, 9, 5), "keypoints": (1, 8, 17, 3)}, "different numbers of rows"),
        ({"x": (1, 17, 192), "y": (1, 17, 100)}, "an input of 96x64 with 2 in a pixel has 192"),
    ],
)
def test_outputs_of_wrong_sizes_are_refused_before_the_first_frame(
    video, tmp_path, outputs, problem
):
    xml = write_output_ir(tmp_path / "net.xml", outputs)
    said = refusal(demo("-m", xml, "-i", video))
    assert said.startswith(f"error: {xml}: ") and problem in said
    assert str(video) not in said


def test_the_architecture_of_a_model_it_is_like_is_compared(video, tmp_path):
    shapes = {name: (1, channels, 8, 12) for name, channels in OPENPOSE.items()}
    silent = write_output_ir(tmp_path / "silent.xml", shapes, states_images=False)
    flags = ("-m", silent, "-i", video, "--as", "human-pose-estimation-0001")
    assert "human-pose-estimation-0001 is decoded by openpose, not by assoc" in misuse(
        demo(*flags, "-at", "ae")
    )
    succeeded(demo(*flags, "-at", "openpose"))


@pytest.mark.parametrize(
    ("outputs", "tsize", "size"),
    [
        # The pictures are 64 x 48. OpenPose: the height, the width in its aspect, up to a multiple of 8.
        (OPENPOSE, None, (64, 48)),
        (OPENPOSE, 96, (128, 96)),
        (OPENPOSE, 100, (136, 104)),
        # Associative embedding: the shorter side, both up to a multiple of 32.
        ({"heatmaps": 17, "embeddings": 17}, 64, (96, 64)),
    ],
)
def test_the_network_is_reshaped_to_the_aspect_ratio_of_the_source(
    video, tmp_path, outputs, tsize, size
):
    network = write_ir(tmp_path / "net.xml", outputs, size=(96, 48) if tsize else (64, 48))
    args = ("--tsize", tsize) if tsize else ()
    ended = demo("-m", network, "-i", video, "--format", "json", *args)
    assert tuple(json_of(ended)["input_size"]) == size


def test_a_network_that_cannot_be_reshaped_refuses_tsize(video, tmp_path):
    rigid = write_ir(tmp_path / "rigid.xml", OPENPOSE, size=(128, 96), can_be_resized=False)
    said = misuse(demo("-m", rigid, "-i", video, "--tsize", "48"))
    assert "error: --tsize 48: " in said
    assert "hint:" not in said
    assert json_of(demo("-m", rigid, "-i", video, "--format", "json"))["input_size"] == [
        128,
        96,
    ]


def test_mean_scale_and_reversal_reach_the_network(photos, mirror, real, models, tmp_path):
    """The published IR takes BGR 0..255: with values of another network it sees nobody."""
    demo(*REAL, "-i", photos / "a.png")
    (xml,) = models.rglob("human-pose-estimation-0001.xml")

    def people(*args):
        told = demo("-m", xml, "-i", photos / "a.png", "-r", *args).stdout.splitlines()
        return sum(line.count(" ") > 50 for line in told)

    assert people() == 1
    assert people("--mean_values", "0", "--scale_values", "1") == 1
    assert people("--scale_values", "255") == 0
    assert people("--mean_values", "400 400 400") == 0


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        (("-nireq", "3"), {"requests": 3}),
        (("-nireq", "4", "-nstreams", "2"), {"requests": 4, "streams": 2}),
        (("-nireq", "2", "-nstreams", "CPU:1", "-nthreads", "1"), {"requests": 2, "streams": 1}),
    ],
)
def test_requests_streams_and_threads_are_passed_on(tiny, video, args, expected):
    told = json_of(demo("-m", tiny, "-i", video, "--format", "json", *args))
    assert {name: told[name] for name in expected} == expected


@pytest.mark.parametrize(
    ("args", "requests"),
    [
        ((), 1),
        (("-nireq", 3), 3),
    ],
)
def test_without_a_detector_movenet_follows_one_person_one_frame_after_the_other(
    real, video, args, requests
):
    movenet = ("-m", "movenet-singlepose-lightning-int8", "--detector", "none")
    ended = demo(*movenet, "-i", video, "--format", "json", *args)
    told = json_of(ended)
    assert (told["tracking"], told["requests"], told["frames"]) == (True, requests, 12)
    assert told["people_from"] == "tracking"
    note = "people from tracking: one person is tracked; --detector nanodet-g finds all"
    assert note in ended.stderr


def test_people_keep_their_numbers_while_the_detector_runs_on_each_third_frame(
    real, shared, tmp_path
):
    image = cv2.imread(str(shared / "data" / "photos" / "000000214753.jpg"))  # two people
    moving = [np.roll(image, number, axis=1) for number in range(7)]
    clip = write_frames(tmp_path / "clip.avi", moving)
    lines = tmp_path / "clip.jsonl"
    model = ("-m", "movenet-singlepose-lightning-int8", "--precision", "FP32")
    detector = ("--detector", "person-detection-retail-0013", "--detect_every", "3")
    ended = succeeded(demo(*model, *detector, "-i", clip, "--track", "--json_lines", lines))
    assert "1 frames at once" in ended.stderr
    frames = read_lines(lines)
    assert [frame["seconds"] for frame in frames] == [round(n / 25, 3) for n in range(7)]
    numbers = [sorted(pose["track_id"] for pose in frame["poses"]) for frame in frames]
    assert numbers == [[1, 2]] * 7


def test_photos_and_other_models_are_not_tracked(real, photos, tiny, video):
    movenet = ("-m", "movenet-singlepose-lightning-int8", "--detector", "none")
    for args in ((*movenet, "-i", photos), ("-m", tiny, "-i", video)):
        assert json_of(demo(*args, "--format", "json"))["tracking"] is False


def test_without_a_display_the_hint_is_no_show(tiny, video, monkeypatch):
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    said = refusal(demo("-m", tiny, "-i", video, show=True))
    assert "hint: use -no_show" in said
    assert "tiny on CPU" not in said


def test_a_checkpoint_of_a_network_is_converted_once(video, tmp_path):
    torch = pytest.importorskip("torch", reason="needs torch")
    from posezoo import networks

    network = networks.build_network("lightweight_openpose", refinement_stages=0)
    torch.save(network.state_dict(), tmp_path / "mine.pth")
    first = succeeded(
        demo("-m", tmp_path / "mine.pth", "-i", video, "--format", "json", "--tsize", "64")
    )
    assert json_of(first)["decoder"] == "openpose"
    assert "converted" in first.stderr
    again = succeeded(demo("-m", tmp_path / "mine.pth", "-i", video, "--tsize", "64"))
    assert "converted" not in again.stderr


def test_models_lst_works_with_the_downloader():
    tool = ROOT / "tools" / "downloader" / "info_dumper.py"
    ended = succeeded(python_file(tool, "--list", SCRIPTS / "models.lst"))
    names = {model["name"] for model in json_of(ended)}
    assert names >= {"human-pose-estimation-0001", "higher-hrnet-w32-human-pose-estimation"}


def test_help_names_every_option_of_open_model_zoos_page():
    told = demo("-h").stdout
    for flag in (
        *(
            "-h",
            "-i",
            "-m",
            "-at",
            "--tsize",
            "-t",
            "-r",
            "-d",
            "-nireq",
            "-nstreams",
            "-nthreads",
            "-loop",
        ),
        *(
            "-no_show",
            "-u",
            "-o",
            "-limit",
            "--output_resolution",
            "--layout",
            "--reverse_input_channels",
        ),
        *("--mean_values", "--scale_values", "--loop", "--json_lines"),
    ):
        assert re.search(rf"{flag}[ ,\n]", told), flag
