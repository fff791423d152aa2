"""How a source failed, as far as this decides what happens next."""

from __future__ import annotations

from posezoo.errors import SourceError


class TransientSourceError(SourceError):
    """Asking again may help.

    Args:
        problem: what the source did.
        hint: what to do next.
        wait_s: how many seconds the source asked us to wait; None if it did not say.
        at_most: how many attempts are worth their time; None for as many as the user allows.
    """

    def __init__(
        self, problem: str, *, hint: str = "", wait_s: float | None = None, at_most: int | None = None
    ) -> None:
        super().__init__(problem, hint=hint, temporary=True)
        self.retry_after_s, self.at_most = wait_s, at_most


class RateLimitedError(TransientSourceError):
    """The source gets too many requests (429), at once or over time.

    ``new_limit`` says how many requests at once it gets from now on; None if there was only one.
    """

    new_limit: int | None = None


class NotFoundError(SourceError):
    """The source answers, and does not have the file."""


class RangeMismatchError(SourceError):
    """What an earlier attempt or run left of a file does not fit what the source has now."""


class HtmlResponseError(SourceError):
    """The source sends a web page instead of the file.

    Args:
        page: its beginning.
    """

    def __init__(self, page: str) -> None:
        super().__init__("returns a web page (HTML) instead of the file", hint="open the URL in a browser")
        self.page = page
