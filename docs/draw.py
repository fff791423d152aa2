"""Draw the generated pages: from the code, and the cards from each model.yml.

docs/draw.py [--check] [FOLDER]: only pages below that folder; with --check, only report stale
pages.
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import re
import sys
import textwrap
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from posezoo.core.declarations.model import Model, ModelSpec, PublishedAccuracy
    from posezoo.core.registry import Registry
    from posezoo.pages.facts.comparison import ComparisonRow, ModelComparison, SourcedMetric
    from posezoo.pages.facts.model_facts import ModelFacts
    from posezoo.run.measured import Measurement

ROOT = Path(__file__).resolve().parents[1]
# Some values are read by the modules that write them.
sys.path.append(str(ROOT / "tests"))

#: A flag that so many verbs share is described once.
MANY_VERBS = 3


def cli_page() -> str:
    """The flags of every verb, as the terminal shows them; those that verbs share once."""
    os.environ["COLUMNS"] = "100"
    from posezoo.cli.main import VERBS, create_parser, verb_parsers
    from posezoo.cli.parsers import HelpFormatter

    top = create_parser()
    overview = top.format_help().rstrip()
    parsers = {name: verb_parsers(top)[name] for name in VERBS}
    shared = _shared_flags(parsers.values())
    once = HelpFormatter("posezoo")
    once.add_arguments(sorted(shared.values(), key=lambda action: action.option_strings[-1]))
    flags = textwrap.dedent(once.format_help()).strip()
    sections = [
        f"# The command line\n\n```text\n{overview}\n```\n",
        "## Flags of several verbs\n\nEach verb names below which of these it has. `posezoo help VERB"
        f" --all` explains all flags of a verb.\n\n```text\n{flags}\n```\n",
    ]
    sections += [_verb_section(name, parser, shared) for name, parser in parsers.items()]
    note = "<!-- drawn by `make docs` from the code: change it there -->\n"
    return note + "\n".join(sections)


def _flag_key(action: argparse.Action) -> tuple[object, ...]:
    return (*action.option_strings, action.metavar, action.help)


def _shared_flags(
    parsers: Iterable[argparse.ArgumentParser],
) -> dict[tuple[object, ...], argparse.Action]:
    """The flags that many verbs have, with the same help; of two texts for one flag, the one that
    more verbs have.
    """
    actions = [
        action
        for parser in parsers
        for action in parser._actions
        if action.option_strings and action.help != argparse.SUPPRESS
    ]
    counts = Counter(map(_flag_key, actions))
    by_flag = {
        action.option_strings[-1]: copy.copy(action)
        for action in sorted(actions, key=lambda action: counts[_flag_key(action)])
    }
    shared = {_flag_key(action): action for action in by_flag.values()}
    return {key: action for key, action in shared.items() if counts[key] >= MANY_VERBS}


def _verb_section(
    name: str, parser: argparse.ArgumentParser, shared: Collection[tuple[object, ...]]
) -> str:
    """A verb's help without the flags that are described above; it names these."""
    also = []
    for action in parser._actions:
        if _flag_key(action) in shared:
            also.append(action.option_strings[-1])
            action.help = argparse.SUPPRESS
    text = f"## posezoo {name}\n\n```text\n{parser.format_help().rstrip()}\n```\n"
    flags = ", ".join(f"`{flag}`" for flag in sorted(also))
    return text + "\n" + textwrap.fill(f"Also: {flags}.", 120, break_on_hyphens=False) + "\n"


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


def rehearsal_values() -> Mapping[str, Any]:
    """How far each model without published weights was rehearsed."""
    sys.path.append(str(ROOT / "tests"))
    from rehearsal_page import draw_values

    return draw_values()


def export_values() -> Mapping[str, Any]:
    """The targets of `posezoo export`, and which models each can take."""
    sys.path.append(str(ROOT / "tests"))
    from export_page import draw_values

    return draw_values()


