"""Read a file that is shared on Google Drive, also if its warning page about virus scans comes
first.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from html.parser import HTMLParser
from urllib.parse import urlencode, urlsplit

from posezoo.core.declarations.model import SourceFile
from posezoo.core.declarations.sources import GoogleDriveSource
from posezoo.core.download.candidates import MIRROR_HINT, ByteStream, HtmlResponseError, ResumeState
from posezoo.core.download.context import DownloadContext
from posezoo.core.download.parallel_ranges import open_url
from posezoo.core.download.source_types import SourceType
from posezoo.core.errors import SourceError

# The address for large files, after the user confirms that they were not scanned for viruses.
_ADDRESS = "https://drive.usercontent.google.com/download"

# Words of a page in small letters, and what they mean.
_REASONS = (
    (
        ("quota exceeded", "too many users have viewed or downloaded"),
        "Google Drive's download quota for this file is exceeded",
        f"try again in a day, or {MIRROR_HINT}",
    ),
    (
        ("accounts.google.com", "you need access", "sign in"),
        "Google Drive asks for a login: the file is not shared publicly",
        MIRROR_HINT,
    ),
)


@contextmanager
def open_google_drive(
    source: GoogleDriveSource, file: SourceFile, context: DownloadContext, resume: ResumeState
) -> Iterator[ByteStream]:
    """Read a shared file; if Google asks for a confirmation, its form is sent once."""
    requested = {"id": source.id, "export": "download", "confirm": "t"}
    with ExitStack() as stack:
        try:
            stream = stack.enter_context(
                open_url(f"{_ADDRESS}?{urlencode(requested)}", file, context, resume)
            )
        except HtmlResponseError as error:
            form = _DownloadFormParser()
            form.feed(error.page)
            address = urlsplit(form.action)
            host = address.hostname or ""
            if address.scheme != "https" or not (
                host == "google.com" or host.endswith(".google.com")
            ):
                raise _explain_page(error) from error
            confirmed = f"{form.action.partition('?')[0]}?{urlencode(form.fields)}"
            try:
                stream = stack.enter_context(open_url(confirmed, file, context, resume))
            except HtmlResponseError as again:
                raise _explain_page(again) from again
        yield stream


def _explain_page(error: HtmlResponseError) -> SourceError:
    page = error.page.lower()
    for words, problem, hint in _REASONS:
        if any(word in page for word in words):
            return SourceError(problem, hint=hint)
    return error


SOURCE_TYPE = SourceType(GoogleDriveSource, open_google_drive)


class _DownloadFormParser(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.action = ""
        self.fields: dict[str, str] = {}
        self._inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag == "form" and values.get("id") == "download-form":
            self._inside = True
            self.action = values.get("action", "")
        name = values.get("name", "")
        if self._inside and name and (tag, values.get("type")) == ("input", "hidden"):
            self.fields[name] = values.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        self._inside = self._inside and tag != "form"
