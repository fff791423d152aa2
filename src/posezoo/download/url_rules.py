"""Which URLs may be requested, and which redirects may be followed."""

from __future__ import annotations

import ipaddress
import re
import socket
from urllib.parse import urlsplit

from posezoo.download.options import DownloadOptions
from posezoo.errors import SourceError
from posezoo.spec.model import SourceFile

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def refuse_unsafe_url(url: str, file: SourceFile, download_options: DownloadOptions) -> None:
    """Check that a file may be requested from a URL.

    Raises:
        SourceError: the URL is neither http nor https, or it is plain http and the file has no SHA-256 or
            SHA-384.
    """
    scheme = url.partition(":")[0].lower()
    if scheme not in ("http", "https"):
        raise SourceError(f"leads to {scheme[:16]!r}, which is neither http nor https")
    address = _ip_address(_host(url))
    is_loopback = address is not None and address.is_loopback
    if scheme == "https" or download_options.allow_http or file.checksum is not None or is_loopback:
        return
    raise SourceError(
        "uses plain http without a SHA-256 or SHA-384 checksum, so a changed file would not be noticed",
        hint="--allow_http allows it anyway",
    )


def refuse_unsafe_redirect(
    url: str, target: str, download_options: DownloadOptions, *, by_proxy: bool
) -> None:
    """Check that a redirect does not lead to an address that only this machine or network can reach.

    Args:
        url: the URL that redirects.
        target: the URL that it redirects to.
        by_proxy: whether a proxy makes the request; its network is not ours, so the address is not checked.

    Raises:
        SourceError: the redirect leads from https to http, or from a public host to an address of this
            machine or network.
    """
    if url.lower().startswith("https:") and target.lower().startswith("http:"):
        raise SourceError(
            "redirects from https to http, which is neither encrypted nor protected against changes"
        )
    if by_proxy or download_options.allow_private_redirects or _is_private(_host(url)):
        return
    if _is_private(host := _host(target)):
        raise SourceError(
            f"redirects to {host}, an address of this machine or a private network",
            hint="--allow_private_redirects allows it anyway",
        )


def _host(url: str) -> str:
    try:
        return (urlsplit(url).hostname or "").rstrip(".")
    except ValueError:
        return ""


def _is_private(host: str) -> bool:
    address = _ip_address(host)
    return address is not None and not address.is_global


def _ip_address(host: str) -> Address | None:
    """The IP address of a host, also in the forms of C libraries: 127.1, 0x7f000001, 2130706433."""
    if host == "localhost" or host.endswith(".localhost"):  # RFC 6761, 6.3
        return ipaddress.IPv4Address("127.0.0.1")
    try:
        address: Address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        if not re.fullmatch(r"[0-9a-fx.]+", host) or not host[0].isdigit():
            return None
        try:
            address = ipaddress.IPv4Address(socket.inet_aton(host))
        except OSError:
            return None
    return getattr(address, "ipv4_mapped", None) or address
