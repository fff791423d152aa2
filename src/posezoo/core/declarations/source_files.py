"""The files of a model.yml: their expected contents, their sources, and the steps after a
download.
"""

from __future__ import annotations

import re
import warnings
from functools import partial
from pathlib import PurePosixPath
from typing import Any

from posezoo.core.declarations import model
from posezoo.core.declarations.field_types import (
    FILE_NAME,
    LINE,
    FieldType,
    Key,
    Schema,
    explained,
    hex_digits,
    integer,
    list_of,
    one_of,
    record,
    ref,
    required_key,
    tagged,
)
from posezoo.core.declarations.safe_names import case_folded, explain_unsafe_file_name
from posezoo.core.declarations.sources import HEX_SHA256, MAX_SIZE, read_source
from posezoo.core.declarations.yaml_nodes import YamlMapping, YamlNode
from posezoo.core.errors import sanitize

#: Replaces a size or checksum that the publisher does not state.
UNKNOWN = "unknown"
_PLAIN_REPLACEMENT = re.compile(r"(?:[^\\]|\\g<0>|\\n)*")
#: The formats of archives by the suffixes of their names.
_ARCHIVE_FORMATS = {"zip": "zip", "tar": "tar", "tgz": "gztar", "gz": "gztar"}


# --- the expected contents of a file, and its sources

_SOURCE = FieldType(read_source, ref("source"))
_SOURCE_LIST = list_of(_SOURCE, minimum=1, empty="is empty: a file needs at least one source")


def _read_sources(node: YamlNode) -> tuple[model.Source, ...]:
    if isinstance(node.value, list):
        return _SOURCE_LIST.read(node)
    return (read_source(node),)


_SOURCES = FieldType(_read_sources, {"anyOf": [ref("source"), _SOURCE_LIST.schema]})


def _digest(algorithm: str, digits: FieldType[str]) -> FieldType[model.Digest]:
    """A digest as ``{$type, value}``."""
    key = required_key("value", digits)
    return record(partial(model.Digest, algorithm), key, tag=algorithm)


_HEX_SHA384 = hex_digits(96, label="96 hex digits of SHA384")
_SHA256 = _digest("sha256", HEX_SHA256)
_TAGGED_DIGEST = tagged({"sha384": _digest("sha384", _HEX_SHA384), "sha256": _SHA256})
_HEX_MD5 = hex_digits(32, label="32 hex digits of MD5")
#: The SHA-1 of a member: all digits, or only the first ones, as in a file's name.
_HEX_SHA1 = hex_digits(model.SHA1_DIGITS, 8, label="40 hex digits of SHA-1, or the first 8")
_MEMBER_DIGEST = tagged({"sha1": _digest("sha1", _HEX_SHA1), "sha256": _SHA256})


def _plain_digest(algorithm: str, digits: FieldType[str]) -> FieldType[model.Digest]:
    """A digest in hex alone."""
    return FieldType(lambda node: model.Digest(algorithm, digits.read(node)), digits.schema)


SHA384 = _plain_digest("sha384", _HEX_SHA384)


def _read_checksum(node: YamlNode) -> model.Digest | None:
    if node.value == UNKNOWN:
        return None
    if node.is_text():
        return SHA384.read(node)
    return _TAGGED_DIGEST.read(node)


def _read_members(node: YamlNode) -> dict[str, model.Digest]:
    members = {}
    for member, value in node.as_mapping().items():
        reason = explain_unsafe_file_name(member)
        if reason:
            raise value.make_error(f"{sanitize(member)} {reason}")
        members[member] = _MEMBER_DIGEST.read(value)
    if not members:
        raise node.make_error("is empty: name a member and its digest")
    return members


def _read_size(node: YamlNode) -> int | None:
    if node.value == UNKNOWN:
        return None
    return node.integer(minimum=0, maximum=MAX_SIZE)


