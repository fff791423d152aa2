"""Read a member of the tarball of an npm package, from the registry that npm is configured with.

Only a part of the tarball is downloaded if model.yml has its digest, access_points.json has a point
for the member, and the registry has range requests; else all of it, verified by a digest and cached
for its other members.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote, urljoin, urlsplit, urlunsplit

from posezoo.core.declarations.model import Digest, SourceFile
from posezoo.core.declarations.sources import NpmPackageSource, parse_integrity
from posezoo.core.download.archive import MAX_BYTES
from posezoo.core.download.candidates import (
    MIRROR_HINT,
    ByteStream,
    Candidate,
    CandidateKind,
    NotFoundError,
    ResumeState,
    open_local_file,
)
from posezoo.core.download.context import DownloadContext
from posezoo.core.download.digest_store import store_candidates
from posezoo.core.download.file_download import download_file
from posezoo.core.download.parallel_ranges import open_url
from posezoo.core.download.source_types import SourceType
from posezoo.core.download.transfer import find_access_point
from posezoo.core.errors import DigestError, SourceError
from posezoo.core.files.foreign_json import parse_json
from posezoo.core.http_headers import HostHeader
from posezoo.packages.npm_config import read_npm_config
from posezoo.packages.package_parts import (
    extract_member,
    needs_part,
    open_member,
    open_npm_part,
    package_path,
)
from posezoo.packages.small_answers import PackageLink, read_small

# The largest known document of a package has about 30 MB.
_MAX_DOCUMENT = 64 << 20
_ACCEPT = "application/vnd.npm.install-v1+json; q=1.0, application/json; q=0.8"
_HINT = f"see which registry is in use: posezoo doctor; or {MIRROR_HINT}"
_LOGIN_HINT = "log in with npm login, or write //HOST/:_authToken=... to ~/.npmrc"


class NpmClient:
    """Requests to the registry of a package, as npm would make them; the user's options have
    priority.

    Without a checksum, ``file``, the wanted member, is not requested over plain http.

    Raises:
        SourceError: npm's configuration is invalid; its methods can raise it too.
    """

    def __init__(
        self, source: NpmPackageSource, file: SourceFile, context: DownloadContext
    ) -> None:
        self._source = source
        self._config = read_npm_config()
        self._registry = self._config.registry_for(source.package)
        self._host = urlsplit(self._registry).hostname
        options = context.options
        self._context = context.with_options(
            ca_bundle=self._config.ca_file(),
            proxies=options.proxies or self._config.proxies(),
            named_urls=(self._registry,),
            allow_http=options.allow_http or file.checksum is not None,
        )

    def find_tarball(self) -> PackageLink:
        """Ask the registry for the tarball of the version.

        Raises:
            NotFoundError: it does not have the package, or this version.
            TransientSourceError: another attempt may succeed.
            SourceError: it refuses access, or does not answer as a registry.
        """
        package = self._source.package
        version = self._source.version
        url = self._registry + quote(package, safe="@")
        accept = HostHeader.for_url(url, "Accept", _ACCEPT)
        with self._explained_errors():
            headers = (accept, *self._login(url))
            name = "the package document"
            content = read_small(
                url, _MAX_DOCUMENT, self._context, name=name, headers=headers
            ).content
        try:
            versions = parse_json(content)["versions"]
            if version not in versions:
                raise NotFoundError(
                    f"{self._host} has no version {version} of {package}", hint=_HINT
                )
            dist = versions[version]["dist"]
            digest = parse_integrity(str(dist.get("integrity")))
            if digest is None and re.fullmatch("[0-9a-fA-F]{40}", str(dist.get("shasum"))):
                digest = Digest("sha1", dist["shasum"].lower())
            return PackageLink(self._tarball_url(urljoin(url, "" + dist["tarball"])), digest)
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            problem = f"{self._host} does not describe {package} as an npm registry does"
            raise SourceError(problem, hint=_HINT) from error

    @contextmanager
    def open(
        self, url: str, file: SourceFile, resume: ResumeState, *, stop: int | None = None
    ) -> Iterator[ByteStream]:
        """Read a URL of the registry up to a stop, with the login for it; raises the same errors as
        ``open_url``.
        """
        headers = self._login(url)
        with (
            self._explained_errors(),
            open_url(url, file, self._context, resume, stop=stop, headers=headers) as stream,
        ):
            yield stream

    def _login(self, url: str) -> tuple[HostHeader, ...]:
        login = self._config.authorization(url, self._registry)
        return (HostHeader.for_url(url, "Authorization", login),) if login else ()

    @contextmanager
    def _explained_errors(self) -> Iterator[None]:
        try:
            yield
        except SourceError as error:
            error.problem = f"{self._host}: {error.problem}"
            error.hint = _LOGIN_HINT if error.flag == "--header" else error.hint or _HINT
            raise

    def _tarball_url(self, url_text: str) -> str:
        """The URL of a tarball: encrypted if the registry's own are, and not in a private network
        unasked.
        """
        from posezoo.core.download.http import refuse_unsafe_redirect

        url = self._config.tarball_url(url_text)
        address = urlsplit(url)
        registry = urlsplit(self._registry)
        # Both are read first: an invalid port is a ValueError.
        if (address.hostname, address.port) == (registry.hostname, registry.port):
            url = urlunsplit(address._replace(scheme=registry.scheme))
        refuse_unsafe_redirect(self._registry, url, self._context.options, by_proxy=False)
        return url


def open_npm_member(
    source: NpmPackageSource, file: SourceFile, context: DownloadContext, resume: ResumeState
) -> AbstractContextManager[ByteStream]:
    """Read a member of a package's tarball, which comes from the cache, a mirror or the registry.

    Raises:
        DownloadError: the tarball cannot be downloaded, or is not the expected one; or see
            ``open_member``.
    """
    part = _extract_part(source, file, context)
    if part:
        return open_local_file(part, resume)
    path = _download_tarball(source, file, context)
    name = source.package_file.name
    hint = "" if source.member.startswith("package/") else f"is it package/{source.member}?"
    return open_member(path, "gztar", name, source.member, file=file, hint=hint)


def _extract_part(
    source: NpmPackageSource, file: SourceFile, context: DownloadContext
) -> Path | None:
    """The path of a verified member; None if the whole tarball is needed."""
    tarball = replace(source.package_file, max_size=MAX_BYTES)
    point = None
    if context.registry:
        point = find_access_point(context.registry, source.package_file, source.member)
    if point is None or not needs_part(tarball, file, context):
        return None
    client = NpmClient(source, file, context)
    url = context.pool.once((PackageLink, tarball.checksum), client.find_tarball).url

    def open_range(resume: ResumeState, stop: int) -> AbstractContextManager[ByteStream]:
        return client.open(url, tarball, resume, stop=stop)

    opened = open_npm_part(tarball, point, file, open_range, context=context)
    return extract_member(tarball, file, opened, context)


def _download_tarball(source: NpmPackageSource, file: SourceFile, context: DownloadContext) -> Path:
    described = None
    digest = source.integrity
    if digest is None:
        described = NpmClient(source, file, context).find_tarball()
        digest = described.digest
    if digest is None:
        raise SourceError(
            f"the registry states no digest of {source.package_file.name}", hint=_HINT
        )
    tarball = replace(source.package_file, checksum=digest, max_size=MAX_BYTES)
    package_context = context.for_package(file)

    def open_tarball(resume: ResumeState) -> AbstractContextManager[ByteStream]:
        client = NpmClient(source, file, package_context)
        return client.open((described or client.find_tarball()).url, tarball, resume)

    path = package_path(tarball, context)
    npm = Candidate("npm", CandidateKind.SOURCE, open_tarball)
    download_file(
        tarball, path, package_context, (*store_candidates(tarball, package_context), npm)
    )
    return path


def check_npm_member(
    source: NpmPackageSource, file: SourceFile, context: DownloadContext
) -> tuple[str, ...]:
    """Check that the registry has the version with its tarball; a DigestError if it states another
    digest.
    """
    tarball = NpmClient(source, file, context).find_tarball()
    expected = source.integrity
    actual = tarball.digest
    is_comparable = (
        expected is not None and actual is not None and expected.algorithm == actual.algorithm
    )
    if is_comparable and expected != actual:
        raise DigestError(f"the registry states {actual} for the tarball, {expected} is declared")
    described = SourceFile(source.package_file.name, None, actual, (), max_size=MAX_BYTES)
    with NpmClient(source, file, context.probing()).open(tarball.url, described, ResumeState()):
        return ("digest",) if is_comparable else ()


SOURCE_TYPE = SourceType(NpmPackageSource, open_npm_member, check=check_npm_member)
