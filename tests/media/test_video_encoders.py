"""A drawn video plays in a browser, with the sound and at the times of its source."""

import os
import sys

import numpy as np
import pytest

from fakes.browser import Browser
from fakes.videos import SIZE, frame, read_video, write_uneven_video, write_video
from posezoo.core.events import WarningIssued
from posezoo.media.frame_outputs import open_output
from posezoo.media.frame_sources import open_source
from posezoo.media.video_encoders import CODECS

_RATE = 48_000


@pytest.fixture
def av():
    # Not before our FFmpeg is quiet, as in a run: it has all libraries that are there by then.
    return pytest.importorskip("av", reason="needs PyAV: the extra video")


def write_sounding(av, path, sound, *, frames=25, title=""):
    """A video of one second with a tone."""
    with av.open(str(path), "w") as container:
        container.metadata["title"] = title
        video = container.add_stream("mpeg4", rate=25, width=SIZE[0], height=SIZE[1])
        audio = container.add_stream(sound, rate=_RATE, layout="stereo")
        for number in range(frames):
            container.mux(video.encode(av.VideoFrame.from_ndarray(frame(number), "bgr24")))
        container.mux(video.encode(None))
        tone = (8000 * np.sin(np.arange(_RATE) / 17)).astype(np.int16)
        for start in range(0, _RATE, 1000):
            samples = np.repeat(tone[start : start + 1000], 2)[None]
            part = av.AudioFrame.from_ndarray(samples, "s16", "stereo")
            part.sample_rate, part.pts = _RATE, start
            container.mux(audio.encode(part))
        container.mux(audio.encode(None))
    return path


def draw_video(video, drawn, limit=0):
    """Write a video again; returns its warnings."""
    warnings = []
    source = open_source(str(video), report_error=warnings.append)
    output = open_output(drawn, source, limit=limit, listener=warnings.append)
    for each in source.frames():
        output.write(each, each.image)
    output.close()
    return warnings


def heard_seconds(av, path):
    with av.open(str(path)) as container:
        return sum(each.samples / each.sample_rate for each in container.decode(audio=0))


def test_chromium_plays_a_drawn_video_with_its_sound(av, tmp_path):
    video = write_sounding(av, tmp_path / "walk.mp4", "aac")
    assert draw_video(video, tmp_path / "drawn.mp4") == []
    (tmp_path / "page.html").write_text('<video src="drawn.mp4" muted></video>')
    browser = Browser(tmp_path / "profile")
    try:
        browser.open((tmp_path / "page.html").as_uri())
        browser.run("document.querySelector('video').play()")
        browser.wait(lambda: browser.run("return document.querySelector('video').ended"), "the end")
        size, seconds, heard, seen = browser.run(
            "const played = document.querySelector('video');"
            "return [[played.videoWidth, played.videoHeight], played.duration,"
            " played.webkitAudioDecodedByteCount, played.webkitDecodedFrameCount]"
        )
    finally:
        browser.close()
    assert size == [*SIZE] and seconds == pytest.approx(1, abs=0.1)
    assert heard > 0 and seen == 25


@pytest.mark.parametrize("suffix", sorted({*CODECS} - {".avi"}))
@pytest.mark.parametrize("sound", ["aac", "pcm_s16le", "libopus", "flac"])
def test_sound_that_browsers_do_not_play_becomes_one_that_they_do(av, tmp_path, suffix, sound):
    drawn = tmp_path / f"drawn{suffix}"
    draw_video(write_sounding(av, tmp_path / "walk.mkv", sound), drawn)
    with av.open(str(drawn)) as container:
        names = [stream.codec_context.name for stream in container.streams]
    assert names == ["h264", "aac"]
    assert heard_seconds(av, drawn) == pytest.approx(1, abs=0.05)
    before, after = map(read_video, (tmp_path / "walk.mkv", drawn))
    assert [image.mean() for image in after] == pytest.approx(
        [image.mean() for image in before], abs=3
    )


def test_the_sound_ends_with_the_last_frame(av, tmp_path):
    video = write_sounding(av, tmp_path / "walk.mp4", "aac")
    draw_video(video, tmp_path / "drawn.mp4", limit=10)
    assert heard_seconds(av, tmp_path / "drawn.mp4") == pytest.approx(0.4, abs=0.05)


def test_sound_of_an_unknown_codec_costs_a_warning_and_no_frame(av, tmp_path):
    video = write_sounding(av, tmp_path / "walk.avi", "pcm_s16le", frames=3)
    content = bytearray(video.read_bytes())
    codec = content.index(b"strf", content.index(b"auds")) + 8
    content[codec : codec + 2] = b"\x99\x99"  # the tag of no codec
    video.write_bytes(content)
    (warning,) = draw_video(video, tmp_path / "drawn.mp4")
    assert warning.message == f"{video}: its sound cannot be copied: its codec is not known"
    assert len(read_video(tmp_path / "drawn.mp4")) == 3


@pytest.mark.skipif(os.name == "nt", reason="Windows allows no colon in a name")
@pytest.mark.parametrize("name", ["12:30.mp4", "concat:other.mp4", "udp:127.0.0.1:9.mp4"])
def test_a_video_with_a_colon_in_its_name_keeps_its_own_sound(av, tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    write_sounding(av, tmp_path / name, "aac")
    write_video(tmp_path / "other.mp4", 5, "mp4v")
    assert draw_video(name, tmp_path / "drawn.mp4") == []
    assert heard_seconds(av, tmp_path / "drawn.mp4") == pytest.approx(1, abs=0.05)


def test_frames_keep_uneven_times_and_none_is_repeated(av, tmp_path):
    ticks = [0, 1, 2, 3, 4, 25, 30, 35, 40, 45]
    draw_video(write_uneven_video(tmp_path / "walk.mkv", ticks=ticks), tmp_path / "drawn.mp4")
    with av.open(str(tmp_path / "drawn.mp4")) as container:
        times = [each.time for each in container.decode(video=0)]
    assert times == pytest.approx([tick / 25 for tick in ticks], abs=0.001)


def test_without_pyav_one_line_says_what_is_lost(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    video = write_video(tmp_path / "walk.avi", 5)
    (warning,) = draw_video(video, tmp_path / "drawn.mp4")
    assert isinstance(warning, WarningIssued)
    assert "have no sound, and browsers do not play them" in warning.message
    assert "[video]" in warning.message
    assert len(read_video(tmp_path / "drawn.mp4")) == 5
    assert draw_video(video, tmp_path / "drawn.avi") == []