_UNKNOWN_SCHEMA: Schema = {"const": UNKNOWN}
_SIZE_SCHEMA: Schema = {
    **integer(0, MAX_SIZE).schema,
    "description": "In bytes; no more than this is ever read.",
}
_SIZE = FieldType(_read_size, {"anyOf": [_SIZE_SCHEMA, _UNKNOWN_SCHEMA]})
_DIGEST_SCHEMAS = _TAGGED_DIGEST.schema["anyOf"]
_CHECKSUM = FieldType(_read_checksum, {"anyOf": [SHA384.schema, *_DIGEST_SCHEMAS, _UNKNOWN_SCHEMA]})
_MEMBERS_SCHEMA = {
    "type": "object",
    "propertyNames": ref("file_name"),
    "minProperties": 1,
    "additionalProperties": _MEMBER_DIGEST.schema,
}
_MEMBERS = FieldType(_read_members, _MEMBERS_SCHEMA)
FILE_KEYS = (
    required_key("name", FILE_NAME, "Relative, with / between folders."),
    required_key("size", _SIZE),
    Key("max_size", integer(1, MAX_SIZE), "Bytes: the limit if the size is unknown."),
    Key("checksum", _CHECKSUM, "SHA-384 in hex, {$type, value}, or unknown."),
    Key("sha256", _plain_digest("sha256", HEX_SHA256), "Checked, too, if both are given."),
    Key("md5", _plain_digest("md5", _HEX_MD5), "Checked, too; alone it is no pin."),
    Key(
        "contains",
        _MEMBERS,
        "SHA-256 of members of a zip; a SHA-1 is a weak pin, of 8 digits none.",
    ),
    Key("recorded_by", LINE, "Who recorded the digests, if the publisher states none."),
    required_key("source", _SOURCES, "One or a list, tried in order."),
    Key("original_source", _SOURCES, "Tried last."),
)


def _make_file(
    source: tuple[model.Source, ...],
    original_source: tuple[model.Source, ...] = (),
    checksum: model.Digest | None = None,
    sha256: model.Digest | None = None,
    md5: model.Digest | None = None,
    **values: Any,
) -> model.SourceFile:
    # The first one finds the file in caches and mirrors; an MD5 could be that of another file.
    strong = [digest for digest in (checksum, sha256) if digest]
    # Open Model Zoo's copy comes first and the publisher's last, because publishers' files
    # disappear.
    return model.SourceFile(
        sources=(*source, *original_source),
        checksum=strong[0] if strong else None,
        also=(*strong[1:], *([md5] if md5 else [])),
        **values,
    )


def _check_file(fields: YamlMapping, file: model.SourceFile) -> None:
    if file.size is None:
        fields["max_size"]  # raises if it is missing
    elif "max_size" in fields:
        raise fields["max_size"].make_error("is allowed only if the size is unknown")
    if "sha256" not in fields and "contains" not in fields:
        fields["checksum"]  # raises if it is missing
    if "contains" in fields and not file.name.endswith(".zip"):
        raise fields["contains"].make_error(
            f"{file.name} is not a .zip file, so its members cannot be checked"
        )


_REQUIRE_MAX_SIZE: Schema = {"required": ["max_size"]}
_FILE_SCHEMA = {
    "anyOf": [{"required": [key]} for key in ("checksum", "sha256", "contains")],
    "if": {"properties": {"size": _UNKNOWN_SCHEMA}},
    "then": _REQUIRE_MAX_SIZE,
    "else": {"not": _REQUIRE_MAX_SIZE},
}
FILE = record(_make_file, *FILE_KEYS, check=_check_file, schema=_FILE_SCHEMA)
_FILE_REF = FieldType(FILE.read, ref("file"))
_FILE_LIST = list_of(_FILE_REF, minimum=1, empty="is empty: a model needs at least one file")


def _read_files(node: YamlNode) -> tuple[model.SourceFile, ...]:
    files = _FILE_LIST.read(node)
    by_folded_name: dict[str, str] = {}
    for item, file in zip(node.as_list(), files, strict=True):
        twin = by_folded_name.setdefault(case_folded(file.name), file.name)
        if twin is not file.name:
            problem = f"is one file with {twin} if case is ignored"
            if twin == file.name:
                problem = "is given twice"
            raise item.as_mapping()["name"].make_error(f"{file.name} {problem}")
    for item, file in zip(node.as_list(), files, strict=True):
        for folder in PurePosixPath(case_folded(file.name)).parents:
            taken = by_folded_name.get(str(folder))
            if taken:
                raise item.as_mapping()["name"].make_error(
                    f"{file.name} needs a folder, but {taken} is a file"
                )
    return files


FILES = FieldType(_read_files, _FILE_LIST.schema)


# --- the steps that change downloaded files


MAX_PATTERN_LENGTH = 1000
#: The most repetitions and optional parts; the patterns of Open Model Zoo have at most nine.
MAX_REPETITIONS = 12

#: A fixed text. Most patterns are one, and compiling all of Open Model Zoo's takes 30 ms.
_LITERAL = re.compile(r"(?:[^\\()\[\]{}|*+?^$.]|\\[^\w\s])*")
#: What matches one character: an escape, a class, (.|\n) if it is repeated, or { that opens no
#: repetition; and what matches none: flags for the whole pattern, such as (?m).
_CHARACTER = re.compile(
    r"\\x[0-9a-fA-F]{2}|\\[^0-9kgx]|\[\^?\]?(?:\\.|[^\]\\])*\]|\{(?!\d*,?\d*\})"
    r"|\((?:\?:)?(?:\.\|\\n|\\n\|\.)\)(?=[*+])|\(\?[aim]+\)",
    re.DOTALL,
)
_GROUP_KIND = re.compile(r"\(\?(?:[:=!]|<[=!]|P<\w+>)")
_INNER_GROUP = re.compile(r"\(([^()]*)\)")
_QUANTIFIER = re.compile(r"(?:[*+?]|\{\d*,?\d*\})\??")
_NESTED = re.compile(rf"{_QUANTIFIER.pattern}(?:[*+]|\{{\d*,?\d*\}})")


