"""What was done to get a model, as one line, so that a first run does not print a line for each
file and step.
"""

from __future__ import annotations

from collections.abc import Iterator

from posezoo.core import events
from posezoo.core.errors import escape_control_characters

#: The events that end the work on a model, with or without success.
ENDS = (
    events.ConversionFinished,
    events.ConversionSkipped,
    events.ConversionUpToDate,
    events.WorkFinished,
)


class ModelSummary:
    """Collects the events of one model until the work on it ends."""

    def __init__(self) -> None:
        self.passed: list[events.SelfCheckPassed] = []
        self._details: list[str] = []  # of the model, in parentheses
        self._sizes: dict[str, int] = {}  # of files that are being downloaded
        self._downloaded: set[str] = set()
        self._is_copied = False
        self._is_converted = False

    def add(self, event: events.Event) -> None:
        """Take note of an event."""
        match event:
            case events.DownloadStarted():
                self._details = list(_list_details(event))
            case events.FileDownloadStarted():
                self._sizes[event.model_file] = event.size
            case events.FileDownloadProgress():
                known = self._sizes.get(event.model_file, 0)
                self._sizes[event.model_file] = max(known, event.size)
            case events.FileDownloadFinished(successful=True):
                self._downloaded.add(event.model_file)
            case events.CachedFileUsed():
                self._is_copied = True
            case events.ConversionStarted():
                self.passed.clear()  # an earlier conversion may have failed
            case events.SelfCheckPassed():
                self.passed.append(event)
            case events.ConversionFinished(successful=True):
                self._is_converted = True

    def describe(self, model: str) -> str:
        """The line; empty if nothing was done."""
        steps = list(self._list_steps())
        if not steps:
            return ""
        details = f" ({', '.join(self._details)})" if self._details else ""
        return escape_control_characters(f"{model}{details}: {', '.join(steps)}")

    def _list_steps(self) -> Iterator[str]:
        if self._downloaded:
            size = sum(self._sizes.get(name, 0) for name in self._downloaded)
            yield f"{format_short_size(size)} downloaded"
        if self._is_copied:
            yield "copied from the cache or a mirror"
        if self._downloaded or self._is_copied:
            yield "verified"
        if self._is_converted:
            yield "converted"
            if self.passed and all(
                is_proven(each) and not each.not_compared for each in self.passed
            ):
                yield "checked"


def _list_details(event: events.DownloadStarted) -> Iterator[str]:
    if event.revision > 1:
        yield f"revision {event.revision}"
    if event.license:
        yield event.license


def is_proven(event: events.SelfCheckPassed) -> bool:
    """Whether a self-check proves an IR by its numbers; if not, a line says what is missing."""
    is_compared = bool(event.int8.photos and event.reference) if event.int8 else True
    return is_compared and not event.unprovable


def format_short_size(size: int) -> str:
    """A size in whole megabytes, or kilobytes below one."""
    return f"{size / 1e6:.0f} MB" if size >= 1e6 else f"{max(1, round(size / 1e3))} kB"
