"""Requests to an OCI registry (distribution-spec 1.1): login, manifests and blobs.

The connections, certificates, proxies, headers and time limits are those of downloads. The login is
the one that ``docker login`` stored; it is sent only to its registry.
"""

from __future__ import annotations

import base64
import io
import math
import os
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import IO, TypeVar
from urllib.parse import urlencode, urljoin, urlsplit

import requests

from posezoo.core.declarations.model import SourceFile
from posezoo.core.download.candidates import (
    ByteStream,
    Candidate,
    CandidateKind,
    NotFoundError,
    ResumeState,
)
from posezoo.core.download.context import DownloadContext
from posezoo.core.download.http import (
    refuse_status,
    refuse_unsafe_redirect,
    require_safe_target,
    send_request,
)
from posezoo.core.download.http_connections import ip_address, peer_rules, translate_errors
from posezoo.core.download.parallel_ranges import open_url
from posezoo.core.errors import (
    DigestError,
    DownloadError,
    SourceError,
    escape_control_characters,
    redact_secrets,
    sanitize,
)
from posezoo.core.files.file_record import read_json
from posezoo.core.files.foreign_json import parse_json
from posezoo.core.http_headers import HostHeader
from posezoo.core.values import frozen
from posezoo.core.workers.program import run_program
from posezoo.core.workers.retries import TransientSourceError, ask_again
from posezoo.packages.small_answers import read_small, read_small_body

Result = TypeVar("Result")

MANIFEST = "application/vnd.oci.image.manifest.v1+json"

# A manifest has some 500 bytes for each file; registries accept up to 4 MiB.
_MAX_MANIFEST = 4 << 20
# The records of posezoo's own models have up to 10 kB.
_MAX_RECORD = 1 << 20
# Tokens of known registries have up to 5 kB.
_MAX_TOKEN = 1 << 20
# The headers of known registries that ask for a login have less than 500 bytes.
_MAX_CHALLENGE = 8 << 10
# A registry with object storage answers so if it has a file, and names its place there.
_REDIRECTS = (301, 302, 303, 307, 308)
# How much is read of the reasons for an error.
_MAX_REASONS = 64 << 10

# A helper may ask the user to unlock a keyring.
_HELPER_LIMIT_S = 60.0

# The login service of Docker Hub has another host, which no one has to allow.
_LOGIN_HOSTS = {"docker.io": ("auth.docker.io",)}

# The grammar of references: https://github.com/distribution/reference
_ADDRESS = re.compile(
    r"oci://(?P<host>(?:[A-Za-z0-9][A-Za-z0-9.-]*|\[[0-9a-fA-F:]+\])(?::\d{1,5})?)/"
    r"(?P<repository>[a-z0-9]+(?:(?:\.|_|__|-+|/)[a-z0-9]+)*)"
    r"(?::(?P<tag>\w[\w.-]{0,127})|@(?P<digest>sha256:[0-9a-f]{64}))",
    re.ASCII,
)


@frozen
class OciAddress:
    """A tag, or a digest (``sha256:...``), in a repository of a registry."""

    host: str
    repository: str
    reference: str

    @classmethod
    def parse(cls, text: str) -> OciAddress:
        """Parse ``oci://HOST/REPO:TAG`` or ``oci://HOST/REPO@sha256:...``; else a ValueError."""
        match = _ADDRESS.fullmatch(text)
        if match is None:
            raise ValueError(
                f"expected oci://HOST/REPO:TAG or oci://HOST/REPO@sha256:DIGEST, got {text!r}"
            )
        return cls(match["host"], match["repository"], match["tag"] or match["digest"])

    def __str__(self) -> str:
        mark = "@" if ":" in self.reference else ":"
        return f"oci://{self.host}/{self.repository}{mark}{self.reference}"


