"""The NOTICE of what is here: under which terms, whose, of which models; with the texts of the licences.

What Apache-2.0 (section 4), MIT and BSD ask of whoever hands files on: their text, the holder's line, and
whether the files were changed, as an IR is.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from posezoo.layout import ModelLayout
from posezoo.registry import Registry, license_path, read_copyright_line
from posezoo.spec.model import ModelSpec, Precision
from posezoo.versions import version

_RULE = "=" * 79


@dataclass(frozen=True, slots=True)
class LicenseTerms:
    """What a model that is here comes under.

    Attributes:
        spec: the model.
        holder: the copyright line that opens the text; empty where no text is at hand.
        text: the licence's text; None where only its address is known.
        is_converted: whether an IR was made of it here.
    """

    spec: ModelSpec
    holder: str
    text: Path | None
    is_converted: bool


def all_variants(registry: Registry) -> tuple[ModelSpec, ...]:
    """All models of a registry, all their variants among them; a file that cannot be read is left out."""
    models = registry.select().models
    return tuple(variant for spec in models for variant in (spec, *spec.variants))


def collect_license_terms(specs: Iterable[ModelSpec], layout: ModelLayout) -> tuple[LicenseTerms, ...]:
    """The terms of those models of which a file or an IR is here."""
    found = []
    for spec in specs:
        is_converted = any(layout.provenance_path(spec, precision).is_file() for precision in Precision)
        if is_converted or any(layout.file_path(spec, file).is_file() for file in spec.files):
            holder = read_copyright_line(spec)
            found.append(LicenseTerms(spec, holder, license_path(spec) if holder else None, is_converted))
    return tuple(found)


def format_notice(terms: Iterable[LicenseTerms]) -> str:
    """The NOTICE: for each licence text its models, where they came from, and the whole of the text.

    Raises:
        OSError: a text cannot be read.
    """
    groups: dict[tuple[str, Path | None, str], list[LicenseTerms]] = {}
    for term in terms:
        given = term.spec.license
        key = (given.spdx, term.text, "" if term.text else given.url or given.text)
        groups.setdefault(key, []).append(term)
    count = sum(map(len, groups.values()))
    parts = [
        f"NOTICE of {count} model{'' if count == 1 else 's'}, written by posezoo {version()}.\n"
        "Each comes under its own terms, which follow with their holders.\n"
    ]
    for (spdx, text, elsewhere), members in groups.items():
        heading = " · ".join(filter(None, (spdx, members[0].holder))) or "Terms that nobody declared"
        models = "\n".join(_lines(member) for member in members)
        body = text.read_text("utf-8") if text else _without_text(elsewhere)
        parts.append(f"{_RULE}\n{heading}\n{_RULE}\n\n{models}\n\n{body.strip()}\n")
    return "\n".join(parts)


def _lines(each: LicenseTerms) -> str:
    spec = each.spec
    sources = dict.fromkeys(str(source) for file in spec.files for source in file.sources)
    lines = [f"- {spec.full_name}", *(f"  from {source}" for source in sources)]
    if spec.origin.repository:
        lines.append(f"  origin: {spec.origin.repository}")
    if each.is_converted:
        lines.append("  changed: converted to OpenVINO IR by posezoo")
    if spec.license_note:
        lines.append(f"  note: {spec.license_note}")
    return "\n".join(lines)


def _without_text(elsewhere: str) -> str:
    return (
        f"No text is at hand; the terms are said to be at {elsewhere}" if elsewhere else "No text is at hand."
    )
