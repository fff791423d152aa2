"""The options of a download, from the user's settings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from posezoo.http_headers import HostHeader
from posezoo.spec.model import Digest, ModelSpec, SourceFile

#: Receives a file of a model, its size in bytes and its SHA-384.
FirstUse = Callable[[ModelSpec, SourceFile, int, Digest], None]


@dataclass(frozen=True, slots=True)
class DownloadOptions:
    """Cache, mirrors, time limits, and what is allowed.

    Attributes:
        cache_dir: a folder in the layout of Open Model Zoo's ``--cache_dir``,
            ``DIR/1/<first two hex digits of the digest>/<the others>``; None for no cache.
        mirrors: folders or http(s) URLs with the same layout: asked by digest before any source.
        attempts: how often a source is asked if it fails temporarily, at least 1.
        first_use: receives and records the size and digest of a file without a pin; None if such files
            are refused.
        timeout_s: the time limit for a connection, for the headers, and between two pieces of data.
        headers: headers for certain hosts.
        ca_bundle: trusted certificates (PEM); None for those that REQUESTS_CA_BUNDLE, CURL_CA_BUNDLE or
            SSL_CERT_FILE name, else the usual ones.
        allow_http: also use plain http for files without a SHA-256 or SHA-384.
        allow_licenses: the licenses that a model may have, see ``license_policy``; empty for all.
        allow_private_redirects: follow redirects from a public host to an address of this machine or network.
        verify: hash existing files even if their record says that they are verified.
        jobs: how many files are downloaded at once.
        connections: how many connections a large file may use.
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
