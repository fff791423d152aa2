"""Frames of images, folders, globs, videos, cameras and streams; each ends by itself."""

import ctypes
import itertools
import os
import re
import sys
import threading
import time
from fractions import Fraction
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import cv2
import numpy as np
import pytest

from fakes.command import run_process, succeeded
from fakes.rtsp import Camera
from fakes.server import Server
from fakes.videos import (
    MJPEG,
    SIZE,
    damage,
    frame,
    mjpeg,
    number_of,
    stretch_pixels,
    write_interlaced,
    write_noise,
    write_raw,
    write_uneven_video,
    write_video,
)
from fakes.waiting import HANG_S
from posezoo.core.errors import ImageError, LostCameraError
from posezoo.core.versions import parse_version
from posezoo.media import captures, live_source
from posezoo.media.ffmpeg import converts_interlaced, import_quiet_opencv
from posezoo.media.frame_sources import open_source

#: The lowest that setup.cfg allows, the last with numpy 1.
IS_OLD_OPENCV = parse_version(cv2.__version__) < (4, 12)


@pytest.fixture
def reported():
    return []


def opened(source, reported, **options):
    return open_source(str(source), report_error=reported.append, **options)


def numbers(source):
    return [number_of(each.image) for each in source.frames()]


def until_lost(source):
    """The frames of a live source that is read whole, and the problem that ends them."""
    frames = []
    with pytest.raises(LostCameraError) as caught:
        frames.extend(source.frames())  # keeps those before the error
    return frames, caught.value.problem


