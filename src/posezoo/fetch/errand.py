"""What the files of one call share: the means, one set of connections, one scratch folder."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from posezoo.errors import OutputError
from posezoo.events import Event, Listener, Warned
from posezoo.fetch.means import Means
from posezoo.spec.model import Digest, SourceFile

if TYPE_CHECKING:
    import requests

Sleep = Callable[[float], None]


class Errand:
    """One call's surroundings; a context manager that closes and removes what was opened on the way.

    Args:
        model: the name that events carry.
        means: what may be used.
        listener: whom to tell.
        base: the folder that relative paths of file sources start at.
        sleep: how to wait, in seconds.
        first_use: told what a file without a pin held.
    """

    def __init__(
        self,
        model: str,
        means: Means,
        listener: Listener,
        *,
        base: Path,
        sleep: Sleep = time.sleep,
        first_use: Callable[[SourceFile, int, Digest], None] | None = None,
    ) -> None:
        self.first_use = first_use
        self.model, self.means, self.base, self.sleep = model, means, base, sleep
        self.cache_dir = means.cache_dir  # None from the moment that it proves not to be writable
        self._listener = listener
        self._opened = ExitStack()
        self._session: requests.Session | None = None
        self._scratch: Path | None = None

    def __enter__(self) -> Errand:
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    def tell(self, event: Event) -> None:
        """Pass an event on."""
        self._listener(event)

    def warn(self, message: str) -> None:
        """Something is odd, but work goes on."""
        self._listener(Warned(message))

    @contextmanager
    def quietly(self) -> Iterator[None]:
        """Meanwhile only warnings are told: for files that nobody asked for by name."""
        loud = self._listener
        self._listener = lambda event: loud(event) if isinstance(event, Warned) else None
        try:
            yield
        finally:
            self._listener = loud

    def session(self) -> requests.Session:
        """The connections, opened with the first request: a file that is here already costs no import."""
        if self._session is None:
            from posezoo.fetch.connections import new_session

            self._session = self._opened.enter_context(new_session())
        return self._session

    def scratch(self) -> Path:
        """A folder that is gone after the call.

        Raises:
            OutputError: it cannot be made.
        """
        if self._scratch is None:
            try:
                folder = tempfile.TemporaryDirectory(prefix="posezoo-", ignore_cleanup_errors=True)
            except OSError as error:
                raise OutputError(
                    f"no temporary folder can be made: {error.strerror or error}",
                    hint="set TMPDIR to a folder with free space",
                ) from error
            self._scratch = Path(self._opened.enter_context(folder))
        return self._scratch
