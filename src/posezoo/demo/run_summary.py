"""The demo's text output: one line for each pose, and a summary at the end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from posezoo.demo.frame_outputs import FrameOutput
from posezoo.demo.player import ExecutionMode, Player
from posezoo.demo.utilization_monitor import UtilizationMonitor
from posezoo.errors import PosezooError
from posezoo.pose.keypoints import Pose


def format_pose(pose: Pose) -> str:
    """A pose as numbers: its score, then x, y in pixels and the score of each keypoint."""
    numbers = (f"{x:.1f} {y:.1f} {score:.2f}" for x, y, score in pose.keypoints.tolist())
    return f"{pose.score:.2f} " + " ".join(numbers)


def summarize_run(
    player: Player,
    modes: Sequence[ExecutionMode],
    outputs: Sequence[FrameOutput],
    monitors: UtilizationMonitor,
    failures: Sequence[PosezooError],
) -> dict[str, Any]:
    """The summary as JSON values: ``frames``, ``modes``, ``steps_ms``, ``outputs``, ``machine``, ``failed``.

    The time of a step is the mean over all frames; steps of several frames run at the same time, so they may
    add up to more than the time of a frame.
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
        "failed": [error.problem for error in failures],
    }


def format_summary(summary: dict[str, Any]) -> list[str]:
    """The summary as lines of text."""
    lines = [f"{summary['frames']} frame{'' if summary['frames'] == 1 else 's'}"]
    for name, mode in summary["modes"].items():
        if mode["frames"]:
            speed = f"{mode['fps']:8.1f} FPS {mode['latency_ms']:9.1f} ms latency"
            lines.append(f"{name:15} {mode['frames']:6} frames {speed}")
        else:
            lines.append(f"{name:15} not used")
    lines += [f"{value:9.2f} ms  {name}" for name, value in summary["steps_ms"].items()]
    if machine := summary["machine"]:
        gib = machine["memory_bytes"] / (1 << 30)
        lines.append(f"CPU {machine['cpu_share']:.0%} busy, at most {gib:.1f} GiB of memory in use")
    for output in summary["outputs"]:
        dropped = f", {output['dropped']} dropped: writing was too slow" if output["dropped"] else ""
        lines.append(f"{output['path']}: {output['written']} written{dropped}")
    return lines
