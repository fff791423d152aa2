"""The video tracks of an MP4, also of one that is damaged or built to mislead."""

import struct

import pytest

from fakes.videos import SIZE, write_two_tracks, write_video
from posezoo.run.video.video_file import VideoTrack, read_video_tracks


def box(kind, content):
    return struct.pack(">I4s", 8 + len(content), kind) + content


EMPTY_HEADER = box(b"mdia", box(b"hdlr", bytes(8) + b"vide")) + box(b"tkhd", b"")


def test_each_track_has_its_number_and_size(tmp_path):
    path = write_two_tracks(tmp_path / "two.mp4", SIZE, (128, 96))
    assert read_video_tracks(path) == (VideoTrack(1, *SIZE), VideoTrack(2, 128, 96))


@pytest.mark.parametrize("name", ["v.mkv", "v.avi"])
def test_another_container_tells_no_tracks(tmp_path, name):
    assert read_video_tracks(write_video(tmp_path / name, 3)) == ()


def test_a_video_that_is_cut_anywhere_or_has_a_wrong_byte_is_read_without_an_exception(tmp_path):
    content = write_video(tmp_path / "v.mp4", 3, "mp4v").read_bytes()
    moov = content.index(b"moov") - 4
    for cut in range(moov, len(content), 7):
        (tmp_path / "cut.mp4").write_bytes(content[:cut])
        assert len(read_video_tracks(tmp_path / "cut.mp4")) <= 1
        wrong = content[:cut] + bytes([content[cut] ^ 255]) + content[cut + 1 :]
        (tmp_path / "wrong.mp4").write_bytes(wrong)
        assert len(read_video_tracks(tmp_path / "wrong.mp4")) <= 1


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"ftyp",
        box(b"ftyp", b"isom"),
        box(b"ftyp", b"isom") + struct.pack(">I4sQ", 1, b"moov", 1 << 62),
        box(b"ftyp", b"isom") + struct.pack(">I4sQ", 1, b"moov", 3),
        box(b"ftyp", b"isom") + box(b"moov", box(b"trak", b"")),
        box(b"ftyp", b"isom") + box(b"moov", struct.pack(">I4s", 0, b"trak")),
        box(b"ftyp", b"isom") + box(b"moov", box(b"trak", EMPTY_HEADER)),
    ],
)
def test_boxes_that_say_what_is_not_so_give_no_track(tmp_path, content):
    (tmp_path / "v.mp4").write_bytes(content)
    assert read_video_tracks(tmp_path / "v.mp4") == ()
