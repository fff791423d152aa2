"""Shows events on a stream, by default the standard error: lines, progress bars on a terminal, and
warnings. Open Model Zoo's commands share its lines about results.
"""

from __future__ import annotations

import io
import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import fields
from types import TracebackType
from typing import Any, TextIO

from posezoo.console.bars import BarKey, Bars
from posezoo.console.model_summary import ENDS, ModelSummary, is_proven
from posezoo.console.printing import MessageWriter
from posezoo.console.terminal import is_terminal
from posezoo.core import events
from posezoo.core.errors import (
    escape_control_characters,
    os_reason,
    printable,
    shorten_digests,
)
from posezoo.core.values import frozen

#: The number of layers that are shown; they are those with the most quantization noise.
WORST = 12

#: A run over more models than this shows how many are done, and about how long the others take.
FEW_MODELS = 10
#: A log gets lines about this only after this many seconds.
LONG_RUN_S = 10.0
# The key of that progress.
_ALL_MODELS = ("", "models")


class Progress:
    """The progress of one download, calibration or evaluation.

    ``total`` is the amount of work in bytes, samples or images; 0 if unknown.
    """

    def __init__(self, total: int) -> None:
        self.total = total
        self._started = time.monotonic()
        self._tenths = 0

    @property
    def seconds(self) -> float:
        """The seconds since the start."""
        return time.monotonic() - self._started

    def update(self, done: int) -> bool:
        """Return whether another tenth of the total is done: a log gets a line for each."""
        before = self._tenths
        self._tenths = 10 * done // self.total if self.total else 0
        return self._tenths > before


def _describe_rounding(event: events.SelfCheckPassed) -> str:
    if event.rounding is None:
        return ""
    if event.rounding == 0:
        return ", which changes nothing"
    in_unit = ""
    if event.rounding_in_unit is not None:
        in_unit = f" ({event.rounding_in_unit:.2g} {event.unit})"
    return f", which moves {event.rounded_output} by up to {event.rounding:.1e}{in_unit}"


def _describe_images(event: events.SelfCheckPassed) -> str:
    values = f"on values {event.values}" if event.values else ""
    return "".join(f", {text}" for text in (values, event.reduction) if text)


def _self_check_lines(event: events.SelfCheckPassed) -> Iterator[str]:
    if event.int8:
        half = "FP16 cannot be compared with its original"
        if event.reference:
            half = f"compared with {event.reference}"
        if event.unprovable:
            half += f", but {', '.join(event.unprovable)} cannot be compared"
        passed = f"{event.precision} self-check passed: " if event.int8.photos else ""
        yield f"{passed}{event.int8}; {half}"
        return
    images = _describe_images(event)
    if event.unprovable:
        yield (
            f"{event.precision} cannot be compared in {', '.join(event.unprovable)},"
            f" compared with {event.reference}"
            f"{_describe_rounding(event)}{images}"
        )
        return
    yield (
        f"{event.precision} self-check passed: difference {event.difference:.1e}, "
        f"{event.tolerance:.0e} allowed, compared with {event.reference}"
        f"{_describe_rounding(event)}{images}"
    )
    if event.nodes:
        yield f"{event.precision} {event.nodes}"


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
    events.DefaultChosen: EventLine("{model}, since {reason}; to change it: {setting}"),
    events.LicenseNoted: EventLine("{model}: license: {note}", "License of {model}: {note}"),
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
    events.IrOutdated: EventLine("{model}: {file}: converted again: {reason}"),
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
    "origin": shorten_digests,
    "dashboard": lambda address: f"; dashboard: {address}" if address else "",
    "precisions": ", ".join,
    "part_size": _format_size,
    "size": _format_size,
    "state": _WORKER_STATES.__getitem__,
}

#: The progress of each task: the word for it, its unit, which is the field of what is done, and the
#: field of the total.
COUNTS: dict[type[events.Event], tuple[str, str, str]] = {
    events.CalibrationProgress: ("calibrating", "samples", "of"),
    events.EvaluationProgress: ("evaluating", "images", "total"),
}


