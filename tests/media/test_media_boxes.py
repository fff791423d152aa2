"""Films and photos are shown as their boxes say, of which OpenCV does not follow all."""

import numpy as np
import pytest

from fakes.videos import set_matrix, trim, write_video
from posezoo.media.captures import Capture
from posezoo.media.frame_sources import open_source
from posezoo.media.media_boxes import Film, Turn, read_film_boxes, read_picture_turn

cv2 = pytest.importorskip("cv2")


@pytest.fixture
def film(tmp_path):
    """A picture that differs in each corner, and the path of its film."""
    picture = np.full((96, 160, 3), 128, np.uint8)
    picture[:40, :60] = 255
    picture[60:, 120:] = 0
    path = tmp_path / "film.mp4"
    codec = cv2.VideoWriter_fourcc(*"mp4v")
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, codec, 25, (160, 96))
    for _ in range(5):
        writer.write(picture)
    writer.release()
    return picture, path


#: Display matrices (a, b, c, d), and the picture as they show it.
MATRICES = {
    "left and right": ((-1, 0, 0, 1), lambda picture: picture[:, ::-1]),
    "above and below": ((1, 0, 0, -1), lambda picture: picture[::-1]),
    "exchanged axes": ((0, 1, 1, 0), lambda picture: picture.swapaxes(0, 1)),
    "both exchanged": ((0, -1, -1, 0), lambda picture: picture.swapaxes(0, 1)[::-1, ::-1]),
    "only turned": ((0, 1, -1, 0), lambda picture: np.rot90(picture, -1)),
}


@pytest.mark.parametrize("case", MATRICES)
def test_a_film_is_shown_by_its_display_matrix(film, case):
    picture, path = film
    numbers, show = MATRICES[case]
    set_matrix(path, **dict(zip("abcd", numbers, strict=True)))
    expected = show(picture)
    capture = Capture(path, "film").open()
    shown = capture.read()
    capture.close()
    assert capture.size == shown.shape[1::-1] == expected.shape[1::-1]
    assert np.abs(shown.astype(int) - expected).mean() < 4


def test_frames_that_an_edit_list_hides_are_not_missing(tmp_path):
    path = trim(write_video(tmp_path / "cut.mp4", frames=30, codec="mp4v"), 0.4)
    said = []
    source = open_source(str(path), report_error=said.append, warn=said.append)
    assert len(list(source.frames())) == 12
    assert not said
    assert source.frame_count == 12


@pytest.mark.parametrize("length", [0, 7, 40, 200, -1])
def test_a_damaged_film_says_nothing(film, length):
    _, path = film
    content = path.read_bytes()
    start = content.index(b"moov") - 4
    path.write_bytes(content[start : start + length] if length >= 0 else b"\xff" * 99)
    assert read_film_boxes(path) == Film()


def test_other_bytes_turn_no_photo():
    assert read_picture_turn(b"") == read_picture_turn(bytes(99)) == Turn()
