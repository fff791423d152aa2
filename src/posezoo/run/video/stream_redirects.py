"""Where the address of an http stream redirects to, checked before FFmpeg opens it."""

from __future__ import annotations

from contextlib import closing


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
