"""Draw the two tables of models of README: for a user with the internet, and for one who has only
package indexes.

The figures are of the measured rows, of each model.yml, and of which_model.yml.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from posezoo.pages.facts.comparison import ComparisonRow, ModelComparison
    from posezoo.pages.facts.model_facts import ModelFacts

#: With the internet: who asks, and the model or its alias.
ASKERS = {
    "the best pair that was measured here": "pose-measured",
    "several people, and video in real time": "pose",
    "the same, more accurate": "rtmpose-m",
    "a crowd: its time does not grow with people": "pose-many",
    "a slow machine": "pose-fast",
    "the most accurate": "rtmpose-x-384x288",
    "whole body: 133 points": "whole-body",
    "feet: 26 points": "feet",
    "hands: 21 points": "hands",
    "3D: 33 points, in metres, too": "blazepose-full",
}
GPU = "posezoo benchmark pose --pipeline --device GPU --people 4 --requests 1"
ASKER_HEADERS = (
    *("**From its publisher's host**", "`posezoo run`", "AP, as published", "CPU ms, 1 person, 4"),
    *("INT8", "download", "license", "here"),
)
#: How a published AP was measured, in a few words, by ``PublishedAccuracy.boxes``.
BOXES = {
    "annotated": "annotated boxes",
    "rtmdet-nano": "RTMDet-nano's boxes",
    "a detector with person AP 0.564": "other boxes, flip",
    "whole photo": "whole photo",
}

#: From package indexes: who asks, the row of which_model.yml, and what it exports to.
MEASURED = {
    "people in photos and videos": ("movenet-thunder", "C++, folder, ONNX"),
    "the same on a CPU without bf16": (
        "movenet-thunder (FP16-INT8)",
        "C++, folder; no ONNX in INT8",
    ),
    "people in groups; from Intel's host": (
        "human-pose-estimation-0001 (FP16-INT8) at 480",
        "C++, folder, servers, DL Streamer; no ONNX in INT8",
    ),
    "a slow machine": (
        "posenet-mobilenet-v1 (FP16-INT8)",
        "C++, folder, servers; no ONNX in INT8",
    ),
    "33 points, 3D": ("blazepose-full", "C++, folder, ONNX, servers"),
}
MEASURED_HEADERS = (
    *(
        "**From registries of packages**",
        "`posezoo run`",
        "AP (95 % interval)",
        "found of 26 alone, of 85 in groups",
    ),
    *("ghosts", "CPU ms, 1 person, 4", "download", "exports to"),
)


@cache
def figures() -> dict[str, Any]:
    """What which_model.yml states."""
    text = Path(__file__).with_suffix(".yml").read_text("utf-8")
    return yaml.safe_load(text)  # type: ignore[no-any-return]


def draw_values(compared: ModelComparison) -> dict[str, str]:
    """Both tables, and the names of the first."""
    rows = {row.name: row for row in compared.rows}
    return {
        "asked": _table(ASKER_HEADERS, _asker_rows(rows)),
        "names": f"`posezoo mirror create DIR {' '.join(ASKERS.values())}`",
        "measured": _table(MEASURED_HEADERS, _measured_rows(rows)),
    }


def list_models() -> Iterator[str]:
    """The model of each row with its flags, as ``posezoo export`` takes them."""
    from posezoo.core.registry import open_registry

    registry = open_registry()
    for name in ASKERS.values():
        yield registry.find(name).full_name
    for row, _ in MEASURED.values():
        size = row.partition(" at ")[2]
        words = re.sub(r" at \d+", "", row).replace("(", "--precision ").replace(")", "")
        yield f"{words} --height {size}" if size else words


def _asker_rows(rows: dict[str, ComparisonRow]) -> Iterator[Sequence[str]]:
    from posezoo.core.declarations.model import Precision
    from posezoo.core.registry import open_registry
    from posezoo.pages.facts.model_facts import describe_model, offers_precision

    registry = open_registry()
    for asker, name in ASKERS.items():
        model = registry.find(name)
        facts = describe_model(model, registry)
        row = rows[model.full_name]
        shown = f"`{name}`" if name == model.name else f"`{name}`: {model.name}"
        has_int8 = all(offers_precision(part, Precision.FP16_INT8) for part in facts.parts)
        state = _state(row, facts)
        yield (
            *(asker, shown, _published_ap(facts), _times(row.name)),
            *("yes" if has_int8 else "no", _download(facts), row.license, state),
        )
    yield ("an Intel GPU or NPU", f"this command measures it: `{GPU}`", *[""] * 5, "not measured")


def _published_ap(facts: ModelFacts) -> str:
    claims = [claim for _, claim in facts.published_accuracies if claim.metric == "AP"]
    if not claims:
        return "not stated"
    return f"{claims[0].value:.3f}: {BOXES[claims[0].boxes]}"


def _times(name: str) -> str:
    return str(figures()["cpu_ms"].get(name, "not measured"))


def _download(facts: ModelFacts) -> str:
    """The bytes of the model and its detector, or the most that they may have."""
    if facts.download_bytes is not None:
        return f"{facts.download_bytes / 1e6:.0f} MB"
    specs = [*facts.parts, *filter(None, [facts.detector])]
    most = sum(file.size or file.max_size for spec in specs for file in spec.files)
    return f"at most {most / 1e6:.0f} MB"


def _state(row: ComparisonRow, facts: ModelFacts) -> str:
    from rehearsal_table import DONE, read_table

    if row.is_opened:
        return "measured"
    rows = read_table()
    is_rehearsed = all(rows[part.name]["run"].startswith(DONE) for part in facts.parts)
    return "rehearsed" if is_rehearsed else "declared"


def _measured_rows(rows: dict[str, ComparisonRow]) -> Iterator[Sequence[str]]:
    fresh = {each["row"]: each for each in figures()["fresh"]}
    for asker, (name, exports) in MEASURED.items():
        each = fresh[name]
        size = rows[name].values["transfer_bytes"]
        assert size is not None
        yield (
            *(asker, _command(rows[name]), fresh_ap(each), f"{each['alone']}, {each['groups']}"),
            *(str(each["ghosts"]), _times(name), f"{size.number / 1e6:.0f} MB", exports),
        )


def fresh_ap(each: dict[str, Any]) -> str:
    """An AP on the 44 photos, with its interval if that was computed."""
    interval = " ({:.2f} to {:.2f})".format(*each["interval"]) if "interval" in each else ""
    return f"{each['ap']:.2f}{interval}"


def _command(row: ComparisonRow) -> str:
    words = [row.model]
    if row.precision != "FP16":
        words += ["--precision", row.precision]
    if row.target_size:
        words += ["--height", str(row.target_size)]
    return f"`{' '.join(words)}`"


def _table(headers: Sequence[str], rows: Iterator[Sequence[str]]) -> str:
    lines = (headers, ["---"] * len(headers), *rows)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
