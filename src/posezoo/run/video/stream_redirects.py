"""Where the address of an http stream redirects to, checked before FFmpeg opens it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from urllib.parse import urljoin

from posezoo.core.errors import SourceError

# What OpenCV hands to FFmpeg: name;value|name;value.
_OPTIONS = "OPENCV_FFMPEG_CAPTURE_OPTIONS"

_MOST_REDIRECTS = 8


@contextmanager
def no_redirects() -> Iterator[None]:
    """FFmpeg follows no redirect of an address that it opens here, unless the user's
    ``OPENCV_FFMPEG_CAPTURE_OPTIONS`` name ``max_redirects``.
    """
    options = os.environ.get(_OPTIONS)
    if options and "max_redirects" in options:
        yield
        return
    os.environ[_OPTIONS] = f"{options}|max_redirects;0" if options else "max_redirects;0"
    try:
        yield
    finally:
        del os.environ[_OPTIONS]
        if options is not None:
            os.environ[_OPTIONS] = options


def follow_redirects(url: str, timeout_s: float) -> str:
    """The address that a stream's redirects end at, by the rules of downloads; ``url`` itself if
    its server does not redirect.

    Raises:
        SourceError: a server does not answer, or redirects too often; or a redirect leads from
            https to http, from a public host to this machine or a private network, or to a
            link-local address.
    """
    # Only a stream needs an http client.
    from posezoo.core.download.http import require_safe_target, send_request
    from posezoo.core.download.http_connections import Session, peer_rules
    from posezoo.core.download.options import DownloadOptions

    options = DownloadOptions(None, timeout_s=timeout_s, named_urls=(url,))
    public_only = False
    with closing(Session()) as session:
        for _ in range(1 + _MOST_REDIRECTS):
            with peer_rules(public_only=public_only):
                response = send_request(session, "GET", url, options, headers={})
            response.close()
            location = session.get_redirect_target(response)
            if location is None:
                return url
            target = urljoin(url, location)
            public_only = require_safe_target(session, url, target, options)
            url = target
    raise SourceError(f"redirects more than {_MOST_REDIRECTS} times")
