"""Download a file that the user names by its address, such as a photo; it has no checksum."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote, urlsplit

from posezoo.core.declarations.model import SourceFile
from posezoo.core.declarations.safe_names import avoid_reserved
from posezoo.core.download.candidates import ResumeState
from posezoo.core.download.context import DownloadContext
from posezoo.core.download.options import DownloadOptions
from posezoo.core.download.parallel_ranges import open_url
from posezoo.core.errors import SizeError, SourceError, redact_secrets
from posezoo.core.events import Listener, ignore_event
from posezoo.core.files.verified_files import write_error
from posezoo.core.workers.retries import ask_again

#: The most bytes of such a file.
MAX_BYTES = 1 << 30


def download_user_file(
    url: str, folder: Path, options: DownloadOptions, *, listener: Listener = ignore_event
) -> Path:
    """Download a file to a folder, under the name in its http(s) address, by the rules for files
    without a checksum: no plain http unless it is allowed, no redirect to a private network, and
    the user's proxies, certificates and headers.

    Raises:
        SourceError: the server does not send the file.
        SizeError: it has more than ``MAX_BYTES``.
        OutputError: it cannot be written.
    """
    file = SourceFile(name_in_url(url), max_size=MAX_BYTES)
    options = replace(options, named_urls=(url,))
    path = folder / file.name
    with DownloadContext("input", options, listener) as context:

        def receive() -> None:
            size = 0
            with open_url(url, file, context, ResumeState()) as stream, open(path, "wb") as target:
                for piece in stream.pieces:
                    size += len(piece)
                    if size > MAX_BYTES:
                        raise SizeError(f"sends more than {MAX_BYTES:,} bytes")
                    target.write(piece)

        shown = redact_secrets(url)
        try:
            ask_again(receive, options.limits, lambda problem: context.warn(f"{shown}: {problem}"))
        except (SourceError, SizeError) as error:
            hint = error.hint or "check the address, the network connection and the proxy settings"
            kind = SizeError if isinstance(error, SizeError) else SourceError
            raise kind(f"{shown}: {error.problem}", hint=hint) from error
        except OSError as error:
            raise write_error(path, error) from error
    return path


def name_in_url(url: str) -> str:
    """The last part of a URL's path as a plain file name.

    >>> name_in_url("https://example.org/a/me%20too.jpg?token=1")
    'me_too.jpg'
    """
    last = unquote(urlsplit(url).path).rpartition("/")[2]
    name = re.sub(r"[^\w.-]+", "_", last)[-100:].strip(".")
    return avoid_reserved(name or urlsplit(url).hostname or "input")
