"""Shows events on a stream, by default the standard error: lines, progress bars on a terminal, and warnings.

The command line's verbs use it, and so does the Python API if no other listener is given. The class of the
progress and the lines about measured results are also used by Open Model Zoo's commands.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from functools import lru_cache
from types import TracebackType
from typing import TYPE_CHECKING, NoReturn, TextIO

from posezoo import events
from posezoo.errors import PosezooError, error_lines, escape_control_characters

if TYPE_CHECKING:
    from tqdm import tqdm

#: The number of layers that are shown; they are those with the most quantization noise.
WORST = 12


class Progress:
    """The progress of one download, calibration or evaluation, with an optional bar.

    ``total`` is the amount of work in bytes, samples or images; 0 if unknown.
    """

    def __init__(self, total: int) -> None:
        self.total = total
        self.bar: tqdm[NoReturn] | None = None
        self._started = time.monotonic()
        self._tenths = 0

    @property
    def seconds(self) -> float:
        """The seconds since the start."""
        return time.monotonic() - self._started

    def show_bar(self, description: str, stream: TextIO, unit: str, initial: int = 0) -> None:
        """Draw a bar on a terminal; ``unit`` is "B" for bytes."""
        from tqdm import tqdm

        self.bar = tqdm(
            desc=description,
            total=self.total or None,
            initial=initial,
            unit=unit,
            unit_scale=unit == "B",
            leave=False,
            file=stream,
            dynamic_ncols=True,
        )

    def update(self, done: int) -> bool:
        """Move the bar; return whether another tenth of the total is done: a log gets a line for each."""
        if self.bar is not None:
            self.bar.update(done - self.bar.n)
        before, self._tenths = self._tenths, 10 * done // self.total if self.total else 0
        return self._tenths > before

    def close(self) -> None:
        """Remove the bar."""
        if self.bar is not None:
            self.bar.close()
            self.bar = None


def result_lines(event: events.Event) -> Iterator[str]:
    """The lines about a self-check or a comparison with FP32; none for any other event."""
    match event:
        case events.SelfCheckPassed(unprovable=outputs) if outputs:
            yield (
                f"{event.precision} cannot be proven by numbers: a rounding of the input changes "
                f"{', '.join(outputs)} by more than 5 %; difference {event.difference:.1e}, "
                f"compared with {event.reference}{_describe_rounding(event)}"
            )
        case events.SelfCheckPassed():
            yield (
                f"{event.precision} self-check passed: difference {event.difference:.1e}, "
                f"{event.tolerance:.0e} allowed, compared with {event.reference}{_describe_rounding(event)}"
            )
        case events.DisplacementMeasured():
            yield (
                f"{event.precision} moves points by {event.shift_p50_px:.2f} px in the median "
                f"({event.max_shift_px:g} allowed), 90 % of them by less than {event.shift_p90_px:.2f} px; "
                f"it finds {event.found_int8} people, FP32 {event.found_fp32}: "
                f"{event.agreement:.0%} agreement ({event.min_agreement:.0%} needed)"
            )
        case events.SpeedCompared():
            yield (
                f"{event.precision} takes {event.cpu_ms_int8:.2f} ms of CPU time for an inference on this "
                f"machine ({event.processor}), FP16 {event.cpu_ms_fp16:.2f} ms"
                + (": INT8 is no faster here" if event.cpu_ms_int8 > 0.95 * event.cpu_ms_fp16 else "")
            )
        case events.AccuracyCompared():
            yield (
                f"{event.precision} has AP {event.ap_int8:.3f}, FP32 {event.ap_fp32:.3f}, "
                f"on the {event.people} people in photos that were not used for calibration"
            )
        case events.LayerNoiseMeasured(layers=layers):
            # The layers that add the most noise themselves, in the order in which they run.
            worst = {layer.layer for layer in sorted(layers, key=lambda layer: -layer.own)[:WORST]}
            width = max((len(name) for name in worst), default=0)
            yield f"the {len(worst)} of {len(layers)} layers with the most noise, as a share of the output:"
            yield f"  {'layer':{width}}  {'type':22}  {'own noise':>9}  {'all so far':>10}"
            for layer in layers:
                if layer.layer in worst:
                    yield f"  {layer.layer:{width}}  {layer.type:22}  {layer.own:9.1%}  {layer.total:10.1%}"


def _describe_rounding(event: events.SelfCheckPassed) -> str:
    if event.rounding is None:
        return ""
    if event.rounding == 0:
        return ", which changes nothing"
    in_unit = f" ({event.rounding_in_unit:.2g} {event.unit})" if event.rounding_in_unit is not None else ""
    return f", which moves {event.rounded_output} by up to {event.rounding:.1e}{in_unit}"


class Console:
    """A listener that writes to a stream, by default the standard error; if quiet, only warnings and errors.

    Events may come from several threads and about several files; each file has its own bar. As a context
    manager, it removes its bars at the end.
    """

    def __init__(self, stream: TextIO | None = None, *, quiet: bool = False) -> None:
        self._stream = stream if stream is not None else sys.stderr
        self._quiet = quiet
        self._progress: dict[tuple[str, str], Progress] = {}  # by model, and file or unit
        self._warnings: set[str] = set()
        self._lock = threading.RLock()

    def __enter__(self) -> Console:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for progress in self._progress.values():
            progress.close()

    def __call__(self, event: events.Event) -> None:
        """Show one event."""
        with self._lock:
            match event:
                case events.WarningIssued(message=message):
                    self.warn(message)
                case events.DownloadStarted(model=model, revision=revision) if revision > 1:
                    self.print_line(f"{model}: revision {revision} of its files")
                case events.FileDownloadStarted(model=model, model_file=file, size=size):
                    self._start((model, file), file, size, "B")
                case events.PackageDownloadStarted(model=model, package=package, size=size):
                    amount = f"{size / 1e6:.1f} MB" if size else "of unknown size"
                    self.print_line(f"{model}: downloading {package}, {amount}, which contains its files")
                    self._start((model, package), package, size, "B")
                case (
                    events.FileDownloadProgress(model=model, model_file=file, size=size)
                    | events.PackageDownloadProgress(model=model, package=file, size=size)
                ):
                    self._progress[model, file].update(size)
                case (
                    events.FileDownloadFinished(model=model, model_file=file, successful=successful)
                    | events.PackageDownloadFinished(model=model, package=file, successful=successful)
                ):
                    progress = self._progress.pop((model, file))
                    progress.close()
                    if successful:
                        self.print_line(
                            f"{model}: {file}: downloaded and verified in {progress.seconds:.1f} s"
                        )
                case events.CachedFileUsed(model=model, model_file=file, origin=origin):
                    self.print_line(f"{model}: {file}: copied from {origin} and verified")
                case events.ConversionStarted(model=model, precisions=precisions):
                    self.print_line(f"{model}: converting to {', '.join(precisions)}")
                case (
                    events.SelfCheckPassed()
                    | events.DisplacementMeasured()
                    | events.SpeedCompared()
                    | events.AccuracyCompared()
                ):
                    for line in result_lines(event):
                        self.print_line(f"{event.model}: {line}")
                case events.LayerNoiseMeasured():
                    for line in result_lines(event):
                        self.print_line(line)
                case events.QuantizationStarted():
                    self.print_line(
                        f"{event.model}: quantizing to {', '.join(event.precisions)}: calibrating on "
                        f"{event.calibration_photos} photos, measuring on {event.measured_photos} others"
                    )
                case events.CalibrationProgress(model=model, samples=samples, of=of):
                    self._count(model, "calibrating", samples, of, "samples")
                case events.EvaluationProgress(model=model, images=images, total=total):
                    self._count(model, "evaluating", images, total, "images")
                case events.ArtifactUploadProgress(model=address, size=size, total=total):
                    self._count(address, "uploading", size, total, "bytes")
                case events.ConversionSkipped(model=model, reason=reason):
                    self.print_line(f"Skipping {model} ({reason})")
                case events.ClusterJoined():
                    dashboard = f"; dashboard: {event.dashboard}" if event.dashboard else ""
                    self.print_line(f"{event.address}: {event.workers} workers{dashboard}")
                case events.CountStarted(model=model):
                    self.print_line(f"counting {model}")
                case events.BenchmarkStarted(name=name, rounds=rounds):
                    self.print_line(f"measuring {name}, {rounds} rounds")
                case events.BenchmarkProgress() if self._stream.isatty():
                    fps = f"{event.throughput_fps:.4g} images per second"
                    self.print_line(f"  round {event.round} of {event.rounds}: {fps}")

    def print_line(self, line: str) -> None:
        """Show a line, unless the console is quiet."""
        if not self._quiet:
            self._write(line)

    def warn(self, message: str) -> None:
        """Show a warning, even if the console is quiet; a repeated warning is shown only once."""
        with self._lock:
            if message not in self._warnings:
                self._warnings.add(message)
                self._write(f"warning: {escape_control_characters(message)}")

    def print_error(self, error: PosezooError) -> None:
        """Show a failure and its hint, even if the console is quiet."""
        with self._lock:
            for line in error_lines(error):
                self._write(line)

    def _write(self, line: str) -> None:
        bars = [progress.bar for progress in self._progress.values() if progress.bar is not None]
        if bars:
            bars[0].write(line, file=self._stream)
        else:
            print(line, file=self._stream, flush=True)

    def _start(self, key: tuple[str, str], title: str, total: int, unit: str, initial: int = 0) -> Progress:
        if key in self._progress:  # its worker was lost, and another one starts again
            self._progress[key].close()
        progress = self._progress[key] = Progress(total)
        if not self._quiet and self._stream.isatty():
            progress.show_bar(title, self._stream, unit, initial)
        return progress

    def _count(self, model: str, task: str, done: int, total: int, unit: str) -> None:
        """Advance a bar on a terminal; in a log, print a line for each tenth."""
        key = (model, unit)
        progress = self._progress.get(key)
        if progress is None:
            progress = self._start(key, f"{model}: {task}", total, unit.removesuffix("s"), initial=done - 1)
        if progress.update(done) and progress.bar is None:
            self.print_line(f"{model}: {done} of {total} {unit}")
        if done == total:
            del self._progress[key]
            progress.close()


def show_progress(event: events.Event) -> None:
    """The default listener of the Python API: shows events on the standard error as the command line does."""
    _console_on(sys.stderr)(event)


@lru_cache(maxsize=1)
def _console_on(stream: TextIO) -> Console:
    return Console(stream)
