"""Live sources: their newest frames, outages, and how they end."""

import math
import os
import socket
import sys
import threading
import time
from pathlib import Path

import pytest

from fakes.live_cameras import FPS, MjpegCameras
from fakes.server import Server
from fakes.videos import write_interlaced, write_video
from fakes.waiting import wait_until
from posezoo.core.errors import ImageError, LostCameraError
from posezoo.media import captures, live_source
from posezoo.media.ffmpeg import converts_interlaced, import_quiet_opencv
from posezoo.media.frame_sources import is_live_name, open_source
from posezoo.media.live_source import SourceGroup
from posezoo.run.runtime.result_stream import ResultStream


@pytest.fixture
def cameras():
    with MjpegCameras() as each:
        yield each


def open_live(address, **options):
    return open_source(str(address), report_error=pytest.fail, **options)


def open_group(addresses, on_lost=None, **options):
    changed = threading.Condition()
    options |= {"changed": changed, "among_others": True}
    sources = [open_live(each, **options) for each in addresses]
    return SourceGroup(sources, changed, on_lost)


def our_threads():
    return [thread for thread in threading.enumerate() if thread.name.startswith("posezoo")]


def test_a_slow_consumer_gets_the_newest_frame_and_learns_how_many_were_dropped(cameras):
    source = open_live(cameras.address + "/a")
    frames = source.frames()
    first = next(frames)
    wait_until(lambda: source.dropped >= 5)
    second = next(frames)
    frames.close()
    assert second.index - first.index - 1 == second.dropped >= 4
    assert second.age_s < first.age_s
    assert source.is_live


def test_whole_reading_drops_nothing_however_slow_the_consumer_is(cameras):
    source = open_live(cameras.address + "/a", newest=False)
    frames = source.frames()
    indices = []
    for _ in range(4):
        indices.append(next(frames).index)
        time.sleep(0.25)
    frames.close()
    assert indices == [0, 1, 2, 3]
    assert source.dropped == 0


def test_closing_ends_a_waiting_loop_and_the_thread(cameras):
    source = open_live(cameras.address + "/a")
    read = threading.Thread(target=lambda: list(source.frames()))
    read.start()
    source.close()
    read.join(20)
    assert not read.is_alive()
    wait_until(lambda: not our_threads())
    assert source.state == "closed"


def test_a_result_is_not_kept_back_until_the_next_frame_comes(cameras):
    """With many requests, reading ahead would wait for as many frames."""
    source = open_live(cameras.address + "/a", reconnect_s=math.inf)
    frames = source.frames()
    next(frames)
    cameras.down.add("/a")
    wait_until(lambda: source.state == "reconnecting")
    with ResultStream(frames, id, 20, arrivals=source) as results:
        source.wait(lambda: True)
        cameras.down.clear()
        first, _ = next(results)
        cameras.down.add("/a")  # and no further frame comes
        assert first.index >= 1


def test_a_camera_that_is_lost_raises_and_the_others_go_on(cameras):
    lost = []
    paths = [f"{cameras.address}/{name}" for name in "abc"]
    group = open_group(paths, lambda *each: lost.append(each), reconnect_s=0.2)
    with open_results(group) as results:
        names_until(results, paths)
        cameras.down.add("/b")
        wait_until(lambda: next(results) and lost)
        seen = names_until(results, [paths[0], paths[2]])
    assert seen == {paths[0], paths[2]}
    ((name, error),) = lost
    assert name == paths[1]
    assert error.problem.endswith(", and was not back within 0.2 s")


def names_until(results, paths):
    """The sources of the next frames, until all of these are among them."""
    seen = set()
    while not seen >= set(paths):
        seen.add(next(results)[0].name)
    return seen


def open_results(group, seconds=0.0):
    def find(frame):
        time.sleep(seconds)
        return frame

    return ResultStream(group, find, 1, arrivals=group)


def test_each_camera_gets_its_turn_with_a_slow_model(cameras):
    paths = [f"{cameras.address}/{name}" for name in "abcd"]
    with open_results(open_group(paths), seconds=0.15) as results:
        names = [next(results)[0].name for _ in range(16)]
    assert min(names.count(name) for name in paths) >= 2