def serve_half(server, **how):
    """The address of a camera that is disconnected after half of nine frames."""
    body = mjpeg(9)
    how = {"headers": MJPEG, "without_length": True, "cut_at": len(body) // 2, **how}
    return server.serve("camera", body, **how)


def write_images(folder, *names):
    """Images numbered in the order of their names."""
    folder.mkdir(exist_ok=True)
    for number, name in enumerate(names):
        cv2.imwrite(str(folder / name), frame(number))
    return folder


def test_a_number_is_a_camera_unless_a_file_has_that_name(tmp_path, reported, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ImageError, match=r"(?m)^camera 97: cannot be opened$"):
        opened("97", reported)
    write_video(tmp_path / "v.avi").rename(tmp_path / "97")
    assert len(numbers(opened("97", reported))) == 20


@pytest.mark.parametrize(
    ("name", "codec"), [("v.avi", "MJPG"), ("v.mkv", "mp4v"), ("v.mp4", "mp4v"), ("v.mov", "mp4v")]
)
def test_a_video_gives_every_frame_in_order_with_its_rate(tmp_path, reported, name, codec):
    source = opened(write_video(tmp_path / name, 20, codec, fps=12.5), reported)
    assert numbers(source) == list(range(20))
    assert (source.fps, source.size) == (12.5, SIZE)
    assert not reported


@pytest.mark.skipif(os.name == "nt", reason="Windows allows no colon in a name")
def test_a_name_with_a_colon_is_a_file_and_not_a_protocol(tmp_path, reported, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_video(tmp_path / "cam-12:30:00.mp4", 5, "mp4v")
    source = opened("cam-12:30:00.mp4", reported)
    assert source.name == "cam-12:30:00.mp4"
    assert source.even_fps is None
    assert numbers(source) == list(range(5))


def test_a_video_whose_frames_are_too_large_is_closed(tmp_path, reported, monkeypatch):
    class Recorded:
        def __init__(self, *args):
            self.capture = capture(*args)
            opened_captures.append(self.capture)

        def __getattr__(self, name):
            return getattr(self.capture, name)

    capture, opened_captures = cv2.VideoCapture, []
    monkeypatch.setattr(cv2, "VideoCapture", Recorded)
    monkeypatch.setattr(captures, "MAX_PIXELS", SIZE[0] * SIZE[1] - 1)
    with pytest.raises(ImageError, match="pixels are too many"):
        opened(write_video(tmp_path / "v.avi"), reported)
    assert [each.isOpened() for each in opened_captures] == [False]


def test_grey_frames_of_infrared_cameras_get_three_channels(tmp_path, reported):
    path, codec = tmp_path / "v.avi", cv2.VideoWriter_fourcc(*"MJPG")
    writer = cv2.VideoWriter(str(path), cv2.CAP_OPENCV_MJPEG, codec, 25, SIZE, False)
    for _ in range(2):
        writer.write(np.full(SIZE[::-1], 90, np.uint8))
    writer.release()
    capture = captures.Capture(path, "infrared").open()
    capture._capture.set(cv2.CAP_PROP_CONVERT_RGB, 0)
    image = capture.read()
    capture.close()
    assert image.shape == (*SIZE[::-1], 3) and image.flags.writeable


def test_a_network_camera_gives_frames_until_it_is_closed(reported):
    with Server() as server:
        address = server.serve("camera", mjpeg(8), headers=MJPEG, without_length=True, endless=True)
        source = opened(address, reported, newest=False)
        frames = source.frames()
        seen = [number_of(each.image) for each in itertools.islice(frames, 20)]
        frames.close()
    assert seen == [0, 1, 2, 3, 4, 5, 6, 7] * 2 + [0, 1, 2, 3]
    assert source.even_fps == source.fps
    assert not reported


def test_a_redirect_of_a_network_camera_is_followed(reported):
    with Server() as server:
        camera = server.serve("camera", mjpeg(8), headers=MJPEG, without_length=True)
        moved = server.serve("moved", status=[302] * 9, headers={"Location": camera})
        source = opened(moved, reported, newest=False)
        frames, _ = until_lost(source)
        assert [number_of(each.image) for each in frames] == list(range(8))
        assert source.name == moved


def test_an_opencv_that_would_follow_redirects_itself_is_refused_for_http(reported, monkeypatch):
    monkeypatch.setattr(cv2, "__version__", "4.10.0")
    with Server() as server:
        camera = server.serve("camera", mjpeg(8), headers=MJPEG, without_length=True)
        with pytest.raises(
            ImageError, match=r"OpenCV 4\.10\.0 cannot read .*, 4\.11 can"
        ) as caught:
            opened(camera, reported)
    assert 'install "opencv-python-headless>=4.11,<6"' in caught.value.hint


def test_a_redirect_of_a_network_camera_to_a_clouds_passwords_is_refused(reported):
    passwords = "http://169.254.169.254/latest"
    with Server() as server:
        moved = server.serve("moved", status=[302] * 9, headers={"Location": passwords})
        with pytest.raises(ImageError, match=r"169\.254\.169\.254"):
            opened(moved, reported)


def test_a_redirect_that_a_network_camera_sends_later_is_checked_too(reported):
    """The first answers lead to the camera; when it is opened again, to a cloud's passwords."""
    with Server() as server:
        camera = server.serve("camera", mjpeg(3), headers=MJPEG, without_length=True)
        address = server.serve("moved", status=[302] * 9, headers={"Location": camera})
        source = opened(address, reported, newest=False, reconnect_s=2)
        server.serve("moved", status=[302] * 9, headers={"Location": "http://169.254.169.254/"})
        frames, problem = until_lost(source)
    assert len(frames) == 3
    assert "disconnected" in problem


@pytest.mark.parametrize("how", ["Digest", "Basic"])
def test_a_network_camera_gets_the_login_of_its_address(reported, how):
    seen = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            sent = self.headers.get("Authorization", "")
            seen.append(sent.split(" ")[0])
            if not sent.startswith(how):
                self.send_response(401)
                self.send_header("WWW-Authenticate", f'{how} realm="camera", nonce="5", qop="auth"')
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self.send_response(200)
            for header in MJPEG.items():
                self.send_header(*header)
            self.end_headers()
            self.wfile.write(mjpeg(3))

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        address = f"http://ann:s%20t@127.0.0.1:{server.server_port}/camera"
        frames, _ = until_lost(opened(address, reported, newest=False))
        server.shutdown()
    assert len(frames) == 3
    # No camera gets a password before it asks for it.
    assert seen == ["", how]


def test_a_disconnected_network_camera_is_reported(reported):
    with Server() as server:
        address = serve_half(server)
        frames, problem = until_lost(opened(address, reported, newest=False))
    assert 3 <= len(frames) <= 5
    assert problem == f"{address}: was disconnected after {len(frames)} frames"


def test_a_silent_network_camera_counts_as_disconnected_after_ten_seconds(reported):
    body = mjpeg(9)
    with Server() as server:
        address = server.serve(
            "camera", body, headers=MJPEG, without_length=True, hang_at=len(body) // 2
        )
        start_time = time.monotonic()
        frames, problem = until_lost(opened(address, reported, newest=False))
    assert 3 <= len(frames) <= 5
    assert 9 < time.monotonic() - start_time < HANG_S
    assert "was disconnected after" in problem


@pytest.mark.parametrize(
    ("name", "codec"), [("v.avi", "MJPG"), ("v.mkv", "mp4v"), ("v.ts", "mp4v")]
)
def test_a_video_at_an_address_has_times_and_ends_with_its_last_frame(
    tmp_path, reported, name, codec
):
    content = write_video(tmp_path / name, 20, codec).read_bytes()
    with Server() as server:
        headers = {"Accept-Ranges": "bytes"}
        address = server.serve("clip", content, headers=headers, ranges=True)
        source = opened(address, reported)
        frames = list(source.frames())
    assert [number_of(each.image) for each in frames] == list(range(20))
    # They were all read at once.
    assert source.time_s(frames[-1]) - source.time_s(frames[0]) == pytest.approx(19 / 25, abs=0.02)
    assert not reported


def test_a_video_at_an_address_that_ends_too_early_was_disconnected(tmp_path, reported):
    content = write_video(tmp_path / "v.avi", 30).read_bytes()
    with Server() as server:
        address = server.serve("clip", content, cut_at=len(content) // 2, times=9)
        frames, problem = until_lost(opened(address, reported))
    assert 0 < len(frames) < 25
    assert problem == f"{address}: was disconnected after {len(frames)} frames"


def test_a_camera_that_drops_is_opened_again(reported, monkeypatch):
    monkeypatch.setattr(live_source, "_PAUSE_S", 0.01)
    said = []
    with Server() as server:
        address = serve_half(server, times=2)
        source = opened(address, reported, newest=False, reconnect_s=9, report=said.append)
        frames = list(itertools.islice(source.frames(), 12))
    assert [number_of(each.image) for each in frames].count(0) == 3
    assert [each.index for each in frames] == list(range(12))
    outage = ["reconnecting", "live"]
    assert [each.state for each in said] == ["opening", "live", *outage, *outage]
    assert re.search(r"was disconnected after \d frames; trying to connect again$", said[2].message)
    assert re.search(r"is connected again, after \d\.\d s$", said[3].message)
    assert not reported


def test_a_camera_that_stays_away_ends_the_run_after_the_stated_time(reported, monkeypatch):
    monkeypatch.setattr(live_source, "_PAUSE_S", 0.01)
    said = []
    with Server() as server:
        address = serve_half(server)
        source = opened(address, reported, newest=False, reconnect_s=0.5, report=said.append)
        server.answers.clear()
        until_lost(source)
        assert server.asked("camera") >= 1 + 2
    assert [each.state for each in said] == ["opening", "live", "reconnecting", "lost"]
    assert source.state == "lost"


def test_frames_of_a_video_have_the_times_that_the_video_states(tmp_path, reported):
    path = write_uneven_video(tmp_path / "v.mkv", ticks=[0, 1, 26, 27])
    source = opened(path, reported, rounds=2)
    times = [round(source.time_s(each), 2) for each in source.frames()]
    assert times[:4] == [0, 0.04, 1.04, 1.08]
    assert times[5] - times[4] == pytest.approx(0.04)
    assert times[4] > times[3]  # it is played again


def missing_frames(warnings):
    return [int(re.search(r"(\d+) frames? missing", each)[1]) for each in warnings]


def test_frames_that_a_video_lacks_in_the_middle_are_counted_at_the_end(tmp_path, reported):
    ticks = [*range(15), *range(18, 34)]
    path = write_uneven_video(tmp_path / "v.mkv", ticks=ticks)
    warnings = []
    frames = opened(path, reported, warn=warnings.append).frames()
    next(frames)
    assert not warnings
    assert len(list(frames)) == len(ticks) - 1
    assert missing_frames(warnings) == [3]
    assert not reported


def test_a_phones_video_whose_frames_are_not_equally_far_apart_lacks_none(tmp_path, reported):
    ticks = np.cumsum(np.random.default_rng(0).integers(1, 4, 30)).tolist()
    path = write_uneven_video(tmp_path / "v.mkv", ticks=ticks)
    warnings = []
    source = opened(path, reported, warn=warnings.append)
    assert len(list(source.frames())) == 30
    assert not warnings


def test_frames_whose_pixels_are_not_square_are_read_as_they_are_shown(tmp_path, reported):
    path = stretch_pixels(write_video(tmp_path / "v.mp4", 3, "mp4v"), width=2)
    source = opened(path, reported)
    assert source.size == (2 * SIZE[0], SIZE[1])
    assert {each.image.shape for each in source.frames()} == {(SIZE[1], 2 * SIZE[0], 3)}


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lists the libraries of a process")
def test_errors_of_the_decoder_are_a_warning_with_the_frame(tmp_path, reported):
    path = write_noise(tmp_path / "v.mkv", 12)
    warnings = []
    list(opened(path, reported, warn=warnings.append).frames())
    assert warnings == []
    damage(path)
    list(opened(path, reported, warn=warnings.append).frames())
    (warning,) = warnings
    place = re.search(r"v.mkv: is damaged: its decoder reported errors .* frame (\d+)", warning)
    assert place
    assert int(place[1]) < 12


def write_animation(path, durations_ms):
    animation = cv2.Animation()
    animation.frames = [frame(number) for number in range(len(durations_ms))]
    animation.durations = np.array(durations_ms, np.int32)
    assert cv2.imwriteanimation(str(path), animation, [cv2.IMWRITE_WEBP_QUALITY, 101])
    return path


@pytest.mark.skipif(IS_OLD_OPENCV, reason="OpenCV 4.11 writes no such animations")
@pytest.mark.parametrize("name", ["a.webp", "a.png"])
def test_an_animated_image_is_played(tmp_path, reported, name):
    path = write_animation(tmp_path / name, [40, 40, 500, 40])
    source = opened(path, reported, rounds=2)
    frames = list(source.frames())
    assert [number_of(each.image) for each in frames] == [0, 1, 2, 3] * 2
    assert [round(source.time_s(each), 2) for each in frames[:4]] == [0, 0.04, 0.08, 0.58]
    assert source.even_fps == pytest.approx(25)


def test_an_animated_image_in_a_folder_is_left_out_with_a_word(tmp_path, reported):
    write_images(tmp_path / "d", "still.png", "still.webp")
    if IS_OLD_OPENCV:
        pytest.skip("OpenCV 4.11 writes no such animations")
    write_animation(tmp_path / "d" / "moving.webp", [40, 40])
    warnings = []
    source = opened(tmp_path / "d", reported, warn=warnings.append)
    assert [path.name for path in source.image_paths] == ["still.png", "still.webp"]
    assert "moving.webp (is played only if it is named itself)" in warnings[0]


def test_a_stream_states_the_times_of_its_frames_and_damaged_ones_are_counted(tmp_path, reported):
    path = write_video(tmp_path / "v.ts", 30, "mp4v")
    packets = [path.read_bytes()[start:][:188] for start in range(0, path.stat().st_size, 188)]
    video = [place for place, packet in enumerate(packets) if packet[1:3] == b"\x41\x00"]
    for place in video[12:14]:
        packets[place] = bytes(188)
    warnings = []
    with Server() as server:
        address = server.serve("v.ts", b"".join(packets))
        source = opened(address, reported, newest=False, warn=warnings.append)
        times = [source.time_s(each) for each in until_lost(source)[0]]
    (lost,) = missing_frames(warnings)
    assert 1 <= lost <= 4
    # They were all read at once.
    assert times[-1] - times[0] == pytest.approx(29 / 25, abs=0.05)
    assert len(times) == 30 - lost


@pytest.mark.skipif(IS_OLD_OPENCV, reason="OpenCV 4.11 asks for UDP, which the faked camera lacks")
def test_an_rtsp_camera_with_a_login_states_the_times_of_its_frames_and_lost_ones_are_counted(
    reported,
):
    ticks = [number / 25 for number in (*range(10), *range(13, 40))]
    warnings = []
    with Camera([frame(number % 8) for number in range(37)], ticks, "ann:s3cret") as camera:
        source = opened(camera.address, reported, newest=False, warn=warnings.append)
        frames, problem = until_lost(source)
    assert [number_of(each.image) for each in frames] == [number % 8 for number in range(37)]
    # They were all read at once. FFmpeg knows no time of the first one.
    shown = [source.time_s(each) - source.time_s(frames[1]) for each in frames[1:]]
    assert shown == pytest.approx([tick - ticks[1] for tick in ticks[1:]])
    assert missing_frames(warnings) == [3]
    shown_address = camera.address.replace("ann:s3cret@", "")
    assert problem == f"{shown_address}: was disconnected after 37 frames"


@pytest.mark.skipif(IS_OLD_OPENCV, reason="OpenCV 4.11 asks for UDP, which the faked camera lacks")
def test_an_rtsp_camera_that_drops_is_opened_again(reported, monkeypatch):
    monkeypatch.setattr(live_source, "_PAUSE_S", 0.01)
    said = []
    with Camera(
        [frame(number) for number in range(5)], [number / 25 for number in range(5)]
    ) as camera:
        source = opened(camera.address, reported, newest=False, reconnect_s=9, report=said.append)
        frames = source.frames()
        seen = [number_of(each.image) for each in itertools.islice(frames, 13)]
        frames.close()
        assert camera.plays == 3
    assert seen == [0, 1, 2, 3, 4] * 2 + [0, 1, 2]
    assert [each.state for each in said].count("reconnecting") == 2
    assert not reported


def test_a_network_cameras_password_is_not_shown(reported):
    with pytest.raises(ImageError) as caught:
        opened("http://ann:s3cret@localhost:9/camera", reported)
    assert caught.value.problem == "http://localhost:9/camera: there is no video stream"


def test_the_time_of_a_frame_begins_before_it_is_read_and_its_age_when_it_arrived(reported):
    with Server() as server:
        address = server.serve("camera", mjpeg(12), headers=MJPEG, without_length=True)
        frames, _ = until_lost(opened(address, reported, newest=False))
    for each in frames:
        assert each.begun <= each.arrived <= time.perf_counter() - each.age_s + 0.01
    assert [each.index for each in frames] == list(range(12))


@pytest.mark.parametrize("name", ["v.avi", "v.mkv"])
def test_a_video_that_is_cut_short_is_reported(tmp_path, reported, name):
    path = write_video(tmp_path / name, 30)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    read = len(numbers(opened(path, reported, rounds=None)))
    assert 0 < read < 25
    assert [error.problem for error in reported] == [
        f"{path}: is truncated or damaged: it ended after {read} frames of about 30"
    ]


@pytest.mark.parametrize(
    ("content", "problem", "hint"),
    [
        (
            b"\0\0\0\x18ftypheic\0\0\0\0mif1heic",
            "v.mp4: is a HEIC or AVIF photo",
            "heif-convert v.mp4 v.jpg",
        ),
        (b"A shopping list\n", "v.mp4: is text", r"images: .avif .bmp"),
    ],
)
def test_a_file_of_another_kind_is_refused_by_its_kind(tmp_path, reported, content, problem, hint):
    (tmp_path / "v.mp4").write_bytes(content)
    with pytest.raises(ImageError, match=problem) as caught:
        opened(tmp_path / "v.mp4", reported)
    assert hint in caught.value.hint


def test_an_unreadable_image_is_reported_once_and_left_out(tmp_path, reported):
    write_images(tmp_path, "a.png", "c.png")
    (tmp_path / "b.png").write_bytes(b"\x89PNG\r\n\x1a\ncut")
    source = opened(tmp_path, reported, rounds=3)
    assert [each.index for each in source.frames()] == list(range(6))
    assert [error.problem for error in reported] == [
        f"{tmp_path / 'b.png'}: the image file is incomplete"
    ]


def test_if_no_image_can_be_read_the_first_reason_is_shown(tmp_path, reported):
    (tmp_path / "a.png").write_bytes(b"")
    with pytest.raises(ImageError, match="the file is empty"):
        opened(tmp_path / "a.png", reported)
    (tmp_path / "b.png").write_bytes(b"")
    with pytest.raises(
        ImageError, match=r"none of 2 files can be read as an image; the first: .*a\.png"
    ):
        opened(tmp_path, reported)


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("missing.png", "no such file or folder"),
        ("*.png", "no images there"),
        ("", "no images there"),
    ],
)
def test_a_missing_source_is_refused(tmp_path, reported, name, problem):
    with pytest.raises(ImageError, match=problem) as caught:
        opened(tmp_path / name, reported)
    assert caught.value.hint


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lists the libraries of a process")
@pytest.mark.parametrize("begins_with", ["a good frame", "nothing"])
def test_a_frame_that_never_ends_is_not_read_whole(tmp_path, begins_with):
    """FFmpeg would take twice its 512 MiB."""
    done, encoded = cv2.imencode(".jpg", np.zeros((64, 64, 3), np.uint8))
    assert done
    frame = encoded.tobytes()
    path = tmp_path / "endless.mjpeg"
    path.write_bytes((frame if begins_with == "a good frame" else b"") + frame[:-2])
    os.truncate(path, 512 << 20)
    script = (
        "import sys; from posezoo.media.frame_sources import open_source\n"
        "errors = []\n"
        "try: frames = [*open_source(sys.argv[1], report_error=errors.append).frames()]\n"
        "except Exception as error: frames = []; errors.append(error)\n"
        "print(len(frames), *errors)\n"
        # ru_maxrss would count what this process of the tests had before it started the other one.
        "print(*(line for line in open('/proc/self/status') if line.startswith('VmHWM')))"
    )
    run = succeeded(run_process([sys.executable, "-c", script, path]))
    said, _, peak = run.stdout.partition("VmHWM:")
    assert said.startswith("1" if begins_with == "a good frame" else "0")
    assert int(peak.split()[0]) < 800_000  # in KB; two buffers of 256 MiB at most


@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux's /proc")
def test_ffmpeg_gets_memory_for_a_frame_of_12k_and_no_more_than_256_mib():
    import_quiet_opencv()
    mapped = Path("/proc/self/maps").read_text("utf-8")
    ffmpeg = ctypes.CDLL(re.findall(r"/.*opencv.*/libavutil[^/\n]*$", mapped, re.MULTILINE)[0])
    ffmpeg.av_malloc.restype = ctypes.c_void_p
    ffmpeg.av_free.argtypes = [ctypes.c_void_p]
    frame = ffmpeg.av_malloc(ctypes.c_size_t(12288 * 6480 * 3))
    assert frame
    ffmpeg.av_free(frame)
    assert not ffmpeg.av_malloc(ctypes.c_size_t((256 << 20) + 1))


@pytest.mark.skipif(sys.platform != "linux", reason="what FFmpeg says is read on Linux only")
@pytest.mark.parametrize("has_av", [True, False])
@pytest.mark.parametrize(("name", "codec"), [("dvd.mpg", "mpeg2video"), ("camera.mov", "dvvideo")])
def test_an_interlaced_video_is_refused_or_read(
    tmp_path, reported, monkeypatch, name, codec, has_av
):
    """OpenCV 4.11 converts such frames, and 4.14 does not."""
    warnings = []
    is_open = False
    size = (720, 576) if codec == "dvvideo" else SIZE
    path = write_interlaced(tmp_path / name, codec, size)
    if not has_av:
        monkeypatch.setitem(sys.modules, "av", None)
    try:
        source = open_source(str(path), report_error=reported.append, warn=warnings.append)
        is_open = True
        assert [number_of(frame.image) for frame in source.frames()] == list(range(10))
        assert converts_interlaced()
    except ImageError as error:
        assert not converts_interlaced()
        assert is_open != has_av
        assert f"{name}: is interlaced" in error.problem
        assert f"ffmpeg -i {name} -vf yadif" in error.hint
    assert not any("damaged" in warning for warning in warnings)


#: The codec and the pixels of each, and for how many hundredths of a second its frames are shown in turn.
FILMS = {
    "phone.mov": ("libx265", "yuv420p10le", (3, 4)),
    "android.mp4": ("libx264", "yuv420p", (3, 3, 3, 9)),
    "screen.webm": ("libvpx-vp9", "yuv420p", (5, 2)),
    "camera.avi": ("mjpeg", "yuvj420p", (4,)),
    "tv.ts": ("mpeg2video", "yuv420p", (4,)),
    "studio.mov": ("prores_ks", "yuv422p10le", (4,)),
    "stream.flv": ("flv", "yuv420p", (4,)),
    "plain.y4m": ("rawvideo", "yuv420p", (4,)),
}


@pytest.mark.parametrize("has_av", [True, False])
@pytest.mark.parametrize("name", FILMS)
def test_frames_and_times_of_other_writers_are_those_of_pyav(tmp_path, monkeypatch, name, has_av):
    av = pytest.importorskip("av", reason="needs PyAV: the extra video")
    codec, pixels, steps = FILMS[name]
    with av.open(str(tmp_path / name), "w") as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = 320, 240, pixels
        stream.codec_context.time_base = Fraction(1, 25 if steps == (4,) else 100)
        if codec == "libx265":
            stream.options = {"x265-params": "log-level=none"}
        shown = 0
        for number in range(25):
            image = np.full((240, 320, 3), 8 * number, np.uint8)
            made = av.VideoFrame.from_ndarray(image, "bgr24").reformat(format=pixels)
            made.pts = number if steps == (4,) else shown
            made.time_base = stream.codec_context.time_base
            shown += steps[number % len(steps)]
            container.mux(stream.encode(made))
        container.mux(stream.encode())
    with av.open(str(tmp_path / name)) as container:
        expected = [
            (each.time, each.to_ndarray(format="bgr24").mean())
            for each in container.decode(video=0)
        ]
    if not has_av:
        monkeypatch.setitem(sys.modules, "av", None)
    said = []
    source = open_source(str(tmp_path / name), report_error=said.append, warn=said.append)
    frames = list(source.frames())
    read = [(each.shown_s + expected[0][0], each.image.mean()) for each in frames]
    assert len(read) == 25
    late_s, brighter = np.abs(np.subtract(read, expected)).max(axis=0)
    assert late_s < 2e-3 and brighter < 1
    assert not said


def test_a_film_that_is_cut_without_encoding_is_not_damaged(tmp_path, reported):
    """Frames are missing before the last one, which was encoded before them."""
    ticks = [*range(30), 33]
    path = write_uneven_video(tmp_path / "cut.mkv", ticks=ticks)
    source = open_source(str(path), report_error=reported.append, warn=pytest.fail)
    assert len(list(source.frames())) == 31
    assert not reported


def test_frames_without_times_follow_the_stated_rate_or_the_usual_one(tmp_path, reported):
    path = write_raw(tmp_path / "esp32.mjpeg")
    for fps, step in ((None, 0.04), (10.0, 0.1)):
        warnings = []
        source = open_source(str(path), report_error=reported.append, warn=warnings.append, fps=fps)
        times = [frame.shown_s for frame in source.frames()]
        assert np.allclose(times, step * np.arange(10))
        assert source.fps == (fps or 25)
        assert ["25 frames per second (--fps)" in warning for warning in warnings] == (
            [] if fps else [True]
        )


def test_a_raw_stream_of_h264_has_the_times_of_a_rate(tmp_path, reported):
    av = pytest.importorskip("av")
    path = tmp_path / "camera.h264"
    with av.open(str(path), "w", format="h264") as container:
        stream = container.add_stream("libx264", rate=50)
        stream.width, stream.height = SIZE
        for number in range(10):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame(number), format="bgr24")))
        container.mux(stream.encode())
    source = open_source(str(path), report_error=reported.append, fps=50)
    assert np.allclose([each.shown_s for each in source.frames()], 0.02 * np.arange(10))


@pytest.mark.parametrize("ending", ["mts", "h264", "mjpeg", "ts", "y4m"])
def test_videos_in_a_folder_are_left_out_with_a_word(tmp_path, reported, ending):
    cv2.imwrite(str(tmp_path / "photo.png"), frame(3))
    (tmp_path / f"film.{ending}").write_bytes(b"film")
    warnings = []
    open_source(str(tmp_path), report_error=reported.append, warn=warnings.append)
    (warning,) = warnings
    assert f"film.{ending} (is played only if it is named itself)" in warning