def result_lines(event: events.Event) -> Iterator[str]:
    """The lines about a self-check or a comparison with FP32, without the model's name."""
    match event:
        case events.SelfCheckPassed():
            yield from _self_check_lines(event)
        case events.SelfCheckFinished():
            yield f"the self-check took {event.seconds:.1f} s"
        case (
            events.DisplacementMeasured()
            | events.OutputsCompared()
            | events.SpeedCompared()
            | events.AccuracyCompared()
            | events.FloatLayersKept()
        ):
            yield str(event)
        case events.LayerNoiseMeasured():
            yield from _noise_lines(event)


def event_lines(event: events.Event) -> Iterator[str]:
    """The lines that a log gets for an event other than progress."""
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

    As a context manager, it removes its bars at the end. ``log`` gets each event; without
    ``verbose``, all that is done to get a model has one line.
    """

    def __init__(
        self,
        stream: TextIO | None = None,
        *,
        quiet: bool = False,
        verbose: bool = False,
        log: events.Listener | None = None,
    ) -> None:
        super().__init__(stream, quiet=quiet)
        self._verbose = verbose
        self._log = log
        self._summaries: dict[str, ModelSummary] = {}  # by model
        self._bars = Bars()
        self._progress: dict[BarKey, Progress] = {}  # of what has not ended yet
        self._from_packages: set[BarKey] = set()  # files whose bytes are read out of a package
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
        self._bars.close()
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
                try:
                    self._log(event)
                except OSError as error:
                    self._log = None
                    self.warn(f"--log: {os_reason(error)}: nothing more is written to it")
            for line in self._lines(event):
                self.print_line(line)
            if type(event) in COUNTS:
                self._count(event)
            elif type(event) in _REACTIONS:
                _REACTIONS[type(event)](self, event)

    def _lines(self, event: events.Event) -> Iterator[str]:
        if self._verbose:
            yield from event_lines(event)
            return
        if isinstance(event, events.ModelEvent):
            summary = self._summaries.setdefault(event.model, ModelSummary())
            summary.add(event)
        if isinstance(event, ENDS):
            yield from self._summarize(event.model)
        elif not isinstance(event, _SUMMARIZED):
            yield from event_lines(event)

    def _summarize(self, model: str) -> Iterator[str]:
        """The line about what was done to get a model, and those about what is not proven."""
        summary = self._summaries.pop(model)
        if line := summary.describe(model):
            yield line
        for passed in summary.passed:
            if not is_proven(passed):
                yield from event_lines(passed)
            elif passed.nodes:
                yield f"{model}: {passed.precision} {passed.nodes}"

    def _write(self, line: str) -> None:
        stream = self._stream
        if stream is None or not self._bars.write(printable(line), stream):
            super()._write(line)

    def _start(self, key: BarKey, title: str, total: int, unit: str, initial: int = 0) -> None:
        self._progress[key] = Progress(total)
        if not self._quiet:
            title = escape_control_characters(title)
            self._bars.start(key, title, total, unit, self._stream, initial)

    def _finish(self, key: BarKey) -> Progress | None:
        self._bars.finish(key)
        return self._progress.pop(key, None)

    def _start_file(self, event: events.FileDownloadStarted) -> None:
        key = _key(event)
        self._from_packages.discard(key)
        self._start(key, event.model_file, event.size, "B")

    def _start_package(self, event: events.PackageDownloadStarted) -> None:
        size = event.part_size or event.size
        key = _key(event)
        if key in self._progress:
            self._from_packages.add(key)
            self._bars.set_total(key, size)
        else:
            self._start(key, event.package, size, "B")

    def _move_file(self, event: events.FileDownloadProgress) -> None:
        key = _key(event)
        if key not in self._from_packages:
            self._bars.move(key, event.size)

    def _move_package(self, event: events.PackageDownloadProgress) -> None:
        self._bars.move(_key(event), event.size)

    def _finish_package(self, event: events.PackageDownloadFinished) -> None:
        key = _key(event)
        progress = self._progress.get(key)
        if key not in self._from_packages:
            self._finish(key)
        if event.successful and not event.is_part:
            self._print_downloaded(event.model, event.package, progress)

    def _finish_file(self, event: events.FileDownloadFinished) -> None:
        progress = self._finish(_key(event))
        if event.successful:
            self._print_downloaded(event.model, event.model_file, progress)

    def _print_downloaded(self, model: str, file: str, progress: Progress | None) -> None:
        if self._verbose:
            time_taken = f" in {progress.seconds:.1f} s" if progress else ""
            self.print_line(f"{model}: {file}: downloaded and verified{time_taken}")

    def _start_conversion(self, event: events.ConversionStarted) -> None:
        if not self._quiet:
            title = escape_control_characters(f"{event.model}: converting")
            self._bars.start((event.model, "conversion"), title, 0, "models", self._stream)

    def _finish_conversion(self, event: events.ConversionFinished) -> None:
        self._bars.finish((event.model, "conversion"))

    def _count(self, event: Any) -> None:
        task, unit, total_field = COUNTS[type(event)]
        done = getattr(event, unit)
        total = getattr(event, total_field)
        key = (event.model, unit)
        if self._advance(key, f"{event.model}: {task}", done, total):
            self.print_line(f"{event.model}: {done} of {total} {unit}")
        if done == total:
            self._finish(key)

    def _advance(self, key: BarKey, title: str, done: int, total: int, note: str = "") -> bool:
        """Show how much is done; return whether a log gets a line. The first unit starts again."""
        if key not in self._progress or done == 1:
            self._start(key, title, total, key[1].removesuffix("s"), initial=done - 1)
        self._bars.move(key, done, note)
        return self._progress[key].update(done) and not self._bars.has(key)

    def _report_source(self, event: events.SourceChanged) -> None:
        if event.message:
            self.warn(event.message)

    def _show_inference(self, event: events.InferenceProgress) -> None:
        key = (event.model, event.unit)
        title = event.source or event.unit
        people = "1 person" if event.people == 1 else f"{event.people} people"
        is_for_log = self._advance(key, title, event.done, event.total, people)
        if is_for_log and self._progress[key].seconds > LONG_RUN_S:
            self.print_line(f"{title}: {event.done} of {event.total} {event.unit}")

    def _show_round(self, event: events.BenchmarkProgress) -> None:
        if is_terminal(self._stream):
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
            self._finish(_ALL_MODELS)
            if is_long:
                self.print_line(text)
            return
        seconds = progress.seconds * (progress.total / done - 1)
        left = f"{seconds / 60:.0f} min" if seconds > 90 else f"{seconds:.0f} s"
        text += f", about {left} left"
        if self._bars.has(_ALL_MODELS):
            self._bars.rename(_ALL_MODELS, text)
        elif progress.update(done) and is_long:
            self.print_line(text)


def _key(event: Any) -> BarKey:
    return (event.model, event.model_file or event.package)


#: The events that are a part of the line about a model, unless the console is verbose.
_SUMMARIZED = (
    events.LicenseNoted,
    events.DownloadStarted,
    events.PackageDownloadStarted,
    events.CachedFileUsed,
    events.ConversionStarted,
    events.SelfCheckPassed,
    events.SelfCheckFinished,
)

#: What the console does after it has printed the lines of an event.
_REACTIONS: dict[type[events.Event], Callable[[Console, Any], None]] = {
    events.WarningIssued: lambda console, event: console.warn(event.message),
    events.SourceChanged: Console._report_source,
    events.RunStarted: Console._start_run,
    events.WorkStarted: Console._start_work,
    events.WorkFinished: Console._finish_work,
    events.FileDownloadStarted: Console._start_file,
    events.FileDownloadProgress: Console._move_file,
    events.FileDownloadFinished: Console._finish_file,
    events.PackageDownloadStarted: Console._start_package,
    events.PackageDownloadProgress: Console._move_package,
    events.PackageDownloadFinished: Console._finish_package,
    events.ConversionStarted: Console._start_conversion,
    events.ConversionFinished: Console._finish_conversion,
    events.InferenceProgress: Console._show_inference,
    events.BenchmarkProgress: Console._show_round,
}


class _LogWriter(Console):
    def print_line(self, line: str) -> None:
        logging.getLogger("posezoo").info("%s", printable(line))

    def warn(self, message: str) -> None:
        logging.getLogger("posezoo").warning("%s", printable(message))


_API_CONSOLE = Console()
_LOG_WRITER = _LogWriter(io.StringIO())


def show_progress(event: events.Event) -> None:
    """The default listener of the Python API: shows events on the standard error as the command
    line does.
    """
    _API_CONSOLE(event)


def log_events(event: events.Event) -> None:
    """A listener that gives the lines of ``show_progress`` to Python's ``logging``, as warnings and
    information of the logger ``posezoo``.
    """
    _LOG_WRITER(event)
