"""Read a member of a wheel, from the package indexes and folders that pip and uv are configured
with.

Only the bytes of the member are downloaded if it has a digest of its own, and the index has range
requests; else all of the wheel, verified by its SHA-256.
"""

from __future__ import annotations

import html
import re
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

from posezoo.core.declarations.model import Digest, SourceFile
from posezoo.core.declarations.sources import PythonPackageSource, Wheel, parse_file_url
from posezoo.core.download.candidates import (
    MIRROR_HINT,
    ByteStream,
    Candidate,
    CandidateKind,
    NotFoundError,
    ResumeState,
    open_local_file,
    reading,
)
from posezoo.core.download.context import DownloadContext
from posezoo.core.download.digest_store import store_candidates
from posezoo.core.download.file_download import download_file
from posezoo.core.download.parallel_ranges import open_url
from posezoo.core.download.source_types import SourceType
from posezoo.core.errors import DigestError, DownloadError, SourceError, redact_secrets
from posezoo.core.files.verified_files import compute_digest
from posezoo.core.http_headers import HostHeader
from posezoo.core.regular_files import read_regular_text
from posezoo.packages.package_indexes import IndexSettings, read_index_settings
from posezoo.packages.package_parts import extract_member, needs_part, open_member, open_zip_part
from posezoo.packages.small_answers import PackageLink, read_small

# A page of links to the wheels of a package; the largest known one has about 20 MB.
_MAX_PAGE = 256 << 20
_HINT = (
    "posezoo doctor shows the indexes in use; name another one: PIP_INDEX_URL=URL, or"
    f" UV_DEFAULT_INDEX=URL; or {MIRROR_HINT}"
)


def open_wheel_member(
    source: PythonPackageSource, file: SourceFile, context: DownloadContext, resume: ResumeState
) -> AbstractContextManager[ByteStream]:
    """Read a member of a wheel, which comes from the cache, a mirror or a package index; a whole
    wheel is then cached.

    Raises:
        DownloadError: the wheel cannot be downloaded, or is not the expected one; or see
            ``open_member``.
    """
    part = _extract_part(source, file, context)
    if part:
        return open_local_file(part, resume)
    target = context.temp_dir() / source.wheel.name
    download_wheel(source, target, context.for_package(file))
    return open_member(target, "zip", source.wheel.name, source.member, file=file)


def _extract_part(
    source: PythonPackageSource, file: SourceFile, context: DownloadContext
) -> Path | None:
    """The path of a verified member; None if the whole wheel is needed."""
    wheel = source.package_file
    if not needs_part(wheel, file, context):
        return None
    settings = read_index_settings()
    asking = _asking(settings, context)

    def open_range(resume: ResumeState, stop: int) -> AbstractContextManager[ByteStream]:
        return open_url(link.url, wheel, asking, resume, stop=stop)

    try:
        link = context.pool.once(
            (PackageLink, wheel.checksum), lambda: _find_wheel(source, settings, asking)
        )
        if link.url.startswith("file:"):
            return None
        opened = open_zip_part(wheel, source.member, file, open_range, context=context)
        return extract_member(wheel, file, opened, context)
    except DigestError:  # of another wheel, which is reported when it is needed as a whole
        return None
    except SourceError as error:
        error.problem = f"package index: {error.problem}"
        raise


def download_wheel(source: PythonPackageSource, target: Path, context: DownloadContext) -> None:
    """Download a wheel from the cache or a mirror by its SHA-256, else from a package index."""
    wheel = source.package_file
    index = Candidate("package index", CandidateKind.SOURCE, partial(_open_wheel, source, context))
    download_file(wheel, target, context, (*store_candidates(wheel, context), index))


def check_wheel(
    source: PythonPackageSource, _file: SourceFile, context: DownloadContext
) -> tuple[str, ...]:
    """Check that an index or a folder has the wheel with its SHA-256; raises DigestError,
    NotFoundError or SourceError as ``_find_wheel``.
    """
    settings = read_index_settings()
    link = _find_wheel(source, settings, _asking(settings, context))
    return ("digest",) if link.digest else ()


def _open_wheel(
    source: PythonPackageSource, context: DownloadContext, resume: ResumeState
) -> AbstractContextManager[ByteStream]:
    settings = read_index_settings()
    asking = _asking(settings, context)
    link = _find_wheel(source, settings, asking)
    if link.url.startswith("file:"):
        return open_local_file(_local_path(link.url), resume)
    return open_url(link.url, source.package_file, asking, resume)


