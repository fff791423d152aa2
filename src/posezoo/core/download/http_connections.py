"""HTTP connections of requests that stay open between files, and two additions: informational
responses are skipped, and the time limit also applies to a handshake or headers that arrive byte by
byte.
"""

from __future__ import annotations

import heapq
import http.client
import ipaddress
import os
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from http import HTTPStatus
from itertools import count
from typing import Any
from urllib.parse import urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter
from requests.utils import get_environ_proxies, get_netrc_auth, should_bypass_proxies
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import NewConnectionError

from posezoo.core.errors import Advice, SourceError, redact_secrets
from posezoo.core.install_commands import pip_command
from posezoo.core.operating_system import call_in_forks
from posezoo.core.versions import version
from posezoo.core.workers.hedging import current_request
from posezoo.core.workers.retries import TransientSourceError

# If no server answers at all, more attempts only make an offline run longer.
ATTEMPTS_WITHOUT_ANSWER = 3

# Each attempt takes a whole timeout if the server is silent.
ATTEMPTS_AT_SILENCE = 4

HINTS = {
    HTTPStatus.UNAUTHORIZED: Advice(
        "if the file needs a login: --header HOST='Authorization: ...', or a ~/.netrc", "--header"
    ),
    HTTPStatus.PROXY_AUTHENTICATION_REQUIRED: (
        "give the proxy's user and password in its URL: https_proxy=http://USER:PASSWORD@HOST:PORT"
    ),
}

TEMPORARY_STATUS = {408, 425, 429, *range(500, 600)}


@dataclass(order=True, slots=True)
class Timer:
    """A delayed call; the numbers order timers of equal times."""

    due: float
    number: int
    call: Callable[[], None] | None = field(compare=False)

    def cancel(self) -> None:
        """Cancel the call; a call that is starting at this moment may still run."""
        self.call = None


