"""Where the address of an http stream redirects to, checked before FFmpeg opens it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager

# What OpenCV hands to FFmpeg: name;value|name;value.
_OPTIONS = "OPENCV_FFMPEG_CAPTURE_OPTIONS"


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
    from posezoo.core.download import http
    from posezoo.core.download.http_connections import Session
    from posezoo.core.download.options import DownloadOptions

    options = DownloadOptions(None, timeout_s=timeout_s, named_urls=(url,))
    with closing(Session()) as session:
        response, final_url = http.follow_redirects(session, url, options, headers={})
        response.close()
    return final_url
