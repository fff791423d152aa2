"""Events, drawn for people: bars on a terminal, few plain lines in a log.

Everything goes to the standard error, so that what a command answers on its standard output can be
piped on.
"""

from __future__ import annotations

import sys
import threading
import time
from types import TracebackType
from typing import TYPE_CHECKING, NoReturn, TextIO

from posezoo import events
from posezoo.cli.quantization_text import format_accuracy, format_displacement, format_worst_layers
from posezoo.errors import PosezooError

if TYPE_CHECKING:
    from tqdm import tqdm


class Console:
    """A listener that writes to a stream; a context manager, so that no bar is left standing.

    Several files may come at once, and threads may tell: each file has a bar of its own.

    Args:
        stream: where to write; the standard error where None.
        quiet: tell only warnings and errors.
    """

    def __init__(self, stream: TextIO | None = None, *, quiet: bool = False) -> None:
        self._stream = stream if stream is not None else sys.stderr
        self._quiet = quiet
        self._bar: tqdm[NoReturn] | None = None
        self._files: dict[tuple[str, str], _FileProgressBar] = {}
        self._told: set[str] = set()
        self._alone = threading.RLock()

    def __enter__(self) -> Console:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close_bar()
        for progress_bar in self._files.values():
            progress_bar.close()

    def __call__(self, event: events.Event) -> None:
        """Draw one event."""
        with self._alone:
            self._draw(event)

    def _draw(self, event: events.Event) -> None:
        match event:
            case events.WarningIssued(message=message):
                self.warn(message)
            case events.DownloadStarted(model=model, revision=revision) if revision > 1:
                self.print_line(f"{model}: revision {revision} of its files")
            case events.FileDownloadStarted():
                self._begin_file(event)
            case events.FileDownloadProgress(model=model, model_file=file, size=size):
                self._files[model, file].advance(size)
            case events.FileDownloadFinished():
                self._end_file(event)
            case events.CachedFileUsed(model=model, model_file=file, origin=origin):
                self.print_line(f"{model}: {file}: retrieved from {origin}, verified")
            case events.ConversionStarted(model=model, precisions=precisions):
                self.print_line(f"{model}: converting to {', '.join(precisions)}")
            case events.SelfCheckPassed():
                self.print_line(
                    f"{event.model}: {event.precision} self-check passed: off by {event.difference:.1e}, "
                    f"{event.tolerance:.0e} allowed, against {event.reference}"
                )
            case events.EvaluationProgress():
                self._count_images(event)
            case events.QuantizationStarted():
                self.print_line(
                    f"{event.model}: quantizing to {', '.join(event.precisions)}: calibrating on "
                    f"{event.calibration_photos} photos, measuring on {event.measured_photos} others"
                )
            case events.CalibrationProgress():
                self._calibrated(event)
            case events.DisplacementMeasured():
                self.print_line(f"{event.model}: {format_displacement(event)}")
            case events.AccuracyCompared():
                self.print_line(f"{event.model}: {format_accuracy(event)}")
            case events.LayerNoiseMeasured():
                for line in format_worst_layers(event.layers):
                    self.print_line(line)
            case events.ConversionSkipped(model=model, reason=reason):
                self.print_line(f"Skipping {model} ({reason})")
            case events.BenchmarkStarted(name=name, rounds=rounds):
                self.print_line(f"measuring {name}, {rounds} rounds")
            case events.BenchmarkProgress() if self._stream.isatty():
                fps = f"{event.throughput_fps:.4g} images a second"
                self.print_line(f"  round {event.round} of {event.rounds}: {fps}")

    def print_line(self, line: str) -> None:
        """One line of what goes on."""
        if not self._quiet:
            self._write(line)

    def warn(self, message: str) -> None:
        """One line of what is odd; the same line is said once."""
        with self._alone:
            if message not in self._told:
                self._told.add(message)
                self._write(f"warning: {message}")

    def print_error(self, error: PosezooError) -> None:
        """One line of what failed, one of what to do next."""
        with self._alone:
            self._write(f"error: {error.problem}")
            if error.hint:
                self._write(f"  hint: {error.hint}")

    def _write(self, line: str) -> None:
        bars = [self._bar, *(progress_bar.bar for progress_bar in self._files.values())]
        if bar := next((bar for bar in bars if bar is not None), None):
            bar.write(line, file=self._stream)
        else:
            print(line, file=self._stream, flush=True)

    def _begin_file(self, event: events.FileDownloadStarted) -> None:
        progress_bar = self._files[event.model, event.model_file] = _FileProgressBar()
        if not self._quiet and self._stream.isatty():
            from tqdm import tqdm

            self._close_bar()
            progress_bar.bar = tqdm(
                desc=event.model_file,
                total=event.size or None,
                unit="B",
                unit_scale=True,
                leave=False,
                file=self._stream,
                dynamic_ncols=True,
            )

    def _calibrated(self, event: events.CalibrationProgress) -> None:
        if event.samples == 1 and not self._quiet and self._stream.isatty():
            from tqdm import tqdm

            self._close_bar()
            self._bar = tqdm(
                desc=f"{event.model}: calibrating",
                total=event.of,
                leave=False,
                file=self._stream,
                dynamic_ncols=True,
            )
        self._advance(event.samples)
        if event.samples == event.of:
            self._close_bar()

    def _advance(self, size: int) -> None:
        if self._bar is not None:
            self._bar.update(size - self._bar.n)

    def _end_file(self, event: events.FileDownloadFinished) -> None:
        progress_bar = self._files.pop((event.model, event.model_file))
        progress_bar.close()
        if event.successful:
            seconds = time.perf_counter() - progress_bar.begun
            self.print_line(f"{event.model}: {event.model_file}: downloaded and verified in {seconds:.1f} s")

    def _count_images(self, event: events.EvaluationProgress) -> None:
        """A bar on a terminal; in a log a line at every tenth part."""
        done, total = event.images, event.total
        if not self._quiet and self._stream.isatty():
            if self._bar is None:
                from tqdm import tqdm

                self._bar = tqdm(
                    desc=event.model,
                    total=total,
                    initial=done - 1,
                    unit="image",
                    leave=False,
                    file=self._stream,
                    dynamic_ncols=True,
                )
            self._bar.update(done - self._bar.n)
        elif done * 10 // total > (done - 1) * 10 // total:
            self.print_line(f"{event.model}: {done} of {total} images")
        if done == total:
            self._close_bar()

    def _close_bar(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None


class _FileProgressBar:
    """A file on its way."""

    def __init__(self) -> None:
        self.begun = time.perf_counter()
        self.bar: tqdm[NoReturn] | None = None

    def advance(self, size: int) -> None:
        """So much of it is here."""
        if self.bar is not None:
            self.bar.update(size - self.bar.n)

    def close(self) -> None:
        """Take its bar away."""
        if self.bar is not None:
            self.bar.close()
            self.bar = None
