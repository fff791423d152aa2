"""The types of sources that model.yml can name: for each a class, and its keys in ``SOURCES``.

``core.download.source_types`` downloads them. A type that few models use, or a plug-in's, has
class, keys and download in one module, imported when a model.yml names it.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar
from urllib.parse import unquote, urlsplit

from posezoo.core.declarations.field_types import (
    FILE_NAME,
    LINE,
    WORD,
    FieldType,
    Key,
    hex_digits,
    integer,
    matching,
    record,
    ref,
    required_key,
    tagged,
)
from posezoo.core.declarations.model import Digest, Source, SourceFile
from posezoo.core.errors import PluginError, redact_secrets, sanitize
from posezoo.core.operating_system import IS_WINDOWS
from posezoo.core.plugins import LazyTable
from posezoo.core.values import frozen

if TYPE_CHECKING:
    # The help of a verb imports this module, and is not to wait for yaml.
    from posezoo.core.declarations.yaml_nodes import YamlMapping, YamlNode

MAX_SIZE = 1 << 50  # bytes

#: The protocols of the stores that a source or a mirror can be in, and what fsspec reads each with.
STORES = {"s3": "s3fs", "gs": "gcsfs", "az": "adlfs", "sftp": "paramiko"}

#: The form of nearly all URLs; all others are parsed.
_PLAIN_URL = re.compile(r"https?://[A-Za-z0-9.-]+/[A-Za-z0-9._/+=&?%~-]*")


@frozen
class HttpSource(Source):
    """A file at an http or https URL."""

    type = "http"

    url: str

    def __str__(self) -> str:
        return redact_secrets(self.url)


@frozen
class GoogleDriveSource(Source):
    """A file that is shared on Google Drive."""

    type = "google_drive"

    id: str  # letters, digits, - and _

    def __str__(self) -> str:
        return f"https://drive.google.com/file/d/{self.id}"


@frozen
class HuggingFaceSource(Source):
    """A file of a model repository on the Hugging Face Hub, at one commit."""

    type = "huggingface"

    repository: str  # usyd-community/vitpose-base
    file: str  # relative, with / between folders
    revision: str  # the commit, 40 hex digits, since branches and tags move

    def __str__(self) -> str:
        return f"https://huggingface.co/{self.repository}/blob/{self.revision}/{self.file}"


@frozen
class StorageSource(Source):
    """A file in a store that has its own protocol: s3, gs, az or sftp."""

    type = "storage"

    url: str

    def __str__(self) -> str:
        return redact_secrets(self.url)


@frozen
class FileSource(Source):
    """A file on this machine or a mounted share; a relative path starts at the model.yml's
    folder.
    """

    type = "file"

    path: Path

    def __str__(self) -> str:
        return str(self.path)


@frozen
class PackageSource(Source):
    """A member of a package on a package index; nothing of the package is installed or run."""

    index: ClassVar[str]  # the name of its indexes in messages

    package: str
    version: str

    @property
    def package_file(self) -> SourceFile:
        """The file of the package, which is transferred, verified and cached as a whole."""
        raise NotImplementedError


@frozen
class Wheel:
    """One built distribution of a Python package on a package index."""

    name: str  # mediapipe-0.10.21-cp311-cp311-manylinux_2_28_x86_64.whl
    size: int  # bytes
    sha256: str  # hex, as indexes publish it


@frozen
class PythonPackageSource(PackageSource):
    """A member of a wheel."""

    type = "python_package"
    index = "pip index"

    wheel: Wheel
    member: str

    @property
    def package_file(self) -> SourceFile:
        """The wheel, which caches and mirrors find by its SHA-256."""
        digest = Digest("sha256", self.wheel.sha256.lower())
        return SourceFile(self.wheel.name, self.wheel.size, digest)

    def __str__(self) -> str:
        return f"{self.member} of the Python package {self.package} {self.version}"


@frozen
class NpmPackageSource(PackageSource):
    """A member of the tarball of an npm package, such as @mediapipe/pose; the version is exact,
    since tags and ranges move.
    """

    type = "npm_package"
    index = "npm index"

    member: str  # package/pose_landmark_full.tflite
    integrity: Digest | None = None  # of the tarball; None for the one that the registry states
    tarball_size: int | None = None  # bytes; None if model.yml does not state it

    @property
    def package_file(self) -> SourceFile:
        """The tarball, named as npm pack names it but for the scope."""
        name = f"{self.package.rpartition('/')[2]}-{self.version}.tgz"
        return SourceFile(name, self.tarball_size, self.integrity)

    def __str__(self) -> str:
        return f"{self.member} of the npm package {self.package} {self.version}"


# --- their keys in model.yml


#: Subresource Integrity, as in package-lock.json: https://www.w3.org/TR/SRI/
_INTEGRITY = re.compile(
    r"sha512-[A-Za-z0-9+/]{86}==|sha384-[A-Za-z0-9+/]{64}|sha256-[A-Za-z0-9+/]{43}=|sha1-[A-Za-z0-9+/]{27}="
)


def parse_integrity(text: str) -> Digest | None:
    """The strongest digest of a text such as ``sha512-3q2+7w==``; None if it has no known one.

    >>> parse_integrity("sha1-2jmj7l5rSw0yVb/vlWAYkK/YBwk= md5-x")
    Digest(algorithm='sha1', value='da39a3ee5e6b4b0d3255bfef95601890afd80709')
    """
    without_options = re.sub(r"\?\S*", "", text)
    hashes = sorted(filter(_INTEGRITY.fullmatch, without_options.split()), key=len)
    if not hashes:
        return None
    algorithm, _, value = hashes[-1].partition("-")
    return Digest(algorithm, base64.b64decode(value).hex())


def parse_file_url(url: str) -> Path:
    """The path of a file URL; its host is ignored."""
    path = unquote(re.sub("^file:(//[^/]*)?", "", url, flags=re.IGNORECASE))
    # file:///C:/wheels is C:/wheels.
    return Path(re.sub("^/(?=[A-Za-z]:)", "", path) if IS_WINDOWS else path)


def read_url(node: YamlNode) -> Source:
    """A URL: http, https, file, or of a store."""
    text = node.text()
    if _PLAIN_URL.fullmatch(text):
        return HttpSource(text)
    try:
        address = urlsplit(text)
        host = address.hostname
    except ValueError as error:
        raise node.make_error(f"not a URL: {sanitize(text)}") from error
    if re.search(r"[\s\x00-\x20\x7f]", text):
        raise node.make_error(f"a URL has no blanks: {sanitize(text)}")
    if address.scheme == "file":
        return FileSource(parse_file_url(re.split("[?#]", text)[0]))
    if address.scheme in STORES and host and address.path.strip("/"):
        return StorageSource(text)
    if address.scheme not in ("http", "https") or not host:
        others = "://, ".join(STORES)
        raise node.make_error(
            f"expected an http(s) or file URL, or one that starts with {others}://; got"
            f" {sanitize(text)}"
        )
    return HttpSource(text)


def _read_web_url(node: YamlNode) -> str:
    source = read_url(node)
    if not isinstance(source, HttpSource):
        raise node.make_error("expected an http(s) URL")
    return str(source)  # it is only shown, so without secrets


URL = FieldType(read_url, ref("address"))
WEB_URL = FieldType(_read_web_url, ref("web_address"))
HEX_SHA256 = hex_digits(64, label="64 hex digits of SHA256")
#: name-version(-build)-python-abi-platform.whl (PEP 427)
_WHEEL_NAME = re.compile(r"[A-Za-z0-9_.]+(-[A-Za-z0-9_.!+]+){4,5}\.whl")


def _normalize_package(name: str) -> str:
    return re.sub("[-_.]+", "_", name).lower()


def _check_wheel(fields: YamlMapping, source: PythonPackageSource) -> None:
    package, version, *_ = source.wheel.name.split("-")
    is_of_package = _normalize_package(package) == _normalize_package(source.package)
    if not is_of_package or version != source.version:
        raise fields["wheel"].make_error(f"is not of {source.package} {source.version}")


_WHEEL = record(
    Wheel,
    required_key("name", matching(_WHEEL_NAME, "the file name of a wheel", numbers=False)),
    required_key("size", integer(1, MAX_SIZE)),
    required_key("sha256", HEX_SHA256),
)
_PACKAGE = matching(re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,98}[A-Za-z0-9])?"), "a package name")
_NPM_PACKAGE = matching(
    re.compile(r"(?:@[A-Za-z0-9~-][A-Za-z0-9._~-]{0,99}/)?[A-Za-z0-9~-][A-Za-z0-9._~-]{0,99}"),
    "the name of an npm package",
)
_NPM_VERSION = matching(
    re.compile(r"\d{1,16}\.\d{1,16}\.\d{1,16}(?:-[A-Za-z0-9.-]{1,99})?(?:\+[A-Za-z0-9.-]{1,99})?"),
    "an exact version such as 1.2.3, since tags and ranges move",
    numbers=False,
)
_INTEGRITY_TEXT = matching(
    _INTEGRITY, "an integrity such as sha512-..., as in package-lock.json", numbers=False
)


_DRIVE_ID = matching(re.compile(r"[A-Za-z0-9_-]{10,100}"), "the id of a file on Google Drive")
_COMMIT = matching(re.compile(r"[0-9a-f]{40}"), "a commit of 40 hex digits, since branches move")
#: user/name; a few old repositories have no user.
_REPOSITORY = matching(
    re.compile(r"(?:[A-Za-z0-9][A-Za-z0-9._-]{0,95}/)?[A-Za-z0-9][A-Za-z0-9._-]{0,95}"),
    "a repository such as user/name",
)
_PYTHON_PACKAGE = record(
    PythonPackageSource,
    required_key("package", _PACKAGE),
    required_key("version", WORD),
    required_key("wheel", _WHEEL),
    required_key("member", FILE_NAME),
    check=_check_wheel,
    tag="python_package",
)
_SUBRESOURCE_INTEGRITY = FieldType(
    lambda node: parse_integrity(_INTEGRITY_TEXT.read(node)), _INTEGRITY_TEXT.schema
)
_NPM = record(
    NpmPackageSource,
    required_key("package", _NPM_PACKAGE),
    required_key("version", _NPM_VERSION),
    required_key("member", FILE_NAME, "With the folder in the tarball, usually package/."),
    Key(
        "integrity",
        _SUBRESOURCE_INTEGRITY,
        "Of the tarball, as in package-lock.json; without it, the registry's is used.",
    ),
    Key("tarball_size", integer(1, MAX_SIZE), "In bytes; it is announced before the download."),
    tag="npm_package",
)
#: The sources by ``$type``; ``core.download.source_types`` downloads them.
SOURCES: Mapping[str, FieldType[Source]] = {
    "http": record(lambda url: url, required_key("url", URL), tag="http"),
    "google_drive": record(GoogleDriveSource, required_key("id", _DRIVE_ID), tag="google_drive"),
    "huggingface": record(
        HuggingFaceSource,
        required_key("repository", _REPOSITORY),
        required_key("file", FILE_NAME),
        required_key("revision", _COMMIT),
        tag="huggingface",
    ),
    "file": record(lambda path: FileSource(Path(path)), required_key("path", LINE), tag="file"),
    "python_package": _PYTHON_PACKAGE,
    "npm_package": _NPM,
}
_TAGGED_SOURCE = tagged(SOURCES)
_WHEELS = LazyTable("registries", PythonPackageSource, {})


def wheel_of(name: str) -> PythonPackageSource:
    """The wheel of a registry of ``WHEEL_REGISTRIES``, and the folder in it with the models."""
    wheel = _WHEELS.find(name)
    assert wheel
    return wheel


#: Types of features and of installed packages: a ``core.download.source_types.SourceType`` with a
#: ``field_type``.
_ADDED_SOURCES = LazyTable("posezoo.source_types", object, {})


def read_source(node: YamlNode) -> Source:
    """A URL, or a mapping whose ``$type`` is built in or of a plug-in."""
    if node.is_text():
        return read_url(node)
    name = node.as_mapping()["$type"].text()
    added = _ADDED_SOURCES.find(name) if name not in SOURCES else None
    if added is None:
        return _TAGGED_SOURCE.read(node)
    field_type = getattr(added, "field_type", None)
    if not isinstance(field_type, FieldType):
        raise PluginError(
            f"the plug-in {name} (posezoo.source_types) does not say which keys a {name}"
            " source has",
            hint="its SourceType needs a field_type; update or remove the package",
        )
    source: Source = field_type.read(node)
    return source


SOURCE = FieldType(read_source, {"anyOf": [URL.schema, *_TAGGED_SOURCE.schema["anyOf"]]})
