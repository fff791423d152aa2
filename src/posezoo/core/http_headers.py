"""Headers for requests to certain hosts; their values are never shown."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

_FORM = re.compile(
    r"(?P<host>[\w.-]+(?::\d{1,5})?|\[[\da-fA-F:.]+\](?::\d{1,5})?)=(?P<line>.+)", re.ASCII
)
# RFC 9110, 5.1
_LINE = re.compile(r"(?P<name>[!#$%&'*+.^_`|~\w-]+):\s*(?P<value>[ -~]*[!-~])", re.ASCII)
_PORTS = {"https": 443, "http": 80}


# No dataclass: dataclasses.asdict would give the value away.
class HostHeader:
    """A header for one host; its value is often secret.

    Args:
        host: ``example.org`` for https at its default port; ``example.org:8443`` for another port,
            or ``example.org:80`` for plain http.
    """

    __slots__ = ("host", "name", "value")

    def __init__(self, host: str, name: str, value: str) -> None:
        self.host = host
        self.name = name
        self.value = value

    @classmethod
    def for_url(cls, url: str, name: str, value: str) -> HostHeader:
        """A header for the host and port of a URL.

        Raises:
            ValueError: the URL has no host; the message does not contain it, because it may be
                secret.
        """
        address = urlsplit(url)
        host = address.netloc.rpartition("@")[2]
        if not host:
            raise ValueError("the URL has no host")
        if address.scheme == "http" and address.port is None:
            host += ":80"
        return cls(host, name, value)

    def __repr__(self) -> str:
        return f"{self.host}={self.name}: ***"

    def applies_to(self, url: str) -> bool:
        """Whether a URL has the host and port of this header; without a port, those of https are
        meant.
        """
        try:
            address = urlsplit(url)
            host = urlsplit(f"//{self.host}")
            port = address.port or _PORTS.get(address.scheme)
            is_port = host.port == port if host.port else address.scheme == "https" and port == 443
            return host.hostname == address.hostname and is_port
        except ValueError:
            return False


def parse_header(text: str) -> HostHeader:
    """Parse ``HOST=NAME: VALUE``, the form that users write.

    >>> parse_header("example.org=Authorization: Bearer 1234")
    example.org=Authorization: ***

    Raises:
        ValueError: the text has another form; the message does not contain it, because it may be
            secret.
    """
    form = _FORM.fullmatch(text.strip())
    line = None
    if form:
        line = _LINE.fullmatch(form["line"].strip())
    if form is None or line is None:
        raise ValueError("expected HOST=NAME: VALUE, such as example.org=Authorization: Bearer ...")
    return HostHeader(form["host"], line["name"], line["value"])
