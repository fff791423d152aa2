"""A file that somebody shares on Google Drive: past the question whether it may be unchecked for viruses."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from html.parser import HTMLParser
from urllib.parse import urlencode, urlsplit

from posezoo.download.candidates import ByteStream
from posezoo.download.context import DownloadContext
from posezoo.download.parallel_ranges import open_url
from posezoo.download.partial import ResumeState
from posezoo.download.source_errors import HtmlResponseError
from posezoo.errors import SourceError
from posezoo.spec.model import GoogleDriveSource, SourceFile

# Where large files end up once somebody has confirmed that nobody looked for viruses in them.
_ADDRESS = "https://drive.usercontent.google.com/download"

_QUOTA = ("quota exceeded", "too many users have viewed or downloaded")
_LOGIN = ("accounts.google.com", "you need access", "sign in")


@contextmanager
def open_google_drive(
    source: GoogleDriveSource, file: SourceFile, context: DownloadContext, resume: ResumeState
) -> Iterator[ByteStream]:
    """Read a shared file; where Google asks for a confirmation all the same, its form is sent, once.

    Raises:
        SourceError: the page that came says that the file's quota is used up, or that it is not shared.
    """
    requested = {"id": source.id, "export": "download", "confirm": "t"}
    with ExitStack() as stack:
        try:
            stream = stack.enter_context(
                open_url(f"{_ADDRESS}?{urlencode(requested)}", file, context, resume)
            )
        except HtmlResponseError as error:
            address = _parse_confirmation_url(error.page)
            if not address:
                raise _named(error) from error
            try:
                stream = stack.enter_context(open_url(address, file, context, resume))
            except HtmlResponseError as again:
                raise _named(again) from again
        yield stream


def _parse_confirmation_url(page: str) -> str:
    """Where a page's form leads, with all that it says; empty where it has none, or one that leads away."""
    form = _DownloadFormParser()
    form.feed(page)
    address = urlsplit(form.action)
    host = address.hostname or ""
    if address.scheme != "https" or not (host == "google.com" or host.endswith(".google.com")):
        return ""
    return f"{form.action.partition('?')[0]}?{urlencode(form.fields)}"


def _named(error: HtmlResponseError) -> SourceError:
    page = error.page.lower()
    if any(words in page for words in _QUOTA):
        return SourceError(
            "Google Drive's quota for this file is used up: too many have fetched it lately",
            hint="try again in a day, or name a folder that holds a copy: --mirror DIR",
        )
    if any(words in page for words in _LOGIN):
        return SourceError(
            "Google Drive wants a login: the file is not shared with everybody",
            hint="name a folder that holds a copy: --mirror DIR",
        )
    return error


class _DownloadFormParser(HTMLParser):
    """The form whose id is ``download-form``: its address, and its fields."""

    def __init__(self) -> None:
        super().__init__()
        self.action = ""
        self.fields: dict[str, str] = {}
        self._inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take note of the form and what it holds."""
        said = {name: value or "" for name, value in attrs}
        if tag == "form" and said.get("id") == "download-form":
            self._inside, self.action = True, said.get("action", "")
        elif tag == "input" and self._inside and said.get("type") == "hidden" and said.get("name"):
            self.fields[said["name"]] = said.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        """What follows a form is no part of it."""
        self._inside = self._inside and tag != "form"
