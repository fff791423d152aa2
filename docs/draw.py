"""Draw the generated pages: from the code, and the cards from each model.yml.

docs/draw.py [--check] [FOLDER]: only pages below that folder; with --check, only report stale
pages.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from posezoo.core.declarations.model import Model
    from posezoo.core.registry import Registry
    from posezoo.figures.comparison import ModelComparison
    from posezoo.figures.measured import Measurement
    from posezoo.figures.model_facts import ModelFacts

ROOT = Path(__file__).resolve().parents[1]
# Some values are read by the modules that write them.
sys.path.append(str(ROOT / "tests"))


def cli_values() -> Mapping[str, Any]:
    """What each verb does, one a line."""
    from posezoo.cli.verbs import VERB_GROUPS

    sections = []
    for heading, summaries in VERB_GROUPS.items():
        lines = [f"- `{verb}`: {summary}" for verb, summary in summaries.items()]
        sections.append(f"## {heading.capitalize()}\n\n" + "\n".join(lines))
    return {"verbs": "\n\n".join(sections)}


def model_schema() -> str:
    """The JSON Schema of model.yml, for editors."""
    from json_schema import model_schema

    return json.dumps(model_schema(), indent=2) + "\n"


def skeleton_schema() -> str:
    """The JSON Schema of a skeleton's file, for editors."""
    from json_schema import skeleton_schema

    return json.dumps(skeleton_schema(), indent=2) + "\n"


def composite_schema() -> str:
    """The JSON Schema of composite-model.yml, for editors."""
    from json_schema import composite_schema

    return json.dumps(composite_schema(), indent=2) + "\n"


def omz_page() -> str:
    """Every flag of Open Model Zoo's commands over ours, and what differs."""
    from omz_page import render_readme

    return render_readme()


def api_page() -> str:
    """The names of the Python API."""
    from api_page import render_page

    return render_page()


def scaling_values() -> Mapping[str, Any]:
    """What conversions cost, and how many machines are worth it."""
    sys.path.append(str(ROOT / "benchmarks"))
    from scaling_page import draw_values

    return draw_values()


def export_values() -> Mapping[str, Any]:
    """The targets of `posezoo export`, and which models each can take."""
    sys.path.append(str(ROOT / "tests"))
    from export_page import draw_values

    return draw_values()


def accuracy_values() -> Mapping[str, Any]:
    """What no card states: people on fresh photos, in the boxes of detectors, and in videos."""
    from posezoo.core.registry import open_registry
    from posezoo.pages.cards.markdown import format_table

    videos = movenet_videos()
    return {
        "detectors": format_table(DETECTOR_HEADERS, [*detector_rows(open_registry())]),
        "videos": list_videos(videos),
        "measured_videos": videos,
        "videos_tools": format_tools(videos["tools"]),
        "fresh": fresh_table(),
    }


def how_it_was_made_values() -> Mapping[str, Any]:
    """How far publishers' programs are from ours, and how far models without weights came."""
    sys.path.append(str(ROOT / "tests"))
    from how_it_was_made_page import draw_values

    return draw_values(format_tools)


#: The model whose AP compares detectors.
COMPARED = "movenet-singlepose-lightning-int8"
DETECTOR_HEADERS = ("Detector", "AP (95 % interval)", "AR50")


def all_models(registry: Registry) -> list[ModelFacts]:
    """All models by name: composites, models that are no part of one, and variants."""
    from posezoo.figures.model_facts import describe_model

    selection = registry.select(["*", "*@*"])
    models: list[Model] = [*selection.composites]
    models += (model for model in selection.models if not model.composite)
    facts = [describe_model(model, registry) for model in models]
    return sorted(facts, key=lambda each: each.name)


def _stated_ap(measurement: Measurement) -> str:
    from posezoo.console.labels import format_ap

    return format_ap(measurement.figures["AP"], measurement.intervals.get("AP"))


def format_tools(tools: Mapping[str, str]) -> str:
    """Such as ``opencv 4.14.0, openvino 2026.4.1``."""
    shown = sorted((tool, version) for tool, version in tools.items() if tool != "posezoo")
    return ", ".join(f"{tool} {version}" for tool, version in shown)


def list_videos(videos: Mapping[str, Any]) -> str:
    """For each MoveNet: how well it finds a person in each frame alone, and from frame to frame."""
    lines = []
    for row in videos["rows"]:
        alone, tracked = (
            f"{row[kind]['oks']:.3f} and {100 * row[kind]['found']:.0f} %"
            for kind in ("alone", "tracked")
        )
        lines.append(f"- {row['model']}: {tracked}, with each frame whole {alone}")
    return "\n".join(lines)


def movenet_videos() -> dict[str, Any]:
    """What benchmarks/measure_videos.py measured."""
    path = ROOT / "benchmarks" / "results" / "movenet_videos.json"
    measured: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return measured


def detector_rows(registry: Registry) -> Iterator[tuple[str, ...]]:
    """For each way in which people were found for one model: its AP in FP16, and its AR50."""
    from posezoo.core.declarations.model import Precision
    from posezoo.figures.measured import measurements_of
    from posezoo.figures.measurement_selection import executed_type

    measured = [
        each
        for each in measurements_of(registry.find(COMPARED), "accuracy")
        if "bf16" not in executed_type(each)
    ]
    halves = [each for each in measured if each.precision is Precision.FP16]
    for each in sorted(halves, key=lambda each: -each.figures["AP"]):
        ar50 = f"{each.figures['AR50']:.3f}"
        yield str(each.settings["people_from"]), _stated_ap(each), ar50