def _asking(settings: IndexSettings, context: DownloadContext) -> DownloadContext:
    """The context with pip's proxy and certificates; plain http is safe, since the SHA-256 of the
    wheel is known.
    """
    options = context.options
    proxy = settings.proxy
    return context.with_options(
        ca_bundle=Path(settings.ca_file) if settings.ca_file else None,
        proxies=options.proxies or ({"http": proxy, "https": proxy} if proxy else {}),
        allow_http=True,
        named_urls=(*settings.indexes, *settings.find_links),
    )


def _find_wheel(
    source: PythonPackageSource, settings: IndexSettings, context: DownloadContext
) -> PackageLink:
    """The first link to the wheel with its SHA-256, or with none.

    Raises:
        DigestError: the wheel of this name has another SHA-256.
        NotFoundError: no index or folder has a wheel of this name.
        SourceError: an index does not answer, and the others do not have the wheel.
    """
    wheel = source.wheel
    expected = source.package_file.checksum
    project = re.sub(r"[-_.]+", "-", source.package).lower()  # PEP 503
    pages = [f"{index.rstrip('/')}/{project}/" for index in settings.indexes]
    problems: list[DownloadError] = []
    for place in (*settings.find_links, *pages):
        try:
            link = _find_link(place, wheel, context)
        except NotFoundError:
            continue
        except DownloadError as error:
            problems.append(error)
            continue
        if link.digest in (None, expected):
            return link
        problem = f"an index has another {wheel.name}, with {link.digest}; {expected} is declared"
        problems.append(DigestError(problem, hint=_HINT))
    if problems:
        raise problems[0]
    raise NotFoundError(f"no package index or folder of wheels has {wheel.name}", hint=_HINT)


def _find_link(place: str, wheel: Wheel, context: DownloadContext) -> PackageLink:
    """The link to a wheel in a folder, or on a page; a NotFoundError if there is none."""
    if place.lower().startswith(("http://", "https://")):
        return _find_remote_link(place, wheel, context)
    folder = _local_path(place)
    with reading():
        path = folder / wheel.name
        if path.is_file():
            return PackageLink(path.as_uri(), compute_digest(path, "sha256"))
        path = folder if folder.is_file() else folder / "index.html"
        page = read_regular_text(path, "replace") if path.is_file() else ""
    return _parse_link(page, path.as_uri(), wheel)


def _find_remote_link(place: str, wheel: Wheel, context: DownloadContext) -> PackageLink:
    from posezoo.core.download.http import require_safe_target

    try:
        accept = HostHeader.for_url(place, "Accept", "text/html")
    except ValueError as error:
        problem = f"the address of a package index is not valid: {redact_secrets(place)}"
        raise SourceError(problem, hint=_HINT) from error
    try:
        page = read_small(place, _MAX_PAGE, context, name="index.html", headers=(accept,))
        link = _parse_link(page.content.decode("utf-8", "replace"), page.url, wheel)
        require_safe_target(context.pool.session(), page.url, link.url, context.options)
    except DownloadError as error:
        error.problem = f"{urlsplit(place).hostname}: {error.problem}"
        raise
    return link


def _parse_link(page: str, address: str, wheel: Wheel) -> PackageLink:
    # Two patterns: with one, a page of many "<a" without ">" would take hours.
    for tag in re.findall(r"<a\b[^>]*", page, re.IGNORECASE):
        link = re.search(r"""\bhref\s*=\s*["']?([^"'\s>]+)""", tag, re.IGNORECASE)
        if link is None:
            continue
        try:
            target = urlsplit(urljoin(address, html.unescape(link[1])))
        except ValueError:  # such as http://[x: it is no link to any file
            continue
        if unquote(target.path.rpartition("/")[2]) == wheel.name:
            login, _, host = urlsplit(address).netloc.rpartition("@")
            if login and target.netloc == host:
                target = target._replace(netloc=f"{login}@{host}")
            sha256 = re.fullmatch("sha256=([0-9a-fA-F]{64})", target.fragment)
            digest = None
            if sha256:
                digest = Digest("sha256", sha256[1].lower())
            return PackageLink(target._replace(fragment="").geturl(), digest)
    raise NotFoundError(f"has no link to {wheel.name}")


def _local_path(place: str) -> Path:
    is_url = place.lower().startswith("file:")
    return (parse_file_url(place) if is_url else Path(place)).absolute()


SOURCE_TYPE = SourceType(PythonPackageSource, open_wheel_member, check=check_wheel)