def test_an_outage_is_said_while_another_camera_goes_on(cameras):
    """The dark one gives no frame that could carry the news."""
    said = []
    paths = [f"{cameras.address}/{name}" for name in "ab"]
    with open_results(open_group(paths, reconnect_s=600, report=said.append)) as results:
        names_until(results, paths)
        cameras.down.add("/b")
        begun = time.time()
        wait_until(lambda: next(results) and said[-1].state == "reconnecting")
    assert said[-1].source == paths[1]
    assert begun <= said[-1].since <= time.time()


def test_an_outage_of_the_only_camera_is_said_before_it_is_back(cameras):
    back = []
    path = cameras.address + "/a"

    def switch_on(event):
        if event.state == "reconnecting":
            back.append(event)
            cameras.down.clear()

    frames = open_live(path, reconnect_s=math.inf, report=switch_on).frames()
    next(frames)
    cameras.down.add("/a")
    wait_until(lambda: next(frames) and back)  # the camera comes back only once it was said
    frames.close()
    assert len(back) == 1


def test_a_camera_that_is_back_is_not_cut_for_the_silence_before(cameras, monkeypatch):
    monkeypatch.setattr(live_source, "SILENCE_S", 1.0)
    source = open_live(cameras.address + "/a", reconnect_s=math.inf)
    frames = source.frames()
    next(frames)
    cameras.down.add("/a")
    wait_until(lambda: source.state == "reconnecting")
    time.sleep(1.5)  # the outage is longer than the silence after which a connection is cut
    cameras.down.clear()
    for _ in range(FPS):
        next(frames)
    asked = len(cameras.askers)
    for _ in range(FPS):
        next(frames)
    frames.close()
    assert len(cameras.askers) == asked


def test_a_camera_that_is_off_at_the_start_comes_later_and_the_others_run(cameras):
    cameras.down.add("/b")
    said, warnings = [], []
    paths = [f"{cameras.address}/{name}" for name in "ab"]
    group = open_group(paths, reconnect_s=600, report=said.append, warn=warnings.append)
    with open_results(group) as results:
        assert {next(results)[0].name for _ in range(5)} == {paths[0]}
        wait_until(lambda: next(results) and warnings)
        cameras.down.clear()
        assert names_until(results, paths) == set(paths)
    assert warnings == [f"{paths[1]}: there is no video stream; trying again"]
    states = [each.state for each in said if each.source == paths[1]]
    assert states == ["opening", "live"]


def test_a_camera_that_never_comes_is_lost_and_has_a_name(cameras):
    cameras.down.add("/b")
    lost = []
    paths = [f"{cameras.address}/{name}" for name in "ab"]
    group = open_group(paths, lambda *each: lost.append(each), reconnect_s=0)
    with open_results(group) as results:
        wait_until(lambda: next(results) and lost)
    ((name, error),) = lost
    assert name == paths[1]
    assert isinstance(error, LostCameraError)


@pytest.mark.parametrize("scheme", ["http", "rtsp"])
def test_a_silent_server_delays_no_other_camera(cameras, scheme):
    """OpenCV would open nothing else until its time limit."""
    states = {}
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"{scheme}://127.0.0.1:{silent.getsockname()[1]}/1"
        names = [address, cameras.address + "/a"]
        group = open_group(
            names, reconnect_s=600, report=lambda each: states.update({each.source: each.state})
        )
        with open_results(group) as results:
            assert {next(results)[0].name for _ in range(5)} == {names[1]}
    assert states == {names[0]: "opening", names[1]: "live"}


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs a POSIX system")
def test_a_pipe_is_live_and_a_file_only_if_it_is_said(tmp_path):
    pipe, film = tmp_path / "pipe.mkv", write_video(tmp_path / "v.mkv", 20, "mp4v")
    os.mkfifo(pipe)
    assert is_live_name(str(pipe))
    assert not is_live_name(str(film))
    writer = threading.Thread(target=pipe.write_bytes, args=(film.read_bytes(),), daemon=True)
    writer.start()
    source = open_live(str(pipe), live=False, newest=False)
    assert next(source.frames()).index == 0
    source.close()
    assert open_live(str(film)).is_live is False
    said = open_live(str(film), live=True)
    assert said.is_live
    said.close()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs a POSIX system")
