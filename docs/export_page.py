"""Draw docs/export.md: the targets of `posezoo export`, and the exports that were run."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import which_model

from checked_exports import CHECKS, find_mistake
from posezoo.core.declarations.model import Precision
from posezoo.core.errors import ConversionError, ExportError
from posezoo.core.layout import ModelLayout
from posezoo.core.registry import Registry, open_registry
from posezoo.export.decoded import with_decoding
from posezoo.export.model_export import declared_facts
from posezoo.export.target_type import ExportFolder, ExportTarget
from posezoo.export.targets import TARGETS
from posezoo.pages.cards.markdown import format_code, format_table

_RESULT = Path(__file__).parents[1] / "benchmarks" / "results" / "exports.json"

#: The model in the command of a target whose programs find people.
FIRST = "movenet-thunder"

#: The models in the command of a target whose exports the tests do not run: the first that it
#: takes.
EXAMPLES = ("blazepose-full", "person-detection-retail-0013")

_Row = Mapping[str, Any]


def draw_values() -> Mapping[str, Any]:
    """The sections of the targets, and what was run."""
    registry = open_registry()
    sections = []
    for name, target in TARGETS.items():
        if mistake := find_mistake(name, target):
            sys.exit(mistake)
        first = (FIRST,) if target.inputs else ()  # it finds the people with a detector
        candidates = (*first, *CHECKS[name].run_with, *EXAMPLES)
        example = next(each for each in candidates if is_taken(each, target, registry))
        command = target.next_step.format(folder="$PWD/out", name=example)
        sections.append(
            f"## {name}\n\n{target.summary[0].upper()}{target.summary[1:]}.\n\n"
            f"```sh\nposezoo export {example} --to {name} out\n```\n\n"
            "Not run by the tests: it needs the runtime, or a picture.\n\n"
            f"```sh\n{command}\n```\n\n{CHECKS[name].text}\n"
        )
    result = json.loads(_RESULT.read_text("utf-8"))
    return {
        "targets": "\n".join(sections),
        "conditions": _describe_conditions(result["conditions"]),
        "photos": " ".join(photo.lstrip("0") for photo in result["conditions"]["photos"]),
        "matrix": _render_matrix(result),
        "refused": _list_refused(result["rows"]),
        **_name_kinds(),
    }


def _name_kinds() -> Mapping[str, str]:
    """The targets of each kind by their records."""
    kinds: dict[str, list[str]] = {"with_decoder": [], "as_run": [], "in_f32": [], "no_type": []}
    for name, target in TARGETS.items():
        shown = format_code(name)
        if target.inputs:
            kinds["with_decoder"].append(shown)
        how = "as_run" if target.computes_as_run else "in_f32"
        kinds[how if target.sets_type else "no_type"].append(shown)
    always = kinds["with_decoder"]
    kinds["programs"] = [
        shown if shown in always else f"{shown} with `--decode`"
        for shown in map(format_code, _programs())
    ]
    return {kind: _join_names(*names) for kind, names in kinds.items()}


def _join_names(*names: str) -> str:
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def _programs() -> list[str]:
    """The targets whose files find people; last those that only do with ``--decode``."""
    found = [(name, target) for name, target in TARGETS.items() if target.runs_people]
    found.sort(key=lambda each: each[1].inputs is None)
    return [name for name, _ in found]


def is_taken(name: str, target: ExportTarget, registry: Registry) -> bool:
    """Whether a target takes a model, with its decoder or without."""
    spec = registry.parts(registry.find(name))[-1]
    plain = declared_facts(spec, Precision.FP16, ModelLayout(Path("missing"), Path("missing")))
    assert plain is not None, f"{name} declares no inputs or outputs"
    decoder = registry.composite_of(spec).decoder if spec.composite else spec.decoder
    try:
        if target.inputs and target.inputs.decode:
            plain = replace(plain, spec=with_decoding(spec, decoder))
        tuple(target.render(plain, ExportFolder({})))
    except (ConversionError, ExportError):
        return False
    return True


def _describe_conditions(conditions: Mapping[str, Any]) -> str:
    machine = conditions["machine"]
    packages = "".join(f", {name} {version}" for name, version in conditions["packages"].items())
    return (
        f"{len(conditions['photos'])} photos of COCO; {machine['processor']}, OpenVINO"
        f" {machine['openvino']}, OpenCV {machine['opencv-python-headless']}, Python"
        f" {machine['python']}{packages}; {conditions['date']}"
    )


def _render_matrix(result: Mapping[str, Any]) -> str:
    """The people of the exports whose programs find people, beside those of ``posezoo run``."""
    photos = len(result["conditions"]["photos"])
    programs = _programs()
    done = {
        (row["export"], row["target"]): row for row in result["rows"] if row["photos"] == photos
    }
    cells = [
        (format_code(export), *(_describe_people(done.get((export, name))) for name in programs))
        for export in dict.fromkeys(which_model.list_models())
    ]
    return format_table((format_code("posezoo export"), *map(format_code, programs)), cells)


def _describe_people(row: _Row | None) -> str:
    if row is None:
        return "not run"
    if "refused" in row:
        return "refused"
    mark = ", generated weights" if "weights" in row else ""
    return f"{row['people']} of {row['of_posezoo']}{mark}"


def _list_refused(rows: Sequence[_Row]) -> str:
    """The refused exports with their errors, one a line."""
    by_error: dict[str, list[str]] = {}
    for row in rows:
        if error := row.get("refused"):
            export = format_code(f"{row['export']} --to {row['target']}")
            by_error.setdefault(error, []).append(export)
    return "\n".join(f"- {', '.join(exports)}: {error}" for error, exports in by_error.items())
