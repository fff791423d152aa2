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
from posezoo.cli.omz.contract import ALARM, GROUP, SECTION
from posezoo.cli.quantization import shift_in_words, worst_layers
from posezoo.errors import PosezooError

if TYPE_CHECKING:
    from posezoo.spec.model import ModelSpec

# In a log, one line for each tenth of a file: Open Model Zoo wrote 2300 lines for one of 2.3 GB.
_LOGGED_PERCENT = 10

#: The ``$type`` of each event in JSON. Scripts read these names: they stay when a class is renamed.
EVENT_TYPES: dict[type[events.Event], str] = {
    events.ModelDownloadBegin: "model_download_begin",
    events.ModelDownloadEnd: "model_download_end",
    events.ModelFileDownloadBegin: "model_file_download_begin",
    events.ModelFileDownloadProgress: "model_file_download_progress",
    events.ModelFileDownloadEnd: "model_file_download_end",
    events.ModelFileUpToDate: "model_file_up_to_date",
    events.ModelFileRetrieved: "model_file_retrieved",
    events.ModelPostprocessingBegin: "model_postprocessing_begin",
    events.ModelFilePostprocessing: "model_file_postprocessing",
    events.ModelPostprocessingEnd: "model_postprocessing_end",
    events.ModelConversionBegin: "model_conversion_begin",
    events.ModelSelfChecked: "model_self_checked",
    events.ModelConversionEnd: "model_conversion_end",
    events.ModelQuantizationBegin: "model_quantization_begin",
    events.ModelCalibrationProgress: "model_calibration_progress",
    events.ModelShiftMeasured: "model_shift_measured",
    events.ModelAccuracyHeld: "model_accuracy_held",
    events.ModelLayersCompared: "model_layers_compared",
    events.ModelQuantizationEnd: "model_quantization_end",
    events.ModelConversionUpToDate: "model_conversion_up_to_date",
    events.ModelConversionSkipped: "model_conversion_skipped",
    events.ModelEvaluationProgress: "model_evaluation_progress",
    events.BenchmarkBegin: "benchmark_begin",
    events.BenchmarkProgress: "benchmark_progress",
}


class Paper:
    """Where the lines of one model go: at once, or held back so that those of other models stay apart."""

    def __init__(self, *, held: bool = False) -> None:
        self._held: list[tuple[bool, str]] | None = [] if held else None

    def out(self, text: str = "", end: str = "\n") -> None:
        """Something for the standard output."""
        self._write(False, text + end)

    def err(self, text: str) -> None:
        """A line for the standard error."""
        self._write(True, text + "\n")

    def release(self, onto: Paper | None = None) -> None:
        """Write what was held back, itself or onto another one."""
        held, self._held = self._held or [], None
        for to_err, text in held:
            (onto or self)._write(to_err, text)

    def _write(self, to_err: bool, text: str) -> None:
        if self._held is not None:
            self._held.append((to_err, text))
            return
        stream = sys.stderr if to_err else sys.stdout
        stream.write(text)
        stream.flush()


