"""The errors of a source; each class decides how the download continues."""

from __future__ import annotations

from posezoo.errors import SourceError


class TransientSourceError(SourceError):
    """A temporary failure: another attempt may succeed.

    Args:
        problem: what the source did.
        hint: what to do next.
        wait_s: how many seconds the source asked us to wait; None if it did not say.
        at_most: the maximum number of attempts; None for as many as the user allows.
    """

    def __init__(
        self, problem: str, *, hint: str = "", wait_s: float | None = None, at_most: int | None = None
    ) -> None:
        super().__init__(problem, hint=hint, temporary=True)
        self.retry_after_s, self.at_most = wait_s, at_most


class RateLimitedError(TransientSourceError):
    """The source received too many requests (429), at once or over time.

    ``new_limit`` is the new limit of simultaneous requests; None if there was only one request.
    """

    new_limit: int | None = None


class NotFoundError(SourceError):
    """The source answered that it does not have the file."""


class RangeMismatchError(SourceError):
    """The partial file of an earlier attempt or run does not match the file that the source has now."""


class HtmlResponseError(SourceError):
    """The source sent a web page instead of the file.

    Args:
        page: the beginning of the page.
    """

    def __init__(self, page: str) -> None:
        super().__init__("returns a web page (HTML) instead of the file", hint="open the URL in a browser")
        self.page = page
