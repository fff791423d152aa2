"""Writes events as Open Model Zoo's tools do: as lines of text, or as one JSON object per line."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from posezoo.console.console import Progress, omz_lines
from posezoo.console.printing import print_while_read
from posezoo.core import events
from posezoo.core.declarations.model import ModelSpec
from posezoo.core.errors import PosezooError
from posezoo.omz.commands.conventions import ALARM, SECTION, LineBuffer

if TYPE_CHECKING:
    from posezoo.core.convert.conversion_plan import PlannedIr


class TextReporter:
    """A listener that writes lines of text; files from ``cache_dir`` are reported as "from the
    cache".
    """

    def __init__(self, output: LineBuffer, folder: Path, cache_dir: Path | None = None) -> None:
        self._output = output
        self._folder = folder
        self._cache_dir = cache_dir
        self._downloads: dict[str, tuple[LineBuffer, Progress]] = {}
        self._finished: list[LineBuffer] = []
        self._calibration = Progress(0)

    def start_step(self, heading: str) -> None:
        """Write the heading of a step."""
        self._output.write_out(f"{SECTION} {heading}")

    def print_line(self, line: str) -> None:
        """Write a line of a step."""
        self._output.write_out(line)

    def warn(self, error: PosezooError) -> None:
        """Write an error as a warning."""
        self._output.print_error(error, f"{ALARM} Warning: ")

    def __call__(self, event: events.Event) -> None:
        """Write the lines of an event; many events have none."""
        if isinstance(event, events.WarningIssued):
            self._output.warn(event.message)
        elif type(event) in _REACTIONS:
            _REACTIONS[type(event)](self, event)
        else:
            for line in self._lines(event):
                self.print_line(line)

    def _lines(self, event: events.Event) -> Iterator[str]:
        path = None
        if isinstance(event, events.FileEvent):
            path = self._folder / event.model_file
        source = ""
        if isinstance(event, events.CachedFileUsed):
            source = event.origin
            if self._cache_dir and Path(source).is_relative_to(self._cache_dir):
                source = "the cache"
        return omz_lines(event, section=SECTION, path=path, source=source)

    def _start_file(self, event: events.FileDownloadStarted) -> None:
        # The lines of the first file are written at once, those of parallel files after it ends.
        output = LineBuffer(buffered=True) if self._downloads else self._output
        for line in self._lines(event):
            output.write_out(line)
        self._downloads[event.model_file] = (output, Progress(event.size))

    def _move_file(self, event: events.FileDownloadProgress) -> None:
        output, progress = self._downloads[event.model_file]
        another_tenth = progress.update(event.size)
        terminal = sys.stdout.isatty()
        if not terminal and not another_tenth:
            return
        percent = 100 * event.size // progress.total if progress.total else None
        seconds = progress.seconds
        kilobytes = event.size / 1024
        speed = f"{kilobytes / seconds:.0f}" if seconds else "?"
        share = "?" if percent is None else percent
        line = f"... {share}%, {int(kilobytes)} KB, {speed} KB/s, {seconds:.0f} seconds passed"
        output.write_out(line, end="\r" if terminal and (percent or 0) < 100 else "\n")

    def _finish_file(self, event: events.FileDownloadFinished) -> None:
        output, _ = self._downloads.pop(event.model_file)
        output.write_out()
        if output is not self._output:
            self._finished.append(output)
        if not any(other is self._output for other, _ in self._downloads.values()):
            for finished in self._finished:
                finished.flush(self._output)
            self._finished.clear()

    def _count(self, event: events.CalibrationProgress) -> None:
        samples = event.samples
        if self._calibration.total != event.of or samples == 1:
            self._calibration = Progress(event.of)
        if self._calibration.update(samples):
            percent = 100 * samples // event.of
            self.print_line(f"... {percent}%, {samples} of {event.of} samples")


#: What the report does at events whose lines depend on earlier ones.
_REACTIONS: dict[type[events.Event], Callable[[TextReporter, Any], None]] = {
    events.FileDownloadStarted: TextReporter._start_file,
    events.FileDownloadProgress: TextReporter._move_file,
    events.FileDownloadFinished: TextReporter._finish_file,
    events.CalibrationProgress: TextReporter._count,
}


class JsonReporter:
    """A listener that writes each event as one JSON object, for scripts that read Open Model Zoo's
    events.

    In Open Model Zoo, each file has one begin and one end event, so one on disk or from the cache
    gets both; a source that fails before another has no end.
    """

    _lock = threading.Lock()

    def __init__(self, output: LineBuffer, spec: ModelSpec) -> None:
        self._output = output
        self._sizes = {file.name: file.size or 0 for file in spec.files}
        self._failed: dict[str, events.FileDownloadFinished] = {}

    def __call__(self, event: events.Event) -> None:
        """Write an event; warnings go to the standard error."""
        match event:
            case events.WarningIssued(message=message):
                self._output.warn(message)
            case (
                events.FileUpToDate(model=model, model_file=file)
                | events.CachedFileUsed(model=model, model_file=file)
            ):
                self._write_event(events.FileDownloadStarted(model, file, self._sizes.get(file, 0)))
                self._write_event(event)
                self._write_event(events.FileDownloadFinished(model, file, True))
            case events.FileDownloadFinished(model_file=file, successful=False):
                self._failed[file] = event
            case events.FileDownloadStarted(model_file=file) if file in self._failed:
                del self._failed[file]
            case events.DownloadFinished():  # no other source is left to try
                for failed in self._failed.values():
                    self._write_event(failed)
                self._failed.clear()
                self._write_event(event)
            case _:
                self._write_event(event)

    def _write_event(self, event: events.Event) -> None:
        fields = asdict(event)
        # Open Model Zoo's event has neither a revision nor a license.
        if fields.get("revision") == 1:
            del fields["revision"]
        fields.pop("license", None)
        self._write({"$type": events.EVENT_TYPES[type(event)][1], **fields})

    def _write(self, fields: dict[str, object]) -> None:
        with self._lock:
            print_while_read(f"{json.dumps(fields)}\n", end="", flush=True)


class JsonConversionReporter(JsonReporter):
    """The same for a conversion; its lines of text become objects with the key ``line``."""

    def __init__(self, output: LineBuffer, spec: ModelSpec) -> None:
        super().__init__(output, spec)
        self._model = spec.full_name

    def print_line(self, line: str) -> None:
        """Write a line of a step."""
        self._write({"$type": "model_conversion_line", "model": self._model, "line": line.strip()})

    start_step = print_line  # its heading

    def warn(self, error: PosezooError) -> None:
        """Write an error as a warning."""
        self._output.warn(error.problem)


def print_planned_ir(
    lines: TextReporter | JsonConversionReporter, name: str, ir: PlannedIr, heading: str
) -> None:
    """Write whether an IR is up to date, or why it would be made, below the heading of that
    step.
    """
    if ir.is_up_to_date:
        lines.start_step(f"(DRY RUN) Keeping {name} ({ir.precision}): it is up to date\n")
    else:
        lines.start_step(f"(DRY RUN) {heading}")
        lines.print_line(f"since {ir.reason}: {ir.xml}\n")