def rules_values() -> Mapping[str, Any]:
    """The rules of `posezoo verify --metadata`."""
    from posezoo.lint.recomputation import ARTIFACT_RULES
    from posezoo.lint.rules import load_rules
    from posezoo.pages.cards.markdown import format_code, format_table

    columns = ["Rule", "Severity", "What must hold", "A mistake that it finds"]
    metadata, artifacts = (
        format_table(
            columns,
            [
                (format_code(rule.id), str(rule.severity), rule.explanation, rule.example)
                for rule in rules
            ],
        )
        for rules in (load_rules().values(), ARTIFACT_RULES.values())
    )
    return {"metadata": metadata, "artifacts": artifacts}


def accuracy_values() -> Mapping[str, Any]:
    """The published accuracy of each model, with the flags that measure it again, and what we
    measured.
    """
    from posezoo.console.labels import format_conditions
    from posezoo.core.registry import open_registry
    from posezoo.pages.cards.markdown import format_code, format_table

    registry = open_registry()
    models = {
        spec.full_name: spec
        for spec in (*registry.select().models, *registry.select(["*@*"]).models)
    }
    by_command: dict[tuple[str, str], list[str]] = {}
    for name, spec in sorted(models.items()):
        for accuracy in spec.published.accuracy:
            if accuracy.metric == "AP" and spec.task != "detection":
                flags = rerun_command(spec, accuracy).partition(f" {name}")[2].strip()
                row = by_command.setdefault((format_conditions(accuracy), flags), [])
                row.append(f"{name} {accuracy.value:g}")
    rows = [
        (conditions, format_code(flags) if flags else "none", ", ".join(published))
        for (conditions, flags), published in by_command.items()
    ]
    videos = movenet_videos()
    compared = every_row()
    return dict(
        table=format_table(["Measured on", "Flags", "Models, and their published AP"], rows),
        measured=format_table(MEASURED_HEADERS, [*measured_rows(registry)]),
        origins=format_table(ORIGIN_HEADERS, [*origin_rows(registry)]),
        detectors=format_table(DETECTOR_HEADERS, [*detector_rows(registry)]),
        tools=measuring_tools(registry),
        videos=format_table(VIDEO_HEADERS, [*video_rows(videos)]),
        measured_videos=videos,
        videos_tools=format_tools(videos["tools"]),
        **summary_values(compared),
        fresh=fresh_table(),
        # The numbers of pictures and frames that situations were measured on.
        situations=dict(re.findall(r"(\w+) (\d+)", compared.situation_conditions)),
    )


def judges_values() -> Mapping[str, Any]:
    """How far publishers' programs are from ours, as the tests recorded it."""
    stored = json.loads((ROOT / "tests" / "judges" / "figures.json").read_text("utf-8"))
    cells: dict[str, Any] = {
        name: " | ".join(
            [
                each["judge"],
                str(each["pictures"]),
                f"{each['alike']} of {each['pictures']}",
                f"{each['judged']}, {each['found']}, {each['both']}",
                f"{each['median']:.2f}",
                f"{each['p95']:.2f}",
            ]
        )
        if "alike" in each
        else each
        for name, each in stored.items()
    }
    cells["ap"] = {
        name: "{:.3f}, {:.3f}".format(*each["ap"]) for name, each in stored.items() if "ap" in each
    }
    cells["tools"] = "; or ".join(sorted({format_tools(each["tools"]) for each in stored.values()}))
    return cells


