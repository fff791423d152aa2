"""The report of an evaluation on videos: as JSON, and as a file."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from posezoo.cli.json_projection import Json, project, to_json
from posezoo.cli.result_files import write_result
from posezoo.core.events import Listener, ignore_event
from posezoo.measure.evaluation.evaluation_protocol import EvaluationProtocol
from posezoo.measure.evaluation.video_evaluation import VideoResult, VideoScore
from posezoo.run.runtime.runtime_config import VideoOptions

_PROTOCOL = "model=model_name precision device=estimator.device people_from"

#: The keys of the figures of a video in JSON.
_COUNTS = "frames people=counts.people found=counts.found ghosts=counts.ghosts"


@dataclass(slots=True)
class VideoReport:
    """The result of an evaluation on videos, and the file that is written for it."""

    protocol: EvaluationProtocol
    options: VideoOptions
    result: VideoResult
    folder: Path

    @property
    def files(self) -> dict[str, str]:
        """The file by what it has, also before it is written."""
        return {"tracks": str(tracks_path(self.folder))}

    def to_settings(self) -> Json:
        """The settings of the model, and how people were followed."""
        followed = {"smooth": self.options.smooth, "detect_every": self.options.detect_every}
        return self.protocol.to_settings() | {
            name: value for name, value in followed.items() if value
        }

    def to_json(self) -> Json:
        """The JSON object that ``measure.verbs.evaluate`` describes."""
        result = self.result
        return {
            **project(self.protocol, _PROTOCOL),
            **self._score_to_json(result.total),
            "processed_frames": result.frames,
            "settings": to_json(self.to_settings()),
            "left_out": list(result.left_out),
            "videos": [
                {"video": video.name, **self._score_to_json(video)} for video in result.videos
            ],
            "files": self.files,
        }

    def _score_to_json(self, score: VideoScore) -> Json:
        switches = score.counts.switches if self.result.has_tracks else None
        return {**project(score, _COUNTS), "switches": switches, **score.hota}

    def write(self, listener: Listener = ignore_event) -> None:
        """Write the poses in annotated frames, in the form of COCO's results, with ``track_id``."""
        text = json.dumps(self.result.results) + "\n"
        write_result(tracks_path(self.folder), text.encode(), listener)


def tracks_path(folder: Path) -> Path:
    """The file that ``VideoReport.write`` writes."""
    return folder / "tracks.json"
