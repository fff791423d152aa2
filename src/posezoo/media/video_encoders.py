"""Encoders of drawn videos: PyAV writes H.264 with the sound of the source, OpenCV what it can
(docs/decisions/0031).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from fractions import Fraction
from math import inf
from pathlib import Path
from typing import Any

from posezoo.core.errors import MissingPackageError, OutputError
from posezoo.core.events import Listener, WarningIssued
from posezoo.core.install_commands import install_command
from posezoo.media.ffmpeg import import_av, import_quiet_opencv, open_media
from posezoo.poses.letterbox import Image, Size

#: OpenCV's FOURCC by video suffix; every FFmpeg in OpenCV can write these codecs.
CODECS = {".avi": "MJPG", ".mkv": "mp4v", ".mov": "mp4v", ".mp4": "mp4v"}

_OPTIONS = {"preset": "veryfast", "crf": "22.5", "x264-params": "subme=1:rc-lookahead=5"}

# The usual clock of video: at the usual frame rates, a frame is a whole number of ticks.
_TICK = Fraction(1, 90_000)

# The decoders of the sound that browsers play, and that MP4 and MOV can have. Other sound becomes
# AAC.
_COPIED = {"aac", "mp3", "mp3float"}

# AVCOL_SPC_BT709 and AVCOL_RANGE_MPEG of libavutil/pixfmt.h: what players expect of H.264.
_BT709 = 1
_LIMITED_RANGE = 1


def open_encoder(
    path: Path, size: Size, fps: float, sound: Path | None, listener: Listener
) -> VideoEncoder:
    """The best encoder for a video of this even size in pixels, with sound from a file; the
    listener receives a warning without PyAV.

    Raises:
        OutputError: no video of this size can be written there.
    """
    try:
        if path.suffix.lower() == ".avi":  # this format has no times of frames
            return _OpenCVEncoder(path, size, fps)
        av = import_av()
    except MissingPackageError:
        lost = "drawn videos have no sound, and browsers do not play them"
        listener(WarningIssued(f"{lost}; PyAV changes both: {install_command('video')}"))
        return _OpenCVEncoder(path, size, fps)
    try:
        return _PyAVEncoder(av, path, size, fps, sound, listener)
    except Exception as error:
        if sound is None and isinstance(error, av.FFmpegError):
            raise _explain_size(path, size) from error
        if sound is None:
            raise
        problem = error
    encoder = open_encoder(path, size, fps, None, listener)
    listener(_lost_sound(sound, problem))
    return encoder


def _lost_sound(sound: Path, error: Exception) -> WarningIssued:
    """No failure of the sound may cost the video, whatever kind of error its reader raises."""
    return WarningIssued(f"{sound}: its sound cannot be copied: {error or type(error).__name__}")


def _explain_size(path: Path, size: Size) -> OutputError:
    return OutputError(f"{path.name}: no video of {size[0]}x{size[1]} can be written there")


class _OpenCVEncoder:
    keeps_times = False  # frames are repeated instead

    def __init__(self, path: Path, size: Size, fps: float) -> None:
        cv2 = import_quiet_opencv()
        codec = cv2.VideoWriter_fourcc(*CODECS[path.suffix.lower()])
        self._writer = open_media(path, cv2.VideoWriter, cv2.CAP_FFMPEG, codec, fps, size)
        if not self._writer.isOpened():
            raise _explain_size(path, size)

    def write(self, image: Image, _shown_s: float) -> None:
        self._writer.write(image)

    def close(self) -> None:
        self._writer.release()


class _PyAVEncoder:
    keeps_times = True

    def __init__(
        self,
        av: Any,
        path: Path,
        size: Size,
        fps: float,
        sound: Path | None,
        listener: Listener,
    ) -> None:
        self._frame_type = av.VideoFrame
        # With its index at the beginning, a video plays before all of it is loaded.
        options = {} if path.suffix.lower() == ".mkv" else {"movflags": "+faststart"}
        self._container = open_media(path, av.open, "w", container_options=options)
        rate = Fraction(fps).limit_denominator(1001)
        self._stream = self._container.add_stream("libx264", rate=rate, options=_OPTIONS)
        context = self._stream.codec_context
        context.width, context.height = size
        context.pix_fmt = "yuv420p"
        context.time_base = _TICK
        context.colorspace = context.color_primaries = context.color_trc = _BT709
        context.color_range = _LIMITED_RANGE
        self._step_s = 1 / fps
        self._tick = -1
        self._heard_s = -inf
        self._source = sound
        self._listener = listener
        self._sound: Iterator[Any] = iter(())
        try:
            if sound is not None:
                self._sound = _copy_sound(av, sound, self._container)
                next(self._sound, None)
            self._container.start_encoding()
        except Exception:
            self._container.close()  # else it could write into the file of its successor
            raise

    def write(self, image: Image, shown_s: float) -> None:
        frame = self._frame_type.from_ndarray(image, "bgr24")
        frame = frame.reformat(format="yuv420p", dst_colorspace=_BT709)
        self._tick = max(self._tick + 1, round(shown_s / _TICK))
        frame.pts, frame.time_base = self._tick, _TICK
        self._container.mux(self._stream.encode(frame))
        self._write_sound(self._tick * _TICK + self._step_s)

    def _write_sound(self, end_s: float) -> None:
        """The sound of the frames so far."""
        try:
            while self._heard_s < end_s and (packet := next(self._sound, None)) is not None:
                self._container.mux(packet)
                self._heard_s = packet.pts * packet.time_base
        except Exception as error:  # noqa: BLE001 the sound may be of any kind, and damaged
            self._sound = iter(())
            assert self._source  # it has sound
            self._listener(_lost_sound(self._source, error))

    def close(self) -> None:
        self._container.mux(self._stream.encode(None))
        self._container.close()


VideoEncoder = _OpenCVEncoder | _PyAVEncoder


def _copy_sound(av: Any, path: Path, container: Any) -> Iterator[Any]:
    """The sound of a file for another container: first None, when its stream is there; then the
    packets. Damaged ones are left out.
    """
    # A title may be in any encoding.
    with open_media(path, av.open, metadata_errors="replace") as source:
        track = source.streams.best("audio")
        if track is None:
            return
        if track.codec_context is None:
            raise ValueError("its codec is not known")
        if track.codec_context.name in _COPIED:
            stream = container.add_stream_from_template(track)
            packets = source.demux(track)
        else:
            stream = container.add_stream("aac", rate=track.codec_context.rate)
            stream.codec_context.layout = "stereo" if track.codec_context.channels > 1 else "mono"
            packets = _encode_sound(av, source.demux(track), stream)
        yield None
        # The times of OpenCV's frames begin with the first one.
        picture = source.streams.best("video")
        start_s = (picture.start_time or 0) * picture.time_base
        last = -inf
        for packet in packets:
            if packet.dts is None or packet.dts <= last:
                continue
            last = packet.dts
            shift = round(start_s / packet.time_base)
            packet.pts, packet.dts = packet.pts - shift, packet.dts - shift
            packet.stream = stream
            yield packet


def _encode_sound(av: Any, packets: Iterable[Any], stream: Any) -> Iterator[Any]:
    """The packets of decoded sound for a stream. Only the time of the first one is kept: those of
    others are rounded, and an encoder refuses a gap.
    """
    sample = None
    for packet in packets:
        # In damaged sound, the number of channels may change.
        with suppress(av.FFmpegError, ValueError):
            for frame in packet.decode():
                if sample is None:
                    sample = round((frame.time or 0) * frame.sample_rate)
                frame.pts, frame.time_base = sample, Fraction(1, frame.sample_rate)
                sample += frame.samples
                yield from stream.encode(frame)
    yield from stream.encode(None)
