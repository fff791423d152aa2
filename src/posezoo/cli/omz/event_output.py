"""Events, told in Open Model Zoo's words: as lines for people and their greps, or as JSON, one a line."""

from __future__ import annotations

import json
import sys
import threading
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from posezoo import events
from posezoo.cli.omz.conventions import GROUP, SECTION, LineBuffer
from posezoo.cli.quantization_text import format_displacement, format_worst_layers
from posezoo.errors import PosezooError

if TYPE_CHECKING:
    from posezoo.spec.model import ModelSpec

# In a log, one line for each tenth of a file: Open Model Zoo wrote 2300 lines for one of 2.3 GB.
_LOGGED_PERCENT = 10

#: The ``$type`` of each event in JSON. Scripts read these names: they stay when a class is renamed.
EVENT_TYPES: dict[type[events.Event], str] = {
    events.DownloadStarted: "model_download_begin",
    events.DownloadFinished: "model_download_end",
    events.FileDownloadStarted: "model_file_download_begin",
    events.FileDownloadProgress: "model_file_download_progress",
    events.FileDownloadFinished: "model_file_download_end",
    events.FileUpToDate: "model_file_up_to_date",
    events.CachedFileUsed: "model_file_retrieved",
    events.PostprocessingStarted: "model_postprocessing_begin",
    events.FilePostprocessingStarted: "model_file_postprocessing",
    events.PostprocessingFinished: "model_postprocessing_end",
    events.ConversionStarted: "model_conversion_begin",
    events.SelfCheckPassed: "model_self_checked",
    events.ConversionFinished: "model_conversion_end",
    events.QuantizationStarted: "model_quantization_begin",
    events.CalibrationProgress: "model_calibration_progress",
    events.DisplacementMeasured: "model_shift_measured",
    events.AccuracyCompared: "model_accuracy_held",
    events.LayerNoiseMeasured: "model_layers_compared",
    events.QuantizationFinished: "model_quantization_end",
    events.ConversionUpToDate: "model_conversion_up_to_date",
    events.ConversionSkipped: "model_conversion_skipped",
    events.EvaluationProgress: "model_evaluation_progress",
    events.BenchmarkStarted: "benchmark_begin",
    events.BenchmarkProgress: "benchmark_progress",
}


class TextReporter:
    """A listener that writes lines.

    Args:
        paper: where to.
        folder: where the model's published files lie.
        cache_dir: where files come from that are retrieved "from the cache".
    """

    def __init__(self, paper: LineBuffer, folder: Path, cache_dir: Path | None = None) -> None:
        self._paper, self._folder, self._cache_dir = paper, folder, cache_dir
        self._coming: dict[str, _FileProgressLines] = {}
        self._later: list[LineBuffer] = []
        self._logged = 0

    def start_model(self, heading: str) -> None:
        """What comes is about one model."""
        self._paper.write_out(f"{GROUP} {heading} {GROUP[::-1]}\n")

    def start_step(self, heading: str) -> None:
        """What comes is about one step."""
        self._paper.write_out(f"{SECTION} {heading}")

    def print_line(self, line: str) -> None:
        """What belongs to a step."""
        self._paper.write_out(line)

    def warn(self, error: PosezooError) -> None:
        """What would stand in the way."""
        self._paper.warn(error.problem, error.hint)

    def print_error(self, error: PosezooError) -> None:
        """Why a model failed."""
        self._paper.print_error(error)

    def __call__(self, event: events.Event) -> None:
        """Write the lines of an event, if it has any."""
        match event:
            case events.WarningIssued(message=message):
                self._paper.warn(message)
            case events.DownloadStarted(revision=revision) if revision > 1:
                self._paper.write_out(f"Revision {revision} of its files\n")
            case events.FileDownloadStarted(model_file=file, size=size):
                # The first one's lines come as they are, those of files beside it when it has ended.
                paper = LineBuffer(buffered=True) if self._coming else self._paper
                paper.write_out(f"{SECTION} Downloading {self._folder / file}")
                self._coming[file] = _FileProgressLines(paper, size)
            case events.FileDownloadProgress(model_file=file, size=size):
                self._coming[file].progress(size)
            case events.FileDownloadFinished(model_file=file):
                progress_bar = self._coming.pop(file)
                progress_bar.paper.write_out()
                self._later.append(progress_bar.paper)
                if not any(other.paper is self._paper for other in self._coming.values()):
                    self._release()
            case events.CachedFileUsed(model_file=file, origin=origin):
                cached = self._cache_dir is not None and Path(origin).is_relative_to(self._cache_dir)
                self.start_step(f"Retrieving {self._folder / file} from {'the cache' if cached else origin}")
                self._paper.write_out()
            case events.FileUpToDate(model_file=file):
                self.start_step(f"Keeping {self._folder / file} (it is here and verified)")
                self._paper.write_out()
            case events.FilePostprocessingStarted(model_file=file, action=action):
                doing = {"unpack": "Unpacking", "replace_text": "Replacing text in"}[action]
                self.start_step(f"{doing} {self._folder / file}")
            case events.PostprocessingFinished():
                self._paper.write_out()
            case events.ConversionStarted(model=model, precisions=precisions):
                for precision in precisions:
                    self.start_step(f"Converting {model} to IR ({precision})")
            case events.ConversionUpToDate(model=model, precisions=precisions):
                for precision in precisions:
                    self.start_step(f"Keeping {model} ({precision}): it is up to date")
            case events.SelfCheckPassed():
                self._paper.write_out(
                    f"{event.precision} self-check passed: off by {event.difference:.1e}, "
                    f"{event.tolerance:.0e} allowed, against {event.reference}"
                )

            case events.QuantizationStarted(model=model, precisions=precisions):
                for precision in precisions:
                    self.start_step(f"Quantizing {model} from FP32 to {precision}")
                self._logged = 0
            case events.CalibrationProgress(samples=samples, of=of):
                self._calibrated(samples, of)
            case events.DisplacementMeasured():
                self._paper.write_out(format_displacement(event))
            case events.LayerNoiseMeasured(layers=layers):
                for line in format_worst_layers(layers):
                    self._paper.write_out(line)

    def _release(self) -> None:
        for paper in self._later:
            if paper is not self._paper:
                paper.flush(self._paper)
        self._later.clear()

    def _calibrated(self, samples: int, of: int) -> None:
        percent = 100 * samples // of
        if percent >= self._logged + _LOGGED_PERCENT:
            self._logged = percent
            self._paper.write_out(f"... {percent}%, {samples} of {of} samples")