MEASURED_HEADERS = ("Model", "People from", "FP32", "FP16", "FP16-INT8", "INT8 / FP32")
#: The model whose AP compares detectors.
COMPARED = "movenet-singlepose-lightning-int8"
DETECTOR_HEADERS = ("Detector", "AP (95 % interval)", "AR50")
VIDEO_HEADERS = (
    "Model (FP32)",
    "OKS, whole frames",
    "OKS, tracking",
    "Found, whole frames",
    "Found, tracking",
    "Better",
    "Worse",
)
ORIGIN_HEADERS = ("AP", "Speed", "INT8", "Models")
SUMMARY_HEADERS = (
    "Model",
    "People from",
    "AP (95 % interval)",
    *("Of one", "Of several", "Ghosts", "Lying", "Upside down", "In video"),
    *("ms, 1 person", "ms, 4 people"),
    "Download",
)


def all_models(registry: Registry) -> list[ModelFacts]:
    """All models by name: composites, models that are no part of one, and variants."""
    from posezoo.pages.facts.model_facts import describe_model

    selection = registry.select(["*", "*@*"])
    models: list[Model] = [*selection.composites]
    models += (model for model in selection.models if not model.composite)
    facts = [describe_model(model, registry) for model in models]
    return sorted(facts, key=lambda each: each.name)


def has_int8(facts: ModelFacts) -> bool:
    """Whether INT8 of a model is published, or made with ranges: everybody's is then the measured one."""
    from posezoo.core.declarations.model import Precision
    from posezoo.core.ir.provenance import ranges_key

    int8 = Precision.FP16_INT8
    return all(int8 in part.precisions or ranges_key(part, int8) for part in facts.parts)


def measured_rows(registry: Registry) -> Iterator[tuple[str, ...]]:
    """For each model and each way in which its people are found, the AP of each precision, with
    floating-point layers in f32.
    """
    from posezoo.core.declarations.model import ITSELF, Precision
    from posezoo.pages.facts.comparison import int8_ratio
    from posezoo.run.measured import measurements_of
    from posezoo.run.measurement_selection import executed_type

    for facts in all_models(registry):
        measured = [
            each
            for each in measurements_of(facts.model, "accuracy")
            if "AP" in each.figures
            and "bf16" not in executed_type(each)
            and (each.precision is not Precision.FP16_INT8 or has_int8(facts))
        ]
        for people_from, size in dict.fromkeys(map(_protocol, measured)):
            here = {
                each.precision: each for each in measured if _protocol(each) == (people_from, size)
            }
            int8 = here.get(Precision.FP16_INT8)
            ratio = int8_ratio(int8, here.values()) if int8 is not None else None
            precisions = (Precision.FP32, Precision.FP16, Precision.FP16_INT8)
            aps = (_stated_ap(here[each]) if each in here else "" for each in precisions)
            name = f"{facts.name} (boxes)" if facts.model.task == "detection" else facts.name
            name = f"{name} at {size}" if size else name
            yield name, str(people_from or ITSELF), *aps, "" if ratio is None else f"{ratio:.2f}"


def _protocol(measurement: Measurement) -> tuple[str, object]:
    """Where its people are from, with the detector's precision if that is not FP16, and the size that
    is not the declared one.
    """
    from posezoo.poses.people import describe_people
    from posezoo.run.measured import DETECTOR_PRECISION, TARGET_SIZE

    settings = measurement.settings
    detector = str(settings.get(DETECTOR_PRECISION, ""))
    return describe_people(str(settings.get("people_from", "")), detector), settings.get(
        TARGET_SIZE
    )


def _stated_ap(measurement: Measurement) -> str:
    from posezoo.console.labels import format_ap

    return format_ap(measurement.figures["AP"], measurement.intervals.get("AP"))


def measuring_tools(registry: Registry) -> str:
    """The versions of the programs that measured accuracy; each card has the commits of posezoo."""
    from posezoo.run.measured import measurements_of

    measured = (
        each for facts in all_models(registry) for each in measurements_of(facts.model, "accuracy")
    )
    return "; or ".join(sorted({format_tools(each.tools) for each in measured}))


def format_tools(tools: Mapping[str, str]) -> str:
    """Such as ``opencv 4.14.0, openvino 2026.4.1``."""
    shown = sorted((tool, version) for tool, version in tools.items() if tool != "posezoo")
    return ", ".join(f"{tool} {version}" for tool, version in shown)


