"""The options of a download, from the user's settings, and the check of a model's license against
them.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import field
from fnmatch import fnmatchcase
from pathlib import Path

from posezoo.core.declarations.model import Digest, License, ModelSpec, SourceFile
from posezoo.core.errors import LicenseError
from posezoo.core.http_headers import HostHeader
from posezoo.core.registry import format_command
from posezoo.core.values import frozen
from posezoo.core.workers.retries import RequestLimits

#: Receives a file of a model, its size in bytes and its SHA-384.
FirstUse = Callable[[ModelSpec, SourceFile, int, Digest], None]


@frozen
class DownloadOptions:
    """Cache, mirrors, time limits, and what is allowed."""

    #: A folder in the layout of Open Model Zoo's ``--cache_dir``, ``DIR/1/<first two hex digits of
    #: the digest>/<the others>``; None for no cache.
    cache_dir: Path | None
    #: Folders or http(s) URLs with the same layout: asked by digest before any source.
    mirrors: tuple[str, ...] = ()
    attempts: int = 5  # how often a source is asked if it fails temporarily, at least 1
    #: The time limit for a connection, for the headers, and between two pieces of data.
    timeout_s: float = 30.0
    #: For so many seconds the speed of a host is measured. If it is slow, the host of the next
    #: source is asked, too.
    head_start_s: float = 3.0
    #: Receives and records the size and digest of a file without a pin; None if such files are
    #: refused.
    first_use: FirstUse | None = None
    headers: tuple[HostHeader, ...] = ()  # headers for certain hosts
    #: Trusted certificates (PEM); None for those that REQUESTS_CA_BUNDLE, CURL_CA_BUNDLE or
    #: SSL_CERT_FILE name, else those of the system, and of the package certifi.
    ca_bundle: Path | None = None
    #: Proxies by scheme, and ``no_proxy``, that replace those of the environment.
    proxies: Mapping[str, str] = field(default_factory=dict)
    allow_http: bool = False  # also use plain http for files without a SHA-256 or SHA-384
    #: Follow redirects from a public host to an address of this machine or network.
    allow_private_redirects: bool = False
    #: URLs that the user named, besides the mirrors; no other host may have a link-local address.
    named_urls: tuple[str, ...] = ()
    jobs: int = 1  # how many files are downloaded at once
    connections: int = 1  # how many connections a large file may use
    #: The licenses that a model may have, see ``refuse_license``; empty for all.
    allow_licenses: tuple[str, ...] = ()
    #: Waits between attempts; its argument is in seconds.
    sleep: Callable[[float], None] = time.sleep

    @property
    def limits(self) -> RequestLimits:
        """How often a source is asked, and how long."""
        return RequestLimits(self.attempts, self.timeout_s, self.sleep)


def refuse_license(spec: ModelSpec, allowed: Collection[str]) -> None:
    """Raise a LicenseError if a model's license is not allowed: by SPDX identifiers, globs of them,
    or URLs in ``allowed``; empty allows all.
    """
    if not allowed or is_license_allowed(spec.license, allowed):
        return
    terms = spec.license.spdx or spec.license.url or "an undeclared license"
    raise LicenseError(
        f"{spec.full_name}: its license is {terms}, but allow_licenses permits only"
        f" {', '.join(allowed)}",
        hint=(
            f"{format_command('info', spec)} shows its license; allow_licenses is set in"
            " posezoo.cfg"
        ),
    )


def is_license_allowed(terms: License, allowed: Collection[str]) -> bool:
    """Whether a license is allowed: AND needs all its parts, OR needs one part (SPDX 2.3, annex
    D.4).

    >>> is_license_allowed(License("MIT AND Apache-2.0"), ["MIT"])
    False
    >>> is_license_allowed(License("MIT OR GPL-3.0-only"), ["mit"])
    True
    """
    if not terms.spdx:
        return bool(terms.url) and _is_named(terms.url, allowed)
    if "(" in terms.spdx:  # no known model has one, so only the whole expression is compared
        return _is_named(terms.spdx, allowed)
    # AND has a higher precedence than OR.
    return any(
        all(_is_named(part, allowed) for part in re.split(r"\s+AND\s+", choice))
        for choice in re.split(r"\s+OR\s+", terms.spdx)
    )


def _is_named(word: str, allowed: Collection[str]) -> bool:
    return any(fnmatchcase(word.strip().lower(), pattern.lower()) for pattern in allowed)
