"""How a source failed, as far as that decides what happens next."""

from __future__ import annotations

from posezoo.errors import SourceError


class TransientSourceError(SourceError):
    """Asking again may help.

    Args:
        problem: what the source did.
        hint: what to do next.
        wait_s: how many seconds the source asked us to wait; None where it did not say.
        at_most: how many attempts are worth their time; None for as many as the user allows.
    """

    def __init__(
        self, problem: str, *, hint: str = "", wait_s: float | None = None, at_most: int | None = None
    ) -> None:
        super().__init__(problem, hint=hint, temporary=True)
        self.retry_after_s, self.at_most = wait_s, at_most


class RateLimitedError(TransientSourceError):
    """The source is asked too much at once (429), or too often.

    ``new_limit`` says how many requests are let through to it from now on; None where there was one alone.
    """

    new_limit: int | None = None


class NotFoundError(SourceError):
    """The source is there, and does not hold the file."""


class RangeMismatchError(SourceError):
    """What an earlier attempt or run left of a file does not go with what comes now."""


class HtmlResponseError(SourceError):
    """A web page came in place of the file.

    Args:
        page: its beginning.
    """

    def __init__(self, page: str) -> None:
        super().__init__("gives a web page (HTML) in place of the file", hint="open the address in a browser")
        self.page = page
