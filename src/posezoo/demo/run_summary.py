"""What the demo tells: a line for each pose, and how it went at the end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from posezoo.demo.frame_outputs import FrameOutput
from posezoo.demo.player import ExecutionMode, Player
from posezoo.demo.utilization_monitor import UtilizationMonitor
from posezoo.errors import PosezooError
from posezoo.pose.keypoints import Pose


def format_pose(pose: Pose) -> str:
    """A pose in numbers: its score, then x, y in pixels and the score of each keypoint."""
    numbers = (f"{x:.1f} {y:.1f} {score:.2f}" for x, y, score in pose.keypoints.tolist())
    return f"{pose.score:.2f} " + " ".join(numbers)


def summarize_run(
    player: Player,
    modes: Sequence[ExecutionMode],
    outputs: Sequence[FrameOutput],
    monitors: UtilizationMonitor,
    failed: Sequence[PosezooError],
) -> dict[str, Any]:
    """In plain values: ``frames``, ``modes``, ``steps_ms``, ``outputs``, ``machine``, ``failed``.

    The ms of a step are the mean over all frames; steps of several frames run at once, so they may add up
    to more than a frame's share of the time.
    """
    steps = player.steps.mean_ms(player.frames)
    return {
        "frames": player.frames,
        "modes": {
            mode.name: {
                "frames": mode.speed.frames,
                "fps": round(mode.speed.fps, 2),
                "latency_ms": round(mode.speed.latency_ms, 2),
            }
            for mode in modes
        },
        "steps_ms": {name: round(value, 3) for name, value in steps.items()},
        "outputs": [
            {"path": str(output.path), "written": output.written, "dropped": output.dropped}
            for output in outputs
        ],
        "machine": monitors.summary(),
        "failed": [error.problem for error in failed],
    }


def format_summary(told: dict[str, Any]) -> list[str]:
    """A report in words, for people."""
    said = [f"{told['frames']} frame{'' if told['frames'] == 1 else 's'}"]
    for name, mode in told["modes"].items():
        if mode["frames"]:
            speed = f"{mode['fps']:8.1f} FPS {mode['latency_ms']:9.1f} ms latency"
            said.append(f"{name:15} {mode['frames']:6} frames {speed}")
        else:
            said.append(f"{name:15} not used")
    said += [f"{value:9.2f} ms  {name}" for name, value in told["steps_ms"].items()]
    if machine := told["machine"]:
        gib = machine["memory_bytes"] / (1 << 30)
        said.append(f"CPU {machine['cpu_share']:.0%} busy, at most {gib:.1f} GiB of memory in use")
    for output in told["outputs"]:
        dropped = f", {output['dropped']} dropped: writing was too slow" if output["dropped"] else ""
        said.append(f"{output['path']}: {output['written']} written{dropped}")
    return said
