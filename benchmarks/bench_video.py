"""Compare the CPU time of ``posezoo run`` on a video that is drawn with a loop that a user writes.

The loop has the same IR with the same properties, a thread for each request, OpenCV's reader, and
PyAV's encoder with the same options. It reads nothing from the outputs, and draws in each frame
what posezoo found in the first one. Its networks are compiled by posezoo, so that both start alike.
The video has four people. The ratio is that of the medians of the rounds, which take turns; the
exit code is 1 if it misses its bar.

    python benchmarks/bench_video.py [ROUNDS [FRAMES]]
"""

from __future__ import annotations

import pickle
import sys
import tempfile
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from queue import SimpleQueue
from statistics import median
from typing import Any

import av
import cv2
import numpy as np
from harness import amount, cpu_s, exit_code, machine, record
from work_done import require_found

import posezoo
from posezoo.core.pipeline.zoo_context import open_context
from posezoo.core.settings import read_settings, to_settings
from posezoo.measure.benchmark_cases import write_people
from posezoo.media.video_encoders import _OPTIONS
from posezoo.poses.drawing import draw
from posezoo.run.load import Loader, default_runtime
from posezoo.run.runtime.compiled_network import CompiledNetwork
from posezoo.run.runtime.runtime_config import LoadOptions, choose_requests
from posezoo.run.subject import find_subject

MODEL = "movenet-thunder"
ROUNDS = amount(5)
FRAMES = amount(90, trial=6)
PEOPLE = 4
SIZE = (1280, 720)
#: The most CPU time, relative to the loop.
BAR = 1.05


def write_video(path: Path, frames: int) -> None:
    """People whom a camera passes."""
    photo = path.with_suffix(".jpg")
    write_people(photo, PEOPLE)
    image = cv2.resize(cv2.imread(str(photo)), SIZE)
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*"mp4v"), 25, SIZE)
    for number in range(frames):
        writer.write(np.roll(image, 2 * number, axis=1))
    writer.release()


def load_networks() -> tuple[CompiledNetwork, ...]:
    """The detector and the pose network, compiled as for ``posezoo run``."""
    context = open_context(to_settings(read_settings({})))
    runtime = replace(default_runtime(context.settings), requests=choose_requests())
    prepared = Loader(context).prepare(find_subject(MODEL, context))
    return prepared.compile(LoadOptions(runtime)).networks


def loop(source: str, target: str, found: str) -> None:
    """The loop by hand, in a process of its own."""
    cv2.setNumThreads(1)
    poses = pickle.loads(Path(found).read_bytes())
    networks = load_networks()
    compiled: list[Any] = [network._compiled for network in networks]
    requests: SimpleQueue[list[Any]] = SimpleQueue()
    for _ in range(networks[0].requests):
        requests.put([each.create_infer_request() for each in compiled])

    def infer(frame: Any) -> Any:
        detector, pose = requests.get()
        _fill(detector, frame)
        for place in range(PEOPLE):
            _fill(pose, frame[:, place * SIZE[0] // PEOPLE :][:, : SIZE[0] // PEOPLE])
        requests.put([detector, pose])
        return frame

    capture = cv2.VideoCapture(source)
    container = av.open(target, "w", container_options={"movflags": "+faststart"})
    rate = Fraction(capture.get(cv2.CAP_PROP_FPS)).limit_denominator(1001)
    stream: Any = container.add_stream("libx264", rate=rate, options=_OPTIONS)
    stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"

    def write(frame: Any) -> None:
        container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, "bgr24")))

    at_once = networks[0].requests
    waiting: deque[Any] = deque()
    with ThreadPoolExecutor(at_once) as pool, ThreadPoolExecutor(1) as writer:
        is_read = True
        while is_read or waiting:
            while is_read and len(waiting) <= at_once:
                is_read, frame = capture.read()
                if is_read:
                    waiting.append(pool.submit(infer, frame))
            if waiting:
                frame = waiting.popleft().result()
                draw(frame, poses, in_place=True, color="side")
                writer.submit(write, frame)
    container.mux(stream.encode(None))
    container.close()


def _fill(request: Any, frame: Any) -> None:
    _, height, width, _ = request.get_input_tensor().shape
    request.infer({0: cv2.resize(frame, (width, height))[None]}, share_inputs=True)


def main(rounds: int = ROUNDS, frames: int = FRAMES) -> int:
    """Run both in turn."""
    print(machine())
    with tempfile.TemporaryDirectory() as folder:
        video = Path(folder, "people.mp4")
        write_video(video, frames)
        out = str(Path(folder, "out.mp4"))
        found = Path(folder, "found.pickle")
        _, first = cv2.VideoCapture(str(video)).read()
        poses = posezoo.load(MODEL, listener=None)(first)
        require_found(MODEL, len(poses), PEOPLE)
        found.write_bytes(pickle.dumps(poses))
        run = [sys.executable, "-m", "posezoo", "run", MODEL, "--input", str(video), "--quiet"]
        commands = {
            "by hand": [sys.executable, __file__, "--loop", str(video), out, str(found)],
            "posezoo run": [*run, "--output", out],
        }
        times: dict[str, list[float]] = {name: [] for name in commands}
        for number in range(rounds + 1):  # the first one converts and compiles
            for name, command in commands.items():
                each = cpu_s(command)
                times[name] += [each] if number else []
    seconds = {name: median(each) for name, each in times.items()}
    ratio = seconds["posezoo run"] / seconds["by hand"]
    for name, each in seconds.items():
        print(f"{name:12} {each:6.2f} s of CPU")
    print(f"ratio {ratio:.3f}, bar {BAR}")
    record("bench_video", {"rounds": rounds, "frames": frames, "seconds": times, "ratio": ratio})
    return exit_code(ratio > BAR)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--loop"]:
        loop(*sys.argv[2:])
    else:
        sys.exit(main(*(int(argument) for argument in sys.argv[1:])))
