"""Which names of models and files are safe on every operating system."""

from __future__ import annotations

import re
import unicodedata

MODEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,119}")
#: The part of a folder's name after the @.
TAG = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}")
FORBIDDEN = set('\\:*?"<>|')
# The superscripts are digits to Windows, too.
RESERVED = {"con", "prn", "aux", "nul", "conin$", "conout$"} | {
    f"{name}{digit}" for name in ("com", "lpt") for digit in "123456789¹²³"
}
#: Cc control, Cf invisible (including bidirectional marks), Cs surrogates, Zl and Zp separators.
_INVISIBLE = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
MAX_LENGTH = 240
#: The beginning of the names of our own folders, with records and with files that are being
#: written.
OWN = ".posezoo"
#: The name of our manifest in a model's folder.
MANIFEST = "provenance.json"


def explain_invalid_model_name(name: str) -> str:
    """Why a folder's name is not a valid model name; empty if it is valid."""
    if not MODEL.fullmatch(name):
        return "expected letters, digits, and . _ + - after the first"
    return explain_unsafe_file_name(name)


def explain_unsafe_file_name(name: str) -> str:
    """Why a relative path with / between its parts is unsafe on some system; empty if it is safe.

    Refused: absolute paths, ``..``, backslashes, drives and streams (a colon), control, invisible
    and bidirectional characters, names that Windows or posezoo reserves, trailing dots and spaces,
    parts that are not in Unicode's composed form, and names of more than 240 characters.
    """
    if not name:
        return "is empty"
    if len(name) > MAX_LENGTH:
        return f"is longer than {MAX_LENGTH} characters"
    if name.startswith("/"):
        return "is absolute"
    if name.lower() == MANIFEST:
        return f"is the name of the list of files that posezoo keeps itself: {MANIFEST}"
    for part in name.split("/"):
        reason = _explain_unsafe_part(part)
        if reason:
            return reason
    return ""


def _explain_unsafe_part(part: str) -> str:
    if part in ("", ".", ".."):
        return "has an empty, . or .. part"
    if FORBIDDEN & set(part):
        return f"contains {' '.join(sorted(FORBIDDEN & set(part)))}"
    reason = _explain_unusual_characters(part)
    if reason:
        return reason
    if part != part.strip() or part.endswith("."):
        return "has a part that starts with a blank or ends with a blank or a dot"
    if part.lower().startswith(OWN):
        return f"is in a place that posezoo uses itself: {OWN}"
    if _is_reserved(part):
        return "is a name that Windows reserves"
    return ""


def _is_reserved(part: str) -> bool:
    return part.split(".")[0].rstrip().lower() in RESERVED  # Windows opens aux for "aux .txt"


def avoid_reserved(name: str) -> str:
    """A name for a new file, made of a file's or an address's: ``con.jpg`` becomes ``con_.jpg``."""
    first, dot, rest = name.partition(".")
    return f"{first}_{dot}{rest}" if _is_reserved(name) else name


def _explain_unusual_characters(part: str) -> str:
    if part.isascii() and part.isprintable():
        return ""
    if any(unicodedata.category(character) in _INVISIBLE for character in part):
        return "contains control or invisible characters"
    if part != unicodedata.normalize("NFC", part):
        return "is not in Unicode's composed form (NFC)"
    return ""


def case_folded(name: str) -> str:
    """The form in which file systems that ignore case compare names: equal forms are the same
    file.
    """
    return unicodedata.normalize("NFC", name.casefold())