class TimerThread:
    """One thread for all timers, since one each would cost more than a request; their calls must be
    short.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._timers: list[Timer] = []
        self._numbers = count()
        self._thread: threading.Thread | None = None

    def call_later(self, seconds: float, call: Callable[[], None]) -> Timer:
        """Make a call once after a number of seconds."""
        with self._changed:
            timer = Timer(time.monotonic() + seconds, next(self._numbers), call)
            heapq.heappush(self._timers, timer)
            if self._thread is None:
                thread = threading.Thread(target=self._watch, daemon=True)
                thread.start()
                self._thread = thread
            elif self._timers[0] is timer:
                self._changed.notify()
        return timer

    def _watch(self) -> None:
        while True:
            with self._changed:
                while not self._timers or (wait_s := self._timers[0].due - time.monotonic()) > 0:
                    self._changed.wait(min(wait_s, threading.TIMEOUT_MAX) if self._timers else None)
                call = heapq.heappop(self._timers).call
            with suppress(Exception):  # else one failed call would stop all later ones
                if call:
                    call()


TIMERS = TimerThread()

call_in_forks(TIMERS.__init__)  # type: ignore[misc]  # a forked child does not have our thread


class Session(requests.Session):
    """The connections and cookies of a run, ``at_once`` to a host, and what its environment says
    about each host.
    """

    def __init__(self, at_once: int = 1) -> None:
        super().__init__()
        self.headers.update({"User-Agent": f"posezoo/{version()}", "Accept-Encoding": "identity"})
        self.mount("http://", _DeadlineAdapter(pool_maxsize=at_once))
        self.mount("https://", _DeadlineAdapter(pool_maxsize=at_once))
        self._proxies: dict[Hashable, dict[str, str]] = {}
        self._logins: dict[Hashable, tuple[str, str] | None] = {}

    def find_proxies(self, url: str, wanted: Mapping[str, str]) -> dict[str, str]:
        """The proxies for a URL by scheme: the ``wanted`` ones, or else those of the environment;
        empty for none.
        """
        key = (urlsplit(url)[:2], *wanted.items())
        if key not in self._proxies:
            no_proxy = wanted.get("no_proxy")
            proxies = {"http": "", "https": ""}
            if not should_bypass_proxies(url, no_proxy):
                proxies = {**get_environ_proxies(url, no_proxy), **wanted}
            self._proxies[key] = proxies
        return self._proxies[key]

    def find_login(self, url: str) -> tuple[str, str] | None:
        """The login that ~/.netrc has for a host; it is read once for each host."""
        host = urlsplit(url)[1]
        if host not in self._logins:
            self._logins[host] = get_netrc_auth(url)
        return self._logins[host]


@contextmanager
def translate_errors(timeout_s: float, when: str = "") -> Iterator[None]:
    """Replace errors of requests and urllib3 by ours; ``when`` says how much of the body was
    received.
    """
    try:
        yield
    except requests.exceptions.SSLError as error:
        raise _refusal_of_tls(error) from error
    except requests.exceptions.ProxyError as error:
        raise _refusal_of_proxy(error) from error
    except requests.exceptions.InvalidProxyURL as error:
        raise SourceError(
            "the address of the proxy is not complete",
            hint=f"{_proxy_variables()}: write it with its scheme, such as http://proxy:8080",
        ) from error
    except (requests.Timeout, urllib3.exceptions.TimeoutError) as error:
        connecting = isinstance(error, requests.ConnectTimeout)
        at_most = ATTEMPTS_WITHOUT_ANSWER if connecting else ATTEMPTS_AT_SILENCE
        raise TransientSourceError(
            f"no answer within {timeout_s:g} s{when}", at_most=at_most
        ) from error
    except requests.ConnectionError as error:
        reason = getattr(error.args[0] if error.args else None, "reason", None)
        is_offline = isinstance(reason, NewConnectionError)
        limit = ATTEMPTS_WITHOUT_ANSWER if is_offline else None
        problem = TransientSourceError(f"no connection: {_root_cause(error)}", at_most=limit)
        problem.is_offline = is_offline
        raise problem from error
    except urllib3.exceptions.HTTPError as error:
        raise TransientSourceError(f"the connection broke{when}: {_root_cause(error)}") from error
    except (OSError, ValueError) as error:  # requests' errors are OSErrors; bad addresses are both
        raise SourceError(f"the request failed: {redact_secrets(str(error))[:400]}") from error


def _refusal_of_tls(error: requests.exceptions.SSLError) -> SourceError:
    cause = _root_cause(error)
    if "NO_CERTIFICATE_OR_CRL_FOUND" in cause or "PEM lib" in cause:  # OpenSSL 3, and before
        return SourceError(
            "TLS failed: the file of certificate authorities has no certificates",
            hint="REQUESTS_CA_BUNDLE must name a file in the format PEM",
        )
    return SourceError(
        f"TLS failed: {cause}",
        hint="for a private certificate authority set REQUESTS_CA_BUNDLE=FILE",
        refused=True,
    )


def _refusal_of_proxy(error: requests.exceptions.ProxyError) -> SourceError:
    """What a proxy that does not connect means: another attempt may succeed, unless it says that
    the request is wrong.
    """
    proxy = getattr(getattr(error.args[0] if error.args else None, "pool", None), "proxy", None)
    name = f" {proxy.host}:{proxy.port}" if proxy else ""
    problem = f"the proxy{name} refuses the connection: {_root_cause(error)}"
    refused = re.search(r"Tunnel connection failed: (\d{3})", problem)
    if refused and 400 <= (status := int(refused[1])) < 500 and status not in TEMPORARY_STATUS:
        return SourceError(problem, hint=HINTS.get(status, ""))  # type: ignore[call-overload]
    hint = "correct or unset the proxy: https_proxy, http_proxy, or that of npm's configuration"
    return TransientSourceError(problem, hint=hint, at_most=ATTEMPTS_WITHOUT_ANSWER)


def _proxy_variables() -> str:
    names = ("http_proxy", "https_proxy", "all_proxy")
    return ", ".join(sorted(name for name in os.environ if name.lower() in names))


def _root_cause(error: BaseException) -> str:
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__  # type: ignore[assignment]
    return str(getattr(error, "strerror", None) or error or type(error).__name__)


class _Peers(threading.local):
    """The rule for the addresses that this thread connects to.

    A name is checked by the address that it was connected to, since a second look-up may give
    another one.
    """

    public_only = False  # whether addresses of this machine or a private network are refused
    link_local = False  # whether the host may have a link-local address
    last = ""  # the IP address that the last request was sent to; empty before the first

    def check(self, sock: socket.socket) -> None:
        try:
            self.last = str(sock.getpeername()[0])
        # The connection is broken, or is TLS in the TLS of a proxy.
        except (OSError, AttributeError):
            self.last = ""
        if not self.link_local:
            refuse_link_local(self.last)
        if self.public_only and is_private(self.last):
            raise SourceError(
                f"redirects to a host at {self.last}, an address of this machine or a private"
                " network",
                hint=PRIVATE_HINT,
            )


PEERS = _Peers()
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
PRIVATE_HINT = "--allow_private_redirects allows it anyway"


@contextmanager
def peer_rules(**rules: bool) -> Iterator[None]:
    """Change the rules of ``_Peers`` for the connections of this thread, by their names."""
    vars(PEERS).update(rules)
    try:
        yield
    finally:
        for name in rules:
            vars(PEERS).pop(name, None)


def refuse_link_local(host: str) -> None:
    """Raise a SourceError if a host is a link-local IP address (RFC 3927, RFC 4291 2.5.6): at
    169.254.169.254, clouds give their machines passwords.
    """
    if any(address.is_link_local for address in _reached_addresses(host)):
        raise SourceError(
            f"leads to {host}, a link-local address",
            hint="such an address is only used if you name it yourself, as a mirror or a registry",
        )


def is_private(host: str) -> bool:
    """Whether a host is an IP address, or localhost, that only this machine or network can
    reach.
    """
    return any(not address.is_global for address in _reached_addresses(host))


def _reached_addresses(host: str) -> Iterator[ipaddress.IPv4Address | ipaddress.IPv6Address]:
    """The IP address of a host; if a gateway makes an IPv4 address of it, that one: NAT64 (RFC
    6052, 2.1), 6to4 (RFC 3056).
    """
    address = ip_address(host)
    if address is None:
        return
    if address in _NAT64:
        yield ipaddress.IPv4Address(address.packed[-4:])
    else:
        yield getattr(address, "sixtofour", None) or address


@cache
def ip_address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The IP address of a host, also in the forms of C libraries: 127.1, 0x7f000001, 2130706433."""
    if host == "localhost" or host.endswith(".localhost"):  # RFC 6761, 6.3
        return ipaddress.IPv4Address("127.0.0.1")
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        if not re.fullmatch(r"[0-9a-fx.]+", host) or not host[0].isdigit():
            return None
        try:
            address = ipaddress.IPv4Address(socket.inet_aton(host))
        except OSError:
            return None
    return getattr(address, "ipv4_mapped", None) or address