class OciClient:
    """Requests about one address; ``writes`` is whether the login must allow pushes.

    A request is repeated after temporary failures. Its other errors are SourceErrors.
    """

    def __init__(
        self, address: OciAddress, context: DownloadContext, *, writes: bool = False
    ) -> None:
        self._address = address
        self._scope = f"repository:{address.repository}:{'pull,push' if writes else 'pull'}"
        # Docker Hub has another name for its registry.
        host = "registry-1.docker.io" if address.host == "docker.io" else address.host
        self._root = f"https://{host}/v2/"
        self._context = context.with_options(named_urls=(self._root,))
        self._login: tuple[HostHeader, ...] = ()
        self._login_ends = -math.inf
        self._lock = threading.Lock()

    def read_manifest(self) -> bytes:
        """The manifest of the address; a NotFoundError if the registry has none."""
        reference = self._address.reference
        digest = reference if ":" in reference else ""
        return self._read(f"manifests/{reference}", digest, _MAX_MANIFEST, "the manifest")

    def read_record(self, digest: str) -> bytes:
        """A small blob (``sha256:...``), the record of an IR; a DigestError if its bytes are
        others.
        """
        return self._read(f"blobs/{digest}", digest, _MAX_RECORD, "the record of an IR")

    def _read(self, path: str, digest: str, limit: int, name: str) -> bytes:
        """A small file; its digest is empty if it is not known."""

        def read() -> bytes:
            context = self._logged_in()
            headers = self._accept()
            return read_small(self._url(path), limit, context, name=name, headers=headers).content

        content = self._ask(read)
        actual = f"sha256:{sha256(content).hexdigest()}"
        if digest not in ("", actual):
            problem = f"the registry sends {name} with the digest {actual}, expected {digest}"
            raise DigestError(f"{self._address}: {problem}")
        return content

    def blob_candidate(self, sha256: str, file: SourceFile) -> Candidate:
        """A blob as a candidate of ``download_file``."""
        name = str(self._address)
        path = f"blobs/sha256:{sha256}"
        return Candidate(name, CandidateKind.SOURCE, lambda state: self._open(path, file, state))

    def upload_blob(self, digest: str, open_blob: Callable[[], IO[bytes]]) -> None:
        """Upload a blob, unless the repository has it; the registry verifies its digest."""

        def upload() -> None:
            if self._send("HEAD", f"blobs/{digest}", 404, *_REDIRECTS).status_code != 404:
                return
            location = self._send("POST", "blobs/uploads/", 202).headers.get("Location", "")
            with open_blob() as blob:
                url = f"{location}{'&' if '?' in location else '?'}digest={digest}"
                self._send("PUT", url, 201, data=blob, content_type="application/octet-stream")

        self._ask(upload)

    def write_manifest(self, content: bytes) -> None:
        """Give the address to a manifest, after all of its blobs were uploaded."""
        path = f"manifests/{self._address.reference}"

        def write() -> None:
            self._send("PUT", path, 201, data=io.BytesIO(content), content_type=MANIFEST)

        self._ask(write)

    def _ask(self, ask: Callable[[], Result]) -> Result:
        def warn(problem: str) -> None:
            self._context.warn(f"{self._address.host}: {problem}")

        try:
            return ask_again(ask, self._context.options.limits, warn)
        except DownloadError as error:
            if isinstance(error, SourceError):
                self._add_hint(error)
            error.problem = f"{self._address}: {error.problem}"
            raise

    def _add_hint(self, error: SourceError) -> None:
        host = self._address.host
        if re.match("HTTP 40[13]", error.problem):
            error.hint = f"docker login {host}, or --header {host}='Authorization: ...'"
        elif isinstance(error, NotFoundError):
            error.hint = "check the repository and the tag"
        elif error.temporary and not error.hint:
            error.hint = "check the address, the network connection and the proxy settings"

    @contextmanager
    def _open(self, path: str, file: SourceFile, resume: ResumeState) -> Iterator[ByteStream]:
        try:
            context = self._logged_in()
            url = self._url(path)
            with open_url(url, file, context, resume, headers=self._accept()) as stream:
                yield stream
        except SourceError as error:
            self._add_hint(error)
            raise

    def _accept(self) -> tuple[HostHeader, ...]:
        return (HostHeader.for_url(self._root, "Accept", f"{MANIFEST}, */*;q=0.1"),)

    def _url(self, path: str) -> str:
        with translate_errors(self._context.options.timeout_s):
            return urljoin(f"{self._root}{self._address.repository}/", path)

    def _send(
        self,
        method: str,
        path: str,
        *expected: int,
        data: IO[bytes] | None = None,
        content_type: str = "",
    ) -> requests.Response:
        """Send a request about the repository, and raise an error unless the status is expected, or
        200. A redirect is not followed.
        """
        context = self._logged_in()
        options = context.options
        headers = {"Content-Type": content_type} if content_type else {}
        url = self._url(path)
        address = urlsplit(url)
        if "@" in address.netloc:
            raise SourceError("names an address with another login for an upload")
        is_registry = address.hostname == urlsplit(self._root).hostname
        refuse_unsafe_redirect(self._root, url, options, by_proxy=False)  # it may name any address
        session = context.pool.session()
        public_only = not is_registry and require_safe_target(session, self._root, url, options)
        with (
            peer_rules(public_only=public_only),
            send_request(
                session, method, url, options, headers=headers, data=data, netrc=is_registry
            ) as response,
        ):
            try:
                refuse_status(response, *expected)
            except SourceError as error:
                body = ""
                with suppress(DownloadError):
                    answer = read_small_body(response, _MAX_REASONS, options.timeout_s, "the error")
                    body = answer[:1000].decode("utf-8", "replace")
                reasons = re.findall(r'"message":\s*"([^"]*)"', redact_secrets(body))
                error.problem = ": ".join(map(escape_control_characters, (error.problem, *reasons)))
                if "DIGEST_INVALID" in body:  # the bytes were changed on their way
                    raise TransientSourceError(error.problem) from error
                raise
        return response

    def _logged_in(self) -> DownloadContext:
        """The context with the header of the login; a token is renewed before it expires."""
        options = self._context.options
        with self._lock:
            if time.monotonic() > self._login_ends:
                self._log_in()
            return self._context.with_options(headers=(*self._login, *options.headers))

    def _log_in(self) -> None:
        """Ask which login the registry wants, and get a token if it wants one.

        https://distribution.github.io/distribution/spec/auth/token/
        """
        self._login = ()
        response = self._ping()
        ends = math.inf
        if not self._is_logged_in(response.status_code):
            user, secret = read_docker_login(self._address.host)
            login = ""
            if secret:
                login = f"Basic {base64.b64encode(f'{user}:{secret}'.encode()).decode()}"
            header = response.headers.get("WWW-Authenticate", "")
            if len(header) > _MAX_CHALLENGE:
                raise SourceError(f"asks for a login with a header of {len(header):,} characters")
            kind, _, rest = header.partition(" ")
            if kind.lower() == "bearer":
                # \b: else each letter of a long word would start a search of its own.
                challenge = dict(re.findall(r'\b(\w+)="([^"]*)"', rest))
                login, ends = self._request_token(challenge, user, secret, login)
            elif kind.lower() != "basic" or not login:
                refuse_status(response)
            self._login = (HostHeader.for_url(self._root, "Authorization", login),)
        self._login_ends = ends

    def _is_logged_in(self, status: int) -> bool:
        """Whether no login is needed, or the user's own headers have it."""
        if status != 401:
            return status == 200
        headers = self._context.options.headers
        return any(
            header.name.lower() == "authorization" and header.applies_to(self._root)
            for header in headers
        )

    def _request_token(
        self, challenge: Mapping[str, str], user: str, secret: str, login: str
    ) -> tuple[str, float]:
        """A token from the service that the registry names for logins, and when to get the next
        one.
        """
        options = self._context.options
        realm = challenge.get("realm", "")
        if not realm.startswith(("https://", f"{self._root.partition(':')[0]}://")):
            raise SourceError(f"names {sanitize(realm)} for logins, which is not an https URL")
        session = self._context.pool.session()
        public_only = require_safe_target(session, self._root, realm, options)
        if secret:
            self._require_allowed(realm)
        query = {"service": challenge.get("service", ""), "scope": self._scope}
        if user == "<token>":  # an identity token (OAuth 2.0) instead of a password
            form = {"grant_type": "refresh_token", "refresh_token": secret, "client_id": "posezoo"}
            send = partial(
                send_request, session, "POST", realm, options, headers={}, data=form | query
            )
        else:
            url = f"{realm}{'&' if '?' in realm else '?'}{urlencode(query)}"
            headers = {"Authorization": login} if login else {}
            send = partial(send_request, session, "GET", url, options, headers=headers)
        with (
            peer_rules(public_only=public_only),
            translate_errors(options.timeout_s),
            send() as response,
        ):
            refuse_status(response)
            answer = read_small_body(response, _MAX_TOKEN, options.timeout_s, "the token")
            return _parse_token(answer)

    def _require_allowed(self, realm: str) -> None:
        """Raise a SourceError if the password for the registry must not be sent to its login
        service.
        """
        address = urlsplit(realm)
        # Other ports of the host need its certificate; without one, another user may have opened
        # them.
        if address.scheme == "https" and address.hostname == urlsplit(self._root).hostname:
            return
        allowed = [HostHeader.for_url(self._root, "", "").host]
        allowed += _LOGIN_HOSTS.get(self._address.host, ())
        allowed += self._context.options.login_hosts
        if any(HostHeader(host, "", "").applies_to(realm) for host in allowed):
            return
        host = address.netloc.rpartition("@")[2]
        raise SourceError(
            f"sends its logins to {sanitize(host)}, another host, which does not get your password"
            " without your consent",
            hint=f"if that host belongs to the registry: --login_host {sanitize(host)[1:-1]}",
        )

    def _ping(self) -> requests.Response:
        """Ask for the login; over http if the registry has no TLS and is on this machine, or if
        allowed.
        """
        session = self._context.pool.session()
        options = self._context.options
        try:
            with send_request(session, "GET", self._root, options, headers={}) as response:
                return response
        except SourceError as error:
            if not error.problem.startswith("TLS failed") or "CERTIFICATE" in error.problem:
                raise
            address = ip_address(urlsplit(self._root).hostname or "")
            if not (options.allow_http or (address and address.is_loopback)):
                error.hint = "if the registry has no TLS: --allow_http"
                raise
        self._root = f"http{self._root.removeprefix('https')}"
        with send_request(session, "GET", self._root, options, headers={}) as response:
            return response