def explain_unsafe_regex(pattern: str) -> str:
    """Why a pattern is refused; empty if it is safe.

    Python's ``re`` backtracks: with a nested repetition such as ``(a+)+b``, a text of thirty
    characters takes hours, and the match cannot be interrupted. So only a character, a class, or a
    fixed text may be repeated; back references, conditions, verbose and dot-all patterns, which
    would hide a repetition, are refused. All 160 patterns of Open Model Zoo pass. ``.*x.*y`` can
    still take polynomial time on a long line: apply patterns with a time limit.
    """
    if len(pattern) > MAX_PATTERN_LENGTH:
        return f"is longer than {MAX_PATTERN_LENGTH} characters"
    if _LITERAL.fullmatch(pattern):
        return ""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # FutureWarning for classes such as [[a]
            re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        return f"is not a regular expression: {error}"
    # The same pattern of letters, groups and quantifiers alone; each stays at its position.
    text = _CHARACTER.sub(lambda match: "x" * len(match[0]), pattern)
    text = _GROUP_KIND.sub(lambda match: "x" * (len(match[0]) - 1) + "(", text)
    refused = re.search(r"\\|\(\?", text)
    if refused:
        return f"uses a construct that is not allowed here, at character {refused.start() + 1}"
    repetitions = len(_QUANTIFIER.findall(text))
    while not _NESTED.search(text) and (group := _INNER_GROUP.search(text)):
        # A group that can match a text in more than one way counts as an optional letter.
        varies = "|" in group[1] or _QUANTIFIER.search(group[1])
        text = text[: group.start()] + ("x?" if varies else "x") + text[group.end() :]
    if _NESTED.search(text):
        return "has nested repetitions: some texts would make the search run almost endlessly"
    if repetitions > MAX_REPETITIONS:
        return f"has more than {MAX_REPETITIONS} repetitions and optional parts"
    return ""


def _check_replacement(fields: YamlMapping, step: model.RegexReplace) -> None:
    if _PLAIN_REPLACEMENT.fullmatch(step.replacement):
        return
    try:
        # Checks the template even if nothing matches.
        re.compile(step.pattern).sub(step.replacement, "")
    except (re.error, IndexError) as error:
        raise fields["replacement"].make_error(f"cannot replace its pattern: {error}") from error


def _check_archive(fields: YamlMapping, step: model.UnpackArchive) -> None:
    expected = _ARCHIVE_FORMATS.get(step.file.lower().rpartition(".")[2])
    if expected not in (None, step.format):
        problem = f"expected {expected} for {step.file}, got {step.format}"
        raise fields["format"].make_error(problem)
    if (step.format == "emscripten") != bool(step.index):
        problem = "emscripten needs an index"
        if step.index:
            problem = f"{step.format} has no index"
        raise fields["format"].make_error(
            problem, hint="index names the script of emscripten that loads the .data file"
        )


_PATTERN = explained(
    explain_unsafe_regex,
    "the pattern {reason}",
    {"allOf": [ref("text"), {"maxLength": MAX_PATTERN_LENGTH}]},
    hint="use a regular expression without nested repetitions and special constructs",
)


def _read_replacement(node: YamlNode) -> str:
    # Quoted spaces, or an empty quoted text, delete the match.
    if isinstance(node.value, str) and node.is_text() and not node.value.strip():
        return node.value
    return node.text()


_REPLACEMENT_SCHEMA = {"type": ["string", "number", "boolean"]}
_REGEX_REPLACE = record(
    model.RegexReplace,
    required_key("file", FILE_NAME),
    required_key("pattern", _PATTERN),
    required_key("replacement", FieldType(_read_replacement, _REPLACEMENT_SCHEMA)),
    Key("count", integer(0, 1_000_000)),
    check=_check_replacement,
    tag="regex_replace",
)
_UNPACK_ARCHIVE = record(
    model.UnpackArchive,
    required_key("file", FILE_NAME),
    required_key("format", one_of(("zip", "tar", "gztar", "emscripten"))),
    Key("index", FILE_NAME, "Of emscripten: the script that lists the members of a .data file."),
    check=_check_archive,
    tag="unpack_archive",
)
STEP: FieldType[model.PostprocessingStep] = tagged(
    {"regex_replace": _REGEX_REPLACE, "unpack_archive": _UNPACK_ARCHIVE}
)
