"""Small videos and MJPEG streams whose every frame tells its number by its brightness."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

SIZE = (64, 48)
STEP = 8  # of brightness from frame to frame: 31 frames at most


def frame(number: int) -> np.ndarray:
    return np.full((SIZE[1], SIZE[0], 3), number * STEP, np.uint8)


def number_of(image: np.ndarray) -> int:
    """Which frame it is, after whatever a codec did to it."""
    return round(float(image.mean()) / STEP)


def write_frames(
    path: Path, images: Sequence[np.ndarray], codec: str = "MJPG", fps: float = 25
) -> Path:
    """A video of these images, which have one size."""
    size = images[0].shape[1::-1]
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, cv2.VideoWriter_fourcc(*codec), fps, size)
    assert writer.isOpened()
    for image in images:
        writer.write(image)
    writer.release()
    return path


def write_video(path: Path, frames: int = 20, codec: str = "MJPG", fps: float = 25) -> Path:
    return write_frames(path, [frame(number) for number in range(frames)], codec, fps)


def write_noise(path: Path, frames: int) -> Path:
    """A video whose pictures need many bytes."""
    noise = np.random.default_rng(0)
    codec = cv2.VideoWriter_fourcc(*"mp4v")
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, codec, 25, (160, 128))
    for _ in range(frames):
        writer.write(noise.integers(0, 255, (128, 160, 3), np.uint8))
    writer.release()
    return path


def damage(path: Path) -> None:
    """Overwrite a piece in the middle of a file."""
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 500] = bytes(500)
    path.write_bytes(content)


def stretch_pixels(path: Path, *, width: int) -> Path:
    """Let the track of an MP4 be shown wider than it is: its matrix says that (ISO/IEC 14496-12)."""
    content = bytearray(path.read_bytes())
    matrix = content.index(b"tkhd") + 4 + 40
    assert content[matrix : matrix + 4] == (1 << 16).to_bytes(4, "big")
    content[matrix : matrix + 4] = (width << 16).to_bytes(4, "big")
    path.write_bytes(content)
    return path


def write_uneven_video(path: Path, *, ticks: Sequence[int]) -> Path:
    """A video whose frames are shown at these ticks of 1 / 25 seconds, as those of a phone."""
    # Only frames that are encoded already may state their times.
    encoded = [cv2.VIDEOWRITER_PROP_RAW_VIDEO, 1, cv2.VIDEOWRITER_PROP_KEY_INTERVAL, 1]
    codec = cv2.VideoWriter_fourcc(*"MJPG")
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, codec, 25, SIZE, encoded)
    for number, tick in enumerate(ticks):
        writer.set(cv2.VIDEOWRITER_PROP_PTS, tick)
        writer.write(cv2.imencode(".jpg", frame(number))[1].reshape(1, -1))
    writer.release()
    return path


def read_video(path: Path) -> list[np.ndarray]:
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    images = []
    while True:
        done, image = capture.read()
        if not done:
            return images
        images.append(image)


def mjpeg(frames: int = 20) -> bytes:
    """The body that a network camera sends."""
    parts = []
    for number in range(frames):
        data = cv2.imencode(".jpg", frame(number))[1].tobytes()
        parts.append(
            b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n%b\r\n"
            % (len(data), data)
        )
    return b"".join(parts)


#: What such a camera says before the body.
MJPEG = {"Content-Type": "multipart/x-mixed-replace; boundary=frame"}


def set_matrix(path: Path, *, a: int, b: int, c: int, d: int) -> Path:
    """Let the track of an MP4 be shown by this display matrix."""
    content = bytearray(path.read_bytes())
    matrix = content.index(b"tkhd") + 4 + 40
    struct.pack_into(">iiiii", content, matrix, a << 16, b << 16, 0, c << 16, d << 16)
    path.write_bytes(content)
    return path


def trim(path: Path, share: float) -> Path:
    """Let the edit list of an MP4 show only this share of it, from its beginning."""
    content = bytearray(path.read_bytes())
    duration = content.index(b"elst") + 12
    (units,) = struct.unpack_from(">I", content, duration)
    struct.pack_into(">I", content, duration, round(units * share))
    path.write_bytes(content)
    return path


def write_interlaced(path: Path, codec: str, size: tuple[int, int] = SIZE) -> Path:
    """A video whose frames have two fields each; it needs PyAV."""
    av = pytest.importorskip("av")
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25, options={"flags": "+ilme+ildct"})
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        for number in range(10):
            pixels = cv2.resize(frame(number), size)
            image = av.VideoFrame.from_ndarray(pixels, format="bgr24").reformat(format="yuv420p")
            container.mux(stream.encode(image))
        container.mux(stream.encode())
    return path


def write_raw(path: Path, frames: int = 10) -> Path:
    """A stream of JPEG without a container, as programs save that of a camera."""
    path.write_bytes(b"".join(cv2.imencode(".jpg", frame(n))[1].tobytes() for n in range(frames)))
    return path