def video_rows(videos: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    """For each MoveNet: how well it finds a person in each frame alone, and from frame to frame."""
    for row in videos["rows"]:
        alone, tracked = row["alone"], row["tracked"]
        yield (
            row["model"],
            *(f"{each['oks']:.3f}" for each in (alone, tracked)),
            *(f"{100 * each['found']:.0f} %" for each in (alone, tracked)),
            str(row["better"]),
            str(row["worse"]),
        )


def movenet_videos() -> dict[str, Any]:
    """What benchmarks/measure_videos.py measured."""
    path = ROOT / "benchmarks" / "results" / "movenet_videos.json"
    measured: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return measured


def detector_rows(registry: Registry) -> Iterator[tuple[str, ...]]:
    """For each way in which people were found for one model: its AP in FP16, and its AR50."""
    from posezoo.core.declarations.model import Precision
    from posezoo.run.measured import measurements_of
    from posezoo.run.measurement_selection import executed_type

    measured = [
        each
        for each in measurements_of(registry.find(COMPARED), "accuracy")
        if "bf16" not in executed_type(each)
    ]
    halves = [each for each in measured if each.precision is Precision.FP16]
    for each in sorted(halves, key=lambda each: -each.figures["AP"]):
        ar50 = f"{each.figures['AR50']:.3f}"
        yield str(each.settings["people_from"]), _stated_ap(each), ar50


def origin_rows(registry: Registry) -> Iterator[tuple[str, ...]]:
    """Whether figures were measured on real or generated weights, or are published, and the models of
    which each is true.
    """
    models: dict[tuple[str, ...], list[str]] = {}
    for facts in all_models(registry):
        measured = [each for _, each in facts.measurements()]
        accuracies = {each.precision for each in measured if each.kind == "accuracy"}
        claims = [claim for part in facts.parts for claim in part.published.accuracy]
        is_published = any(claim.metric == "AP" for claim in claims)
        ap = "published" if is_published else "none"
        if accuracies:
            ap = "measured, published" if is_published else "measured"
        weights = {each.weights for each in measured if each.kind == "speed"}
        speeds = "".join(
            "measured" if each == "published" else "generated weights" for each in weights
        )
        is_measured = has_int8(facts) and any("INT8" in each for each in accuracies)
        int8 = "measured" if is_measured else "none"
        models.setdefault((ap, speeds or "none", int8), []).append(facts.name)
    for figures, names in sorted(models.items()):
        yield *figures, ", ".join(names)


def every_row() -> ModelComparison:
    """All models with a row for each precision and size that was measured."""
    from posezoo.core.layout import ModelLayout
    from posezoo.core.registry import open_registry
    from posezoo.pages.facts.comparison import compare_models
    from posezoo.run.measurement_selection import MeasurementSelection

    models = all_models(open_registry())
    layout = ModelLayout(ROOT, ROOT)
    return compare_models(models, layout, MeasurementSelection())


#: Columns of figures of people, as shares and a mean, with two digits.
SUMMARY_KEYS = (
    *("AR50_single", "AR50_several", "ghosts"),
    *("found_lying", "found_upside_down", "found_in_video"),
)


def summary_values(compared: ModelComparison) -> Mapping[str, str]:
    """The measured rows of pose models with real weights, by name, the two of them that are best for
    several people, and the machine.
    """
    from posezoo.console.labels import format_ap, format_megabytes
    from posezoo.pages.cards.markdown import format_table
    from posezoo.pages.facts.recommendation import LATENCIES

    measured = [
        row
        for row in compared.rows
        if row.values["AP"]
        and row.values["AR50_several"]
        and row.pipeline.model.task != "detection"
    ]
    rows = []
    for row in measured:
        ap = row.values["AP"]
        assert ap is not None
        people = (_two_digits(row.values[key]) for key in SUMMARY_KEYS)
        times = (_stated_time(row, shown) for shown in LATENCIES)
        size = row.values["transfer_bytes"]
        download = format_megabytes(int(size.number) if size else None)
        stated = format_ap(ap.number, ap.interval)
        rows.append((row.name, row.pipeline.described_people, stated, *people, *times, download))

    def largest(key: str, rows: Iterable[ComparisonRow] = measured) -> str:
        return max(rows, key=lambda row: metric.number if (metric := row.values[key]) else 0).name

    in_fp16 = [row for row in measured if row.precision == "FP16"]
    return {
        "summary": format_table(SUMMARY_HEADERS, rows),
        "highest_ap": f"`{largest('AP')}`",
        "most_people": f"`{largest('AR50_several')}`",
        "most_people_fp16": f"`{largest('AR50_several', in_fp16)}`",
        "machine": compared.speed_setting.partition("; ")[0],
    }


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


def _two_digits(metric: SourcedMetric | None) -> str:
    return f"{metric.number:.2f}" if metric else ""


def _stated_time(row: ComparisonRow, shown: int) -> str:
    """The median time with as many people, and how many were found, if that is another number."""
    from posezoo.console.labels import format_figure
    from posezoo.pages.facts.comparison import MetricSource
    from posezoo.pages.facts.recommendation import LATENCIES

    metric = row.values[LATENCIES[shown]]
    if metric is None:
        return "not measured"
    found = row.people_found.get(shown, shown)
    mark = "~" if metric.origin is MetricSource.ESTIMATED else ""
    return mark + format_figure(metric.number) + (f" ({found} found)" if found != shown else "")


def which_model_values() -> Mapping[str, Any]:
    """The tables of models for each case."""
    from which_model import draw_values

    return draw_values(every_row())


def rerun_command(spec: ModelSpec, published: PublishedAccuracy) -> str:
    """The command that measures a published accuracy again; boxes.json are the detections of a
    detector that the registry lacks.
    """
    from posezoo.core.declarations.model import ANNOTATED_BOXES, WHOLE_PHOTO, Precision
    from posezoo.core.registry import open_registry

    words = ["posezoo evaluate", spec.full_name]
    boxes = published.boxes
    if boxes == ANNOTATED_BOXES:
        words.append("--boxes truth")
    elif boxes not in ("", WHOLE_PHOTO):
        if boxes not in open_registry().entries:
            words.append("--boxes boxes.json")
        elif spec.people is None or boxes != spec.people.photo:
            words.append(f"--detector {boxes}")
    if published.size:
        words.append(f"--height {published.size}")
    if published.flip:
        words.append("--flip")
    if Precision.FP16 not in spec.precisions:
        words.append(f"--precision {spec.precisions[0]}")
    return " ".join(words)


#: The pages that the code draws from the first line to the last.
PAGES: dict[str, Callable[[], str]] = {
    "docs/cli.md": cli_page,
    "tools/downloader/README.md": omz_page,
    "docs/reference/api.md": api_page,
    "docs/model.schema.json": model_schema,
    "docs/composite-model.schema.json": composite_schema,
    "docs/skeleton.schema.json": skeleton_schema,
}

#: The pages that are written by hand, with the values of their regions.
FILLED_PAGES: dict[str, Callable[[], Mapping[str, Any]]] = {
    "README.md": which_model_values,
    "docs/accuracy.md": accuracy_values,
    "docs/explanations/judges.md": judges_values,
    "docs/explanations/rehearsal.md": rehearsal_values,
    "docs/explanations/scaling.md": scaling_values,
    "docs/export.md": export_values,
    "docs/rules.md": rules_values,
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
            verb = "make cards" if name.startswith("models/") else "make docs"
            print(f"stale: {name}; `{verb}` redraws it", file=sys.stderr)
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
