"""What may be used to get bytes, as the user's settings say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from posezoo.http_headers import HostHeader
from posezoo.spec.model import Digest, ModelSpec, SourceFile

#: The file of the model, its size in bytes and its SHA-384.
FirstUse = Callable[[ModelSpec, SourceFile, int, Digest], None]


@dataclass(frozen=True, slots=True)
class DownloadOptions:
    """A cache, mirrors, and how much patience with a server.

    Attributes:
        cache_dir: a folder in the layout of Open Model Zoo's ``--cache_dir``,
            ``DIR/1/<first two hex digits of the digest>/<the others>``; None for no cache.
        mirrors: folders, or http(s) addresses, of the same layout: asked by digest before any source.
        attempts: how often a source that fails for the moment is asked, at least 1.
        first_use: told what a file without a pin held, and where that is remembered from then on; None
            where no source may be trusted so far.
        timeout_s: how long a server may take to accept a connection, to answer, and to go on answering.
        headers: what is sent to single hosts.
        ca_bundle: who may vouch for servers (PEM); None for what REQUESTS_CA_BUNDLE, CURL_CA_BUNDLE or
            SSL_CERT_FILE name, else the usual authorities.
        allow_http: take files that no SHA-256 or SHA-384 pins over plain http too.
        allow_licenses: the licenses that a model may have, see ``license_policy``; empty for any.
        allow_private_redirects: follow a redirect from a public name to an address of this network.
        verify: read files that are here and hash them, also those that were found good before.
        jobs: how many files come at once.
        connections: by how many connections a large file comes.
    """

    cache_dir: Path | None
    mirrors: tuple[str, ...] = ()
    attempts: int = 5
    timeout_s: float = 30.0
    first_use: FirstUse | None = None
    headers: tuple[HostHeader, ...] = ()
    ca_bundle: Path | None = None
    allow_http: bool = False
    allow_private_redirects: bool = False
    verify: bool = False
    jobs: int = 1
    connections: int = 1
    allow_licenses: tuple[str, ...] = ()
