"""One file fetched as ``download`` fetches it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from posezoo.core.declarations.model import SourceFile
from posezoo.core.download.context import DownloadContext
from posezoo.core.download.file_download import download_file
from posezoo.core.download.options import DownloadOptions
from posezoo.core.events import Event, WarningIssued


class Fetch:
    """``fetch(file)`` brings one file to ``fetch.folder`` and keeps what was told and how long was slept."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.events: list[Event] = []
        self.naps: list[float] = []

    def __call__(
        self,
        file: SourceFile,
        *,
        cache: Path | None = None,
        mirrors: tuple[str, ...] = (),
        attempts: int = 5,
        timeout_s: float = 5.0,
        sleep: Callable[[float], object] | None = None,
        **more: Any,
    ) -> Path:
        download_options = DownloadOptions(
            cache, mirrors, attempts, timeout_s, sleep=sleep or self.naps.append, **more
        )
        target = self.folder / file.name
        with DownloadContext("pose", download_options, self.events.append) as errand:
            errand.base = self.folder
            download_file(file, target, errand)
        return target

    def told(self, kind: type[Event]) -> list[Event]:
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def warnings(self) -> str:
        return "\n".join(event.message for event in self.events if isinstance(event, WarningIssued))

    def left(self) -> list[str]:
        """What lies in the folder."""
        if not self.folder.exists():
            return []
        return sorted(path.name for path in self.folder.iterdir())