class _FileProgressLines:
    """A file on its way."""

    def __init__(self, paper: LineBuffer, size: int) -> None:
        self.paper = paper
        self._size, self._begun, self._logged = size, time.monotonic(), 0

    def progress(self, size: int) -> None:
        """So much of it is here."""
        percent = 100 * size // self._size if self._size else 0  # of a size that nobody states
        terminal = sys.stdout.isatty()
        if not terminal and percent < self._logged + _LOGGED_PERCENT:
            return
        self._logged = percent
        seconds = time.monotonic() - self._begun
        speed = f"{size / 1024 / seconds:.0f}" if seconds else "?"
        share = f"{percent}%" if self._size else "?%"
        line = f"... {share}, {size // 1024} KB, {speed} KB/s, {seconds:.0f} seconds passed"
        self.paper.write_out(line, end="\r" if terminal and percent < 100 else "\n")


class JsonReporter:
    """A listener that writes each event as one JSON object, for scripts that count on Open Model Zoo's.

    There every file begins once and ends once: so a file that is here already, or comes from the cache,
    begins and ends too; and a source that fails is no end while another one is asked.
    """

    _one_at_a_time = threading.Lock()

    def __init__(self, paper: LineBuffer, spec: ModelSpec) -> None:
        self._paper = paper
        self._sizes = {file.name: file.size or 0 for file in spec.files}
        self._failed: dict[str, events.FileDownloadFinished] = {}

    def print_error(self, error: PosezooError) -> None:
        """Why a model failed."""
        self._paper.print_error(error)

    def __call__(self, event: events.Event) -> None:
        """Write an event; warnings go to the standard error."""
        if isinstance(event, events.WarningIssued):
            self._paper.warn(event.message)
        elif isinstance(event, (events.FileUpToDate, events.CachedFileUsed)):
            size = self._sizes.get(event.model_file, 0)
            self._write(events.FileDownloadStarted(event.model, event.model_file, size))
            self._write(event)
            self._write(events.FileDownloadFinished(event.model, event.model_file, True))
        elif isinstance(event, events.FileDownloadFinished) and not event.successful:
            self._failed[event.model_file] = event
        elif isinstance(event, events.FileDownloadStarted) and event.model_file in self._failed:
            del self._failed[event.model_file]
        else:
            if isinstance(event, events.DownloadFinished):  # now nobody else is asked
                for failed in self._failed.values():
                    self._write(failed)
                self._failed.clear()
            self._write(event)

    def _write(self, event: events.Event) -> None:
        fields = asdict(event)
        if fields.get("revision") == 1:  # as in Open Model Zoo, which has no revisions
            del fields["revision"]
        self._out(json.dumps({"$type": EVENT_TYPES[type(event)], **fields}))

    def _out(self, line: str) -> None:
        with self._one_at_a_time:
            sys.stdout.write(f"{line}\n")
            sys.stdout.flush()


class JsonConversionReporter(JsonReporter):
    """The same for a conversion, where what is said in a line of text is a field ``line``."""

    def __init__(self, paper: LineBuffer, spec: ModelSpec) -> None:
        super().__init__(paper, spec)
        self._model = spec.full_name

    def start_step(self, heading: str) -> None:
        """What comes is about one step."""
        self.print_line(heading)

    def print_line(self, line: str) -> None:
        """What belongs to a step."""
        text = {"$type": "model_conversion_line", "model": self._model, "line": line.strip()}
        self._out(json.dumps(text))

    def warn(self, error: PosezooError) -> None:
        """What would stand in the way."""
        self._paper.warn(error.problem, error.hint)
