"""docs/howto/measure_your_own.md: TrackEval reads what posezoo run writes for a video."""

import json
import re
import sys

import pytest

from fakes.checkout import ROOT
from fakes.command import run_process, succeeded
from judges.packages import FOLDER, judge

PAGE = ROOT / "docs" / "howto" / "measure_your_own.md"


def write_walk(folder, numbers):
    """Two people in four frames; their numbers in each frame, as posezoo run writes them."""
    boxes = [[10, 10, 20, 40], [60, 10, 20, 40]]
    people = [
        {"image_id": frame, "track_id": name, "bbox": box}
        for frame in range(4)
        for name, box in zip(("ann", "bob"), boxes, strict=True)
    ]
    images = [{"id": frame, "frame_id": frame} for frame in range(4)]
    found = [[x, y, x + width, y + height] for x, y, width, height in boxes]
    frames = [
        {
            "poses": [
                {"track_id": number, "box": box}
                for number, box in zip(of_frame, found, strict=True)
            ]
        }
        for of_frame in numbers
    ]
    (folder / "tracks.json").write_text(json.dumps({"images": images, "annotations": people}))
    (folder / "poses").mkdir()
    (folder / "poses" / "walk_poses.json").write_text(json.dumps({"frames": frames}))


@pytest.mark.judge
@pytest.mark.parametrize(
    ("numbers", "hota", "switches"),
    [
        ([[1, 2]] * 4, 1.0, 0),
        ([[1, 2], [1, 2], [2, 1], [2, 1]], 0.577, 2),
        ([[1, None], [1, None], [1, None], [1, None]], 0.707, 0),
    ],
)
def test_the_program_of_the_page_measures_the_tracks(tmp_path, numbers, hota, switches):
    judge("trackeval", "trackeval 1.3.0")
    write_walk(tmp_path, numbers)
    (program,) = re.findall(
        r"^```python\n(.*?)^```$", PAGE.read_text("utf-8"), re.DOTALL | re.MULTILINE
    )
    command = [sys.executable, "-c", program]
    printed = succeeded(run_process(command, cwd=tmp_path, env={"PYTHONPATH": str(FOLDER)})).stdout
    figures = re.search(r"HOTA (\S+) switches (\d+)", printed)
    assert float(figures[1]) == pytest.approx(hota, abs=1e-3)
    assert int(figures[2]) == switches