def test_a_film_opens_beside_a_pipe_that_nobody_writes_to(tmp_path, monkeypatch):
    """OpenCV opens one after the other."""
    monkeypatch.setattr(captures, "SILENCE_S", 2)
    pipe, film = tmp_path / "pipe.mkv", write_video(tmp_path / "v.avi")
    os.mkfifo(pipe)
    problems = []

    def open_pipe():
        with pytest.raises(ImageError) as caught:
            open_live(str(pipe))
        problems.append(caught.value.problem)

    opening = threading.Thread(target=open_pipe, daemon=True)
    opening.start()
    assert open_live(str(film)).size == open_live(str(film)).size
    assert not problems, "the film did not wait for the pipe"
    opening.join()
    assert problems == [f"{pipe}: nothing is written to the pipe"]


@pytest.mark.skipif(sys.platform != "linux", reason="what FFmpeg says is read on Linux only")
def test_an_interlaced_stream_says_so_once_and_a_film_over_http_is_refused(tmp_path):
    """OpenCV 4.11 converts such frames, and 4.14 does not."""
    film = write_interlaced(tmp_path / "tv.mpg", "mpeg2video", (320, 240))
    pipe, messages = tmp_path / "pipe.mpg", []
    os.mkfifo(pipe)
    content = 3 * film.read_bytes()
    threading.Thread(target=pipe.write_bytes, args=(content,), daemon=True).start()
    source = open_live(str(pipe), newest=False, warn=messages.append)
    with pytest.raises(LostCameraError):
        list(source.frames())
    said = [each for each in messages if "is interlaced" in each]
    assert len(said) == (not converts_interlaced())
    with Server() as server:
        address = server.serve("film.mpg", content)
        if not converts_interlaced():
            with pytest.raises(ImageError, match=r"film\.mpg: is interlaced"):
                list(open_live(address).frames())


def test_files_are_no_group_of_live_sources(tmp_path):
    film = write_video(tmp_path / "v.avi")
    with pytest.raises(ImageError, match="is not live"):
        open_group([film])


def open_and_close(address, times, failures):
    for _ in range(times):
        try:
            next(open_live(address).frames())
        except Exception as error:  # noqa: BLE001 each is a failure
            failures.append(error)


@pytest.mark.parametrize("times", [3, 25])
def test_eight_threads_open_a_redirected_camera_at_once(cameras, times):
    failures = []
    import_quiet_opencv()
    environment = dict(os.environ)
    address = cameras.address + "/moved/a"
    threads = [
        threading.Thread(target=open_and_close, args=(address, times, failures)) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert dict(os.environ) == environment
    # FFmpeg, which would follow redirects unchecked, asks for nothing.
    assert len(cameras.askers) == 2 * 8 * times
    assert all(asker.startswith("posezoo/") for asker in cameras.askers)


@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux's /proc")
def test_cameras_that_come_and_go_leave_no_handles_and_no_threads(cameras):
    handles = Path("/proc/self/fd")
    counts = []
    for _ in range(6):
        with open_results(open_group([f"{cameras.address}/{name}" for name in "abcd"])) as results:
            for _, _ in zip(range(20), results, strict=False):
                pass
        wait_until(lambda: not our_threads())
        counts.append(len(list(handles.iterdir())))
    assert counts[-1] <= counts[1] + 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system forks no processes")
def test_a_fork_gets_an_error_from_a_source_of_its_parent(cameras):
    source = open_live(cameras.address + "/a")
    for _ in range(5):
        child = os.fork()
        if not child:
            try:
                list(source.frames())
            except LostCameraError as error:
                os._exit(0 if "was opened in another process" in error.problem else 2)
            os._exit(1)
        assert os.waitpid(child, 0)[1] == 0
    assert source.take() is not None
    source.close()