def every_row() -> ModelComparison:
    """All models with a row for each precision and size that was measured."""
    from posezoo.core.layout import ModelLayout
    from posezoo.core.registry import open_registry
    from posezoo.figures.comparison import compare_models
    from posezoo.figures.measurement_selection import MeasurementSelection

    models = all_models(open_registry())
    layout = ModelLayout(ROOT, ROOT)
    return compare_models(models, layout, MeasurementSelection())


def fresh_table() -> str:
    """The rows on the 44 photos, by which only MoveNet and its detector were chosen."""
    from which_model import figures, fresh_ap

    from posezoo.pages.cards.markdown import format_table

    headers = ("Model", "AP (95 % interval)", "Found alone, of 26", "In groups, of 85", "Ghosts")
    rows = []
    for each in figures()["fresh"]:
        counts = (str(each.get(key, "not measured")) for key in ("alone", "groups", "ghosts"))
        rows.append((each["row"], fresh_ap(each), *counts))
    return format_table(headers, rows)


def which_model_values() -> Mapping[str, Any]:
    """The tables of models for each case."""
    from which_model import draw_values

    return draw_values(every_row())


def checks_values() -> Mapping[str, Any]:
    """What checks the repository, and when."""
    from checks_page import draw_values

    return draw_values()


def int8_values() -> Mapping[str, Any]:
    """What INT8 saves."""
    from which_model import draw_int8

    return draw_int8()


def named_parts() -> str:
    """What tables name as text, for vulture."""
    from part_names import render_page

    return render_page()


#: The pages that the code draws from the first line to the last.
PAGES: dict[str, Callable[[], str]] = {
    "tools/downloader/README.md": omz_page,
    "docs/reference/api.md": api_page,
    "docs/model.schema.json": model_schema,
    "docs/composite-model.schema.json": composite_schema,
    "docs/skeleton.schema.json": skeleton_schema,
    "docs/named_parts.py": named_parts,
}

#: The pages that are written by hand, with the values of their regions.
FILLED_PAGES: dict[str, Callable[[], Mapping[str, Any]]] = {
    "README.md": which_model_values,
    "docs/cli.md": cli_values,
    "docs/accuracy.md": accuracy_values,
    "docs/architecture.md": checks_values,
    "docs/howto/choose_a_model.md": int8_values,
    "docs/explanations/how_it_was_made.md": how_it_was_made_values,
    "docs/howto/cluster.md": scaling_values,
    "docs/export.md": export_values,
}

_REGION = re.compile(r"<!-- drawn: (\S+) -->(\n?).*?<!-- end -->", re.DOTALL)


def fill_page(text: str, values: Mapping[str, Any]) -> str:
    """A page with its regions drawn again: between ``<!-- drawn: FIELD -->`` and ``<!-- end -->``
    stands what ``str.format`` makes of FIELD, inside a line or as a block.
    """

    def draw_region(region: re.Match[str]) -> str:
        field, has_own_lines = region.groups()
        drawn = f"{{{field}}}".format(**values)
        if has_own_lines:
            drawn = f"\n\n{drawn.strip()}\n\n"
        return f"<!-- drawn: {field} -->{drawn}<!-- end -->"

    return _REGION.sub(draw_region, text)


def draw(folder: str) -> dict[str, str]:
    """The text of every page below a folder: those of the table, a card for each model, and their
    index.
    """
    from posezoo.pages.cards.registry_pages import render_pages

    pages = {name: page() for name, page in PAGES.items() if name.startswith(folder)}
    for name, values in FILLED_PAGES.items():
        if name.startswith(folder):
            pages[name] = fill_page((ROOT / name).read_text("utf-8"), values())
    cards = {f"models/{name}": text for name, text in render_pages(ROOT / "models").items()}
    return pages | {name: text for name, text in cards.items() if name.startswith(folder)}


def orphans(pages: Collection[str]) -> list[str]:
    """Cards and card.json files of models that no longer exist, and images that no page shows."""
    from posezoo.pages.cards.model_card import FACTS, NOTE, PICTURES, has_note

    models = ROOT / "models"
    drawn = [path for path in models.rglob("*.md") if has_note(path, NOTE)]
    drawn += [*models.rglob(FACTS), *(models / PICTURES).glob("*.svg")]
    names = (path.relative_to(ROOT).as_posix() for path in drawn)
    return sorted(name for name in names if name not in pages)


def main() -> int:
    """Draw each page, or name those that are stale."""
    command = argparse.ArgumentParser(
        description="Draw the pages that are generated from the code and from each model.yml."
    )
    command.add_argument(
        "folder", nargs="?", default="", help="only pages below it, such as models"
    )
    command.add_argument(
        "--check", action="store_true", help="only report stale pages; exit code 1 if there are any"
    )
    args = command.parse_args()
    pages = draw(args.folder)
    stale = [name for name, text in pages.items() if _is_stale(name, text)]
    gone = [name for name in orphans(pages) if name.startswith(args.folder)]
    if args.check:
        for name in (*stale, *gone):
            print(f"stale: {name}; `make docs` redraws it", file=sys.stderr)
        return 1 if stale or gone else 0
    for name in stale:
        (ROOT / name).parent.mkdir(exist_ok=True)
        (ROOT / name).write_bytes(pages[name].encode())
        print(f"drew {name}")
    for name in gone:
        (ROOT / name).unlink()
        print(f"removed {name}, drawn for a model that no longer exists")
    return 0


def _is_stale(name: str, content: str) -> bool:
    path = ROOT / name
    return not path.is_file() or path.read_bytes() != content.encode()


if __name__ == "__main__":
    sys.exit(main())