class Lines:
    """A listener that writes lines.

    Args:
        paper: where to.
        folder: where the model's published files lie.
        cache_dir: where files come from that are retrieved "from the cache".
    """

    def __init__(self, paper: Paper, folder: Path, cache_dir: Path | None = None) -> None:
        self._paper, self._folder, self._cache_dir = paper, folder, cache_dir
        self._coming: dict[str, _Coming] = {}
        self._later: list[Paper] = []
        self._logged = 0

    def group(self, heading: str) -> None:
        """What comes is about one model."""
        self._paper.out(f"{GROUP} {heading} {GROUP[::-1]}\n")

    def section(self, heading: str) -> None:
        """What comes is about one step."""
        self._paper.out(f"{SECTION} {heading}")

    def say(self, line: str) -> None:
        """What belongs to a step."""
        self._paper.out(line)

    def warn(self, error: PosezooError) -> None:
        """What would stand in the way."""
        self._paper.err(f"{ALARM} Warning: {error.problem}")
        if error.hint:
            self._paper.err(f"  hint: {error.hint}")

    def fail(self, error: PosezooError) -> None:
        """Why a model failed."""
        _fail(self._paper, error)

    def __call__(self, event: events.Event) -> None:
        """Write the lines of an event, if it has any."""
        match event:
            case events.Warned(message=message):
                self._paper.err(f"{ALARM} Warning: {message}")
            case events.ModelDownloadBegin(revision=revision) if revision > 1:
                self._paper.out(f"Revision {revision} of its files\n")
            case events.ModelFileDownloadBegin(model_file=file, size=size):
                # The first one's lines come as they are, those of files beside it when it has ended.
                paper = Paper(held=True) if self._coming else self._paper
                paper.out(f"{SECTION} Downloading {self._folder / file}")
                self._coming[file] = _Coming(paper, size)
            case events.ModelFileDownloadProgress(model_file=file, size=size):
                self._coming[file].progress(size)
            case events.ModelFileDownloadEnd(model_file=file):
                coming = self._coming.pop(file)
                coming.paper.out()
                self._later.append(coming.paper)
                if not any(other.paper is self._paper for other in self._coming.values()):
                    self._release()
            case events.ModelFileRetrieved(model_file=file, origin=origin):
                cached = self._cache_dir is not None and Path(origin).is_relative_to(self._cache_dir)
                self.section(f"Retrieving {self._folder / file} from {'the cache' if cached else origin}")
                self._paper.out()
            case events.ModelFileUpToDate(model_file=file):
                self.section(f"Keeping {self._folder / file} (it is here and verified)")
                self._paper.out()
            case events.ModelFilePostprocessing(model_file=file, action=action):
                doing = {"unpack": "Unpacking", "replace_text": "Replacing text in"}[action]
                self.section(f"{doing} {self._folder / file}")
            case events.ModelPostprocessingEnd():
                self._paper.out()
            case events.ModelConversionBegin(model=model, precisions=precisions):
                for precision in precisions:
                    self.section(f"Converting {model} to IR ({precision})")
            case events.ModelConversionUpToDate(model=model, precisions=precisions):
                for precision in precisions:
                    self.section(f"Keeping {model} ({precision}): it is up to date")
            case events.ModelSelfChecked():
                self._paper.out(
                    f"{event.precision} self-check passed: off by {event.difference:.1e}, "
                    f"{event.tolerance:.0e} allowed, against {event.reference}"
                )

            case events.ModelQuantizationBegin(model=model, precisions=precisions):
                for precision in precisions:
                    self.section(f"Quantizing {model} from FP32 to {precision}")
                self._logged = 0
            case events.ModelCalibrationProgress(samples=samples, of=of):
                self._calibrated(samples, of)
            case events.ModelShiftMeasured():
                self._paper.out(shift_in_words(event))
            case events.ModelLayersCompared(layers=layers):
                for line in worst_layers(layers):
                    self._paper.out(line)

    def _release(self) -> None:
        for paper in self._later:
            if paper is not self._paper:
                paper.release(self._paper)
        self._later.clear()

    def _calibrated(self, samples: int, of: int) -> None:
        percent = 100 * samples // of
        if percent >= self._logged + _LOGGED_PERCENT:
            self._logged = percent
            self._paper.out(f"... {percent}%, {samples} of {of} samples")


class _Coming:
    """A file on its way."""

    def __init__(self, paper: Paper, size: int) -> None:
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
        self.paper.out(line, end="\r" if terminal and percent < 100 else "\n")


class JsonLines:
    """A listener that writes each event as one JSON object, for scripts that count on Open Model Zoo's.

    There every file begins once and ends once: so a file that is here already, or comes from the cache,
    begins and ends too; and a source that fails is no end while another one is asked.
    """

    _one_at_a_time = threading.Lock()

    def __init__(self, paper: Paper, spec: ModelSpec) -> None:
        self._paper = paper
        self._sizes = {file.name: file.size or 0 for file in spec.files}
        self._failed: dict[str, events.ModelFileDownloadEnd] = {}

    def fail(self, error: PosezooError) -> None:
        """Why a model failed."""
        _fail(self._paper, error)

    def __call__(self, event: events.Event) -> None:
        """Write an event; warnings go to the standard error."""
        if isinstance(event, events.Warned):
            self._paper.err(f"{ALARM} Warning: {event.message}")
        elif isinstance(event, (events.ModelFileUpToDate, events.ModelFileRetrieved)):
            size = self._sizes.get(event.model_file, 0)
            self._write(events.ModelFileDownloadBegin(event.model, event.model_file, size))
            self._write(event)
            self._write(events.ModelFileDownloadEnd(event.model, event.model_file, True))
        elif isinstance(event, events.ModelFileDownloadEnd) and not event.successful:
            self._failed[event.model_file] = event
        elif isinstance(event, events.ModelFileDownloadBegin) and event.model_file in self._failed:
            del self._failed[event.model_file]
        else:
            if isinstance(event, events.ModelDownloadEnd):  # now nobody else is asked
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


class ConversionLines(JsonLines):
    """The same for a conversion, where what is said in a line of text is a field ``line``."""

    def __init__(self, paper: Paper, spec: ModelSpec) -> None:
        super().__init__(paper, spec)
        self._model = spec.full_name

    def section(self, heading: str) -> None:
        """What comes is about one step."""
        self.say(heading)

    def say(self, line: str) -> None:
        """What belongs to a step."""
        text = {"$type": "model_conversion_line", "model": self._model, "line": line.strip()}
        self._out(json.dumps(text))

    def warn(self, error: PosezooError) -> None:
        """What would stand in the way."""
        self._paper.err(f"{ALARM} Warning: {error.problem}")


def _fail(paper: Paper, error: PosezooError) -> None:
    paper.err(f"{ALARM} Error: {error.problem}")
    if error.hint:
        paper.err(f"  hint: {error.hint}")