def _parse_token(answer: bytes) -> tuple[str, float]:
    try:
        granted = parse_json(answer)
        token = granted.get("token") or granted["access_token"]
        # The error of a header with another character shows it.
        if not re.fullmatch("[!-~]+", token):
            raise ValueError("is not a token")
        # 60 seconds if it is not stated.
        return f"Bearer {token}", time.monotonic() + 0.8 * float(granted.get("expires_in", 60))
    except (ValueError, LookupError, TypeError) as error:
        raise SourceError("its login service sends no token") from error


def read_docker_login(host: str) -> tuple[str, str]:
    """The user and password for a registry in docker's configuration; empty if it has none, or if
    the user has no home folder.

    If the configuration names a credential helper, that is asked. An identity token has the user
    ``<token>``.

    Raises:
        SourceError: the configuration cannot be read, or its helper fails; the message has no
            secret.
    """
    try:
        path = Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker", "config.json")
    except RuntimeError:  # there is no home folder
        return "", ""
    config = read_json(path)
    name = "https://index.docker.io/v1/" if host == "docker.io" else host
    try:
        helper = config.get("credHelpers", {}).get(name) or config.get("credsStore")
        if helper:
            command = [f"docker-credential-{helper}", "get"]
            ended = run_program(command, input_bytes=name.encode(), timeout_s=_HELPER_LIMIT_S)
            if ended.timed_out:
                raise SourceError(f"{command[0]} does not answer within {_HELPER_LIMIT_S:g} s")
            stored = parse_json(ended.output) if ended.exit_code == 0 else {}
            return str(stored.get("Username", "")), str(stored.get("Secret", ""))
        entry = config.get("auths", {}).get(name, {})
        token = entry.get("identitytoken")
        if token:
            return "<token>", str(token)
        login = base64.b64decode(entry.get("auth", ""), validate=True).decode()
        user, _, secret = login.partition(":")
        return user, secret
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise SourceError(
            f"{path}: the login for {name} cannot be read: {type(error).__name__}"
        ) from error