class _FinalResponse(http.client.HTTPResponse):
    """Skips all informational responses; http.client skips 100, but treats 103 as the final
    response.
    """

    def _read_status(self) -> tuple[str, int, str]:
        while True:
            version, status, reason = super()._read_status()  # type: ignore[misc]
            if not 102 <= status <= 199:
                return version, status, reason
            http.client.parse_headers(self.fp)


class _DeadlineConnection(HTTPConnection):
    response_class = _FinalResponse

    def _new_conn(self) -> socket.socket:
        sock: socket.socket = super()._new_conn()
        try:
            PEERS.check(sock)
        except SourceError:
            sock.close()
            raise
        return sock

    def putrequest(self, *args: Any, **kwargs: Any) -> None:
        # It was kept open after an earlier request, which other rules may have allowed.
        if self.sock is not None:
            PEERS.check(self.sock)
        super().putrequest(*args, **kwargs)

    def connect(self) -> None:
        with _shutdown_at_deadline(self):
            super().connect()

    def getresponse(self) -> Any:
        with _shutdown_at_deadline(self):
            return super().getresponse()


class _DeadlineHttpsConnection(_DeadlineConnection, HTTPSConnection):
    """The same over TLS; its ``super()`` calls reach urllib3's HTTPSConnection."""


class _HttpPool(HTTPConnectionPool):
    ConnectionCls = _DeadlineConnection


class _HttpsPool(HTTPSConnectionPool):
    ConnectionCls = _DeadlineHttpsConnection


class _DeadlineAdapter(HTTPAdapter):
    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, proxy: Any, **kwargs: Any) -> Any:
        pools = _socks_pools() if proxy.lower().startswith("socks") else _POOLS
        manager = super().proxy_manager_for(proxy, **kwargs)
        manager.pool_classes_by_scheme = pools
        return manager

    def build_connection_pool_key_attributes(
        self, request: requests.PreparedRequest, verify: bool | str, cert: Any = None
    ) -> Any:
        """Trust the authorities of the system, too, unless the user named a file of authorities."""
        host, pool = super().build_connection_pool_key_attributes(request, verify, cert)
        if verify is True and host["scheme"] == "https":
            pool["ssl_context"] = _system_trust()
        return host, pool


@cache
def _system_trust() -> ssl.SSLContext:
    """What pip and git trust; requests adds the authorities of certifi, which a system may lack."""
    import truststore

    return truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


_POOLS = {"http": _HttpPool, "https": _HttpsPool}


@cache
def _socks_pools() -> dict[str, type[HTTPConnectionPool]]:
    """The same connections, made through a SOCKS proxy by urllib3 and the package PySocks."""
    try:
        from urllib3.contrib.socks import SOCKSConnection, SOCKSHTTPSConnection
    except ImportError as error:
        raise SourceError(
            "a SOCKS proxy needs the package PySocks, which is not installed",
            hint=f"{pip_command()} install PySocks",
        ) from error

    class SocksConnection(_DeadlineConnection, SOCKSConnection):
        pass

    class SocksHttpsConnection(_DeadlineConnection, SOCKSHTTPSConnection):
        pass

    class HttpPool(HTTPConnectionPool):
        ConnectionCls = SocksConnection

    class HttpsPool(HTTPSConnectionPool):
        ConnectionCls = SocksHttpsConnection

    return {"http": HttpPool, "https": HttpsPool}


@contextmanager
def _shutdown_at_deadline(connection: HTTPConnection | HTTPSConnection) -> Iterator[None]:
    """Shut a socket down at its deadline, or if its request is cancelled, from another thread; its
    own timeout restarts with every byte.
    """
    expired = False
    sock: Any = connection.sock

    def expire() -> None:
        nonlocal expired
        expired = True
        # TypeError: there is no socket yet, or it is TLS in TLS, which is not a socket.
        with suppress(OSError, TypeError):
            socket.socket.shutdown(sock or connection.sock, socket.SHUT_RDWR)

    timer = TIMERS.call_later(connection.timeout or threading.TIMEOUT_MAX, expire)
    try:
        with current_request().closing_with(expire):
            yield
    except (OSError, http.client.HTTPException):
        if not expired:
            raise
    finally:
        timer.cancel()
    if expired:
        raise TimeoutError("connecting, or receiving the response headers, took too long")
