"""The NOTICE of downloaded models: their licenses, with copyright holders and license texts.

Apache-2.0 (section 4), MIT and BSD require it if files are redistributed, with the license text,
the copyright line, and whether files were changed (as an IR is).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from posezoo.core.declarations.model import ModelSpec, Precision
from posezoo.core.layout import ModelLayout
from posezoo.core.registry import license_path
from posezoo.core.regular_files import read_beginning, read_regular_text
from posezoo.core.values import frozen
from posezoo.core.versions import version

_RULE = "=" * 79

#: Texts at the beginning of each NOTICE.
NOTICE_SIGNS = ("NOTICE of ", ", written by posezoo ")


def read_copyright_line(spec: ModelSpec) -> str:
    """The copyright line at the start of a license text, or below the license's name, as GitHub
    writes it; else empty.
    """
    try:
        text = read_beginning(license_path(spec), 1000)
    except OSError:
        return ""
    lines = (line.strip() for line in text.splitlines())
    first = next((line for line in lines if line and not _TITLE.fullmatch(line)), "")
    is_text = "\ufffd" not in first
    if not is_text or not first.startswith("Copyright ") or _BLANK.search(first):
        return ""
    holder = first.removeprefix("Copyright ").replace("(c)", "").replace("(C)", "")
    is_named = any(character.isalpha() for character in holder.replace("All rights reserved", ""))
    return first if is_named else ""  # years alone do not name a copyright holder


#: The name of a license in the first line of its text: MIT License, The MIT License (MIT).
_TITLE = re.compile(r"[\w .-]*License( \([\w-]+\))?")

#: Placeholders of a license template: ``<year>``, ``[name of copyright owner]``.
_BLANK = re.compile(
    r"[<\[{][^<>\[\]{}]*(?:year|yyyy|name|owner|holder|author)[^<>\[\]{}]*[>\]}]", re.IGNORECASE
)


@frozen
class LicenseTerms:
    """The license of a downloaded model."""

    spec: ModelSpec
    holder: str  # the copyright line at the beginning of the text; empty if there is no text
    text: Path | None  # the license's text; None if only its address is known
    is_converted: bool  # whether the model was converted to an IR


def collect_license_terms(
    specs: Iterable[ModelSpec], layout: ModelLayout
) -> tuple[LicenseTerms, ...]:
    """The licenses of the models that have a downloaded file or a converted IR."""
    terms = []
    for spec in specs:
        is_converted = any(
            layout.provenance_path(spec, precision).is_file() for precision in Precision
        )
        if is_converted or any(layout.file_path(spec, file).is_file() for file in spec.files):
            holder = read_copyright_line(spec)
            text = license_path(spec) if holder else None
            terms.append(LicenseTerms(spec, holder, text, is_converted))
    return tuple(terms)


def format_notice(terms: Iterable[LicenseTerms]) -> str:
    """The NOTICE: for each license, its models with their sources, and the full license text."""
    groups: dict[tuple[str, Path | None, str], list[LicenseTerms]] = {}
    for term in terms:
        license = term.spec.license
        key = (license.spdx, term.text, "" if term.text else license.url or license.text)
        groups.setdefault(key, []).append(term)
    count = sum(map(len, groups.values()))
    models = "1 model" if count == 1 else f"{count} models"
    parts = [
        f"NOTICE of {models}, written by posezoo {version()}.\n"
        "Each has its own license; the licenses follow with their holders.\n"
    ]
    for (spdx, text, address), members in groups.items():
        heading = " · ".join(filter(None, (spdx, members[0].holder))) or "Undeclared license"
        lines = []
        for member in members:
            spec = member.spec
            sources = (
                f"  from {', or from '.join(file.addresses)}" for file in spec.files if file.sources
            )
            lines += [f"- {spec.full_name}", *dict.fromkeys(sources)]
            if spec.origin.repository:
                lines.append(f"  origin: {spec.origin.repository}")
            if member.is_converted:
                lines.append("  changed: converted to OpenVINO IR by posezoo")
            if spec.license_note:
                lines.append(f"  note: {spec.license_note}")
        models = "\n".join(lines)
        body = "The text is not available."
        if text:
            body = read_regular_text(text, errors="replace")
        if not text and address:
            body = f"The text is not available here; it is declared to be at {address}"
        parts.append(f"{_RULE}\n{heading}\n{_RULE}\n\n{models}\n\n{body.strip()}\n")
    return "\n".join(parts)
