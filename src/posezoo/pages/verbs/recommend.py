"""posezoo recommend: name the models that meet limits of accuracy, latency and license.

With ``--format json``, the output is an object::

    models     list    all rows that meet the limits: those that run here with what is on a disk or
                       in a package index, then those that need another host, then those that need
                       more than a download; of each, those with a figure that you measured, then
                       by AP within its kind (any_AP); each has the keys below
    ranked_by  str     the value that decides the order
    unknown    object  for each model that may meet the limits: the values that are not known
    miscounting object for each model that is left out because it found fewer people than --people:
                       that number

A row is a model in one precision and size::

    name, model         str     the model
    precision, license  str
    target_size         int     as --height; null for the declared one
    people_from         str     what finds the people
    detector_precision  str     of the detector's IR, if it is not FP16
    weights_opened      bool    whether the published weights were measured, or their outputs are
                                recorded
    compared_with       list    what the IR on this disk were compared with: the runtimes of their
                                originals, and inner tensors
    people_found        object  how many people were found in the picture of a speed, by the number
                                that is shown
    command             str     runs it
    weights_from        list    where its files are, and those of its detector: here, cache, mirror,
                                pip index, npm index, or a host (list of str)
    needs               list    what it needs here besides the download, such as an extra or consent
                                to the first use of a file (list of str)

Each of its values is null if unknown, else {number, origin, how}: origin is measured, measured on
generated weights, estimated from the times of its networks, or declared. If it was measured, it
also has record: "the registry", "this machine" (what posezoo benchmark kept for this user) or
"--figures"; a speed also has machine: "this machine", or the name of another. The values of the
whole pipeline are ap or any_AP (one that you measured, else of the pipeline as published
(pipeline_AP), else as measured by us, else of other boxes) and latency_ms (with
--people); AP, AR50_single and AR50_several (the shares of
people found on images with one person, and with more), ghosts (people found in a picture without
people), found_lying, found_upside_down and found_in_video (shares of people found); throughput_fps
and latency_p50_ms of a photo that shows four people, single_p50_ms of one that shows one; and
transfer_bytes. Those of the network alone are network_fps, network_p50_ms, published_AP,
size_bytes (of an IR on this disk: measured, without record), gflops and mparams.
"""

from __future__ import annotations

import argparse
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from posezoo.cli import flags
from posezoo.cli.flags import Flag
from posezoo.cli.selection import select_models
from posezoo.console.json_projection import project
from posezoo.console.labels import (
    Footnotes,
    format_ap,
    format_conditions,
    join,
    name_first,
)
from posezoo.console.report import fit_columns, print_result
from posezoo.core.errors import PosezooError, SettingsError, shell_word
from posezoo.core.regular_files import is_open_pipe
from posezoo.core.values import frozen

if TYPE_CHECKING:
    from posezoo.console.console import Console
    from posezoo.core.pipeline.availability import Availability
    from posezoo.core.registry import Registry
    from posezoo.figures.comparison import ComparisonRow, ModelComparison, SourcedMetric
    from posezoo.figures.measured import Measurement
    from posezoo.figures.measurement_selection import MeasurementSelection
    from posezoo.figures.model_facts import ModelFacts
    from posezoo.figures.recommendation import Recommendation, RequiredValues

EXAMPLES = """
posezoo recommend --min_ap 0.6
posezoo recommend --max_latency 100ms --all
posezoo recommend --min_ap 0.3 --max_latency 60ms --license permissive
posezoo recommend --max_latency 200ms --people 4
posezoo recommend --keypoints 133
posezoo recommend --3d
posezoo recommend --task detection --license permissive
"""

#: Without --all, as many commands are shown.
_MOST_ROWS = 3
#: The names of models of which something is unknown that are shown without --all.
_MOST_NAMES = 5

_HEADINGS = {
    "pipeline_AP": "AP",
    "AP": "AP BY US",
    "published_AP": "OTHER BOXES",
    "AR50_single": "OF ONE",
    "AR50_several": "OF SEVERAL",
    "ghosts": "GHOSTS",
    "single_p50_ms": "1 SHOWN MS",
    "latency_p50_ms": "4 SHOWN MS",
    "transfer_bytes": "DOWNLOAD MB",
}

#: Where files are that are on a disk.
_PLACES = {"here": "here", "cache": "in the cache", "mirror": "in the mirror"}

#: The roles of outputs that have the depth of keypoints.
_DEPTHS = {"world_landmarks", "simcc_z"}

# COCO-WholeBody has 133 keypoints.
_WHOLE_BODY = 100

_LATENCY = re.compile(r"(\d+(?:\.\d+)?) ?(ms|s)")


def _milliseconds(text: str) -> float:
    match = _LATENCY.fullmatch(text)
    if match is None:
        raise argparse.ArgumentTypeError(f"expected a time such as 30ms, got {text!r}")
    return float(match[1]) * (1000 if match[2] == "s" else 1)


_TASKS = ("human_pose_estimation", "detection")
_OF_POSES = f"task={_TASKS[0]}"

FLAGS = (
    Flag(
        "--min_ap SHARE",
        "the minimum AP, such as 0.3: measured, or published if the weights were not measured",
        flags.parse_fraction,
    ),
    Flag(
        "--max_latency TIME",
        "the maximum time from an image file to drawn poses, such as 60ms: measured on this machine"
        " if posezoo benchmark --pipeline ran here, else measured or estimated for the machine in"
        " the output",
        _milliseconds,
    ),
    Flag(
        "--people N",
        "the number of people on the image, for --max_latency (default: 1); models that found"
        " fewer people on it are listed separately",
        default="1",
        choices=("1", "4"),
    ),
    Flag(
        "--task TASK",
        "the task: human_pose_estimation (default), or detection, whose AP is of boxes",
        choices=_TASKS,
        default=_TASKS[0],
    ),
    Flag(
        "--keypoints N",
        "the number of keypoints: 17, 21 of a hand, 26 with feet, or 133 of a whole body, whose"
        " AP is of another data set (default: any number, but no whole-body models)",
        flags.whole_number(1),
        needs=_OF_POSES,
    ),
    Flag("--3d", "models that also find the depth of keypoints", dest="three_d", needs=_OF_POSES),
    Flag(
        "--license GLOB",
        "SPDX identifier of the license, a glob such as 'BSD-*', or permissive for licenses that"
        " only ask for a notice; may be given several times",
        repeats=True,
        default=[],
    ),
    Flag(
        "--all",
        "show a table of all models that meet the limits, with footnotes (default: the first"
        f" {_MOST_ROWS}, in words)",
    ),
    Flag(
        "--figures FILE",
        "a .json file that benchmark --output or evaluate --output wrote: its measurements stand"
        " first, beside those of the zoo; may be given several times",
        repeats=True,
        default=[],
    ),
    f"{flags.REGISTRY} {flags.FORMAT}",
)


class _RecommendArgs(flags.FormatArgs):
    min_ap: float | None
    max_latency: float | None
    people: str
    task: str
    keypoints: int | None
    three_d: bool
    license: list[str]
    all: bool
    figures: list[Path]


def run(args: _RecommendArgs) -> int:
    """Print the models, the best first, and why."""
    from posezoo.core.pipeline.availability import AvailabilityFinder
    from posezoo.figures.comparison import compare_models
    from posezoo.figures.measurement_selection import MeasurementSelection
    from posezoo.figures.model_facts import describe_models
    from posezoo.figures.recommendation import RequiredValues, recommend

    limits = RequiredValues(args.min_ap, args.max_latency, int(args.people), args.license)
    context = flags.context_from_args(args)
    with flags.console_from_args(args) as console:
        measurements = MeasurementSelection(_read_figures(args, context.registry), one_request=True)
        _warn_of_requests(args, measurements, console)
        selection = select_models(context.registry, None, console)
        known = describe_models(selection, context.registry)
        models = [facts for facts in known if _is_for_task(facts, args)]
        measurements = _add_own_speeds(measurements, models, console)
        comparison = compare_models(models, context.layout, measurements)
        finder = AvailabilityFinder(context)
        facts_by_name = {facts.name: facts for facts in models}
        availability = {
            row.name: facts_by_name[row.model].find_availability(finder, row.precision)
            for row in comparison.rows
        }
        answer = recommend(comparison.rows, limits, availability)
    answer_json = {
        "models": [_model_json(row, availability[row.name], limits) for row in answer.rows],
        "ranked_by": "AP",
        **project(answer, "unknown miscounting"),
    }
    report = _Report(answer, availability, limits, comparison)
    lines = [*(report.table_lines() if args.all else report.lines())]
    if not models:
        counts = {len(facts.skeleton.keypoints) for facts in known if facts.skeleton} - {0}
        found = ", ".join(map(str, sorted(counts))) or "no"
        lines.append(f"no model here is of this kind; those here find {found} keypoints")
    print_result(args.format, answer_json, *lines)
    return 0 if answer.rows and not selection.problems else 1


def _read_figures(args: _RecommendArgs, registry: Registry) -> tuple[tuple[str, Measurement], ...]:
    """The measurements in the files of --figures, with the names of their models.

    Raises:
        SpecError: a file is not valid.
        UnknownModelError: the registry has no model of a name.
    """
    from posezoo.figures.measured import FIGURES_FILE, read_measurement_file

    measurements = []
    for file in args.figures:
        if not file.is_file() and not is_open_pipe(file):
            hint = f"posezoo benchmark MODEL --output {shell_word(file)}"
            raise PosezooError(f"{file}: no such file", hint=hint)
        for name, measurement in read_measurement_file(file):
            try:
                model = registry.find(name)
            except PosezooError as error:
                raise error.within(file) from error
            measurements.append((model.full_name, replace(measurement, record=FIGURES_FILE)))
    return tuple(measurements)


def _add_own_speeds(
    selection: MeasurementSelection, models: Iterable[ModelFacts], console: Console
) -> MeasurementSelection:
    """With what ``posezoo benchmark`` measured for the user on this machine."""
    from posezoo.figures.own_measurements import read_own_speeds

    try:
        kept = read_own_speeds((facts.model for facts in models), console.warn)
    except SettingsError:  # a user without a home folder
        return selection
    return replace(selection, user_measurements=(*kept, *selection.user_measurements))


def _warn_of_requests(
    args: _RecommendArgs, measurements: MeasurementSelection, console: Console
) -> None:
    from posezoo.figures.measurement_selection import is_of_one_request

    speeds = [each for _, each in measurements.user_measurements if each.kind == "speed"]
    if speeds and not any(map(is_of_one_request, speeds)):
        files = ", ".join(map(str, args.figures))
        console.warn(
            f"{files}: the times are of several requests at once, and are not used:"
            " measure with --num_infer_requests 1"
        )


def _model_json(
    row: ComparisonRow, availability: Availability, limits: RequiredValues
) -> dict[str, Any]:
    latency = limits.latency_of(row)
    return {
        "name": row.model,
        "ap": row.ap and row.ap.as_json,
        "latency_ms": latency and latency.as_json,
        **row.as_json,
        "command": _command(row),
        "weights_from": list(availability.places),
        "needs": list(availability.needs),
    }


def _is_for_task(facts: ModelFacts, args: _RecommendArgs) -> bool:
    """Whether a model, which is no part of a composite, is for the task; one for poses finds that
    number of keypoints, by default those of people, and fewer than of a whole body.
    """
    from posezoo.core.declarations.routes import select_route
    from posezoo.poses.people import noun_of

    if facts.model.composite:
        return False
    if args.task == "detection":
        return facts.model.task == args.task
    roles = {port.role for part in facts.parts for port in part.outputs}
    finds_depth = facts.model.task.endswith("_3d") or not _DEPTHS.isdisjoint(roles)
    if facts.skeleton is None or (args.three_d and not finds_depth):
        return False
    # Its user must export it first, with its authors' code.
    if any(select_route(part)[1] and not part.has_pre_convert for part in facts.parts):
        return False
    keypoint_count = len(facts.skeleton.keypoints)
    if args.keypoints is not None:
        return keypoint_count == args.keypoints
    return noun_of(facts.model) == "person" and 0 < keypoint_count < _WHOLE_BODY


def _command(row: ComparisonRow) -> str:
    words = ["posezoo", "run", row.model]
    if row.precision != "FP16":
        words += ["--precision", row.precision]
    if row.target_size:
        words += ["--height", str(row.target_size)]
    if not row.is_pinned:
        words.append("--trust_on_first_use")
    return shlex.join([*words, "--input", "photo.jpg"])


@frozen
class _Report:
    """An answer for people: as some commands in words, or as a table of all."""

    answer: Recommendation
    availability: Mapping[str, Availability]  # by the names of rows
    limits: RequiredValues
    comparison: ModelComparison

    def lines(self) -> Iterator[str]:
        """The first commands, each with a line about it."""
        answer = self.answer
        if not answer.rows:
            yield from self._explain_none()
            yield from self._doubts(_MOST_NAMES)
            return
        for place, row in enumerate(answer.rows[:_MOST_ROWS], 1):
            yield self._first_line(place, row)
            yield f"   {self._describe(row)}"
        others = answer.rows[_MOST_ROWS:]
        if others:
            yield f"{len(others)} more{self._name_first_host(others)}: --all shows a table of all"
        elif answer.unknown or answer.miscounting:
            yield "some may meet the limits, or were left out: --all names them"

    def _name_first_host(self, others: Sequence[ComparisonRow]) -> str:
        """The first row that needs a host, and the host, if no command that is shown needs one."""
        first = next((row for row in others if self.availability[row.name].rank == 1), None)
        shown = self.answer.rows[:_MOST_ROWS]
        if first is None or any(self.availability[row.name].rank for row in shown):
            return ""
        return f", such as {first.name} from {self.availability[first.name].described_hosts}"

    def table_lines(self) -> Iterator[str]:
        """All rows, with footnotes."""
        rows = self.answer.rows
        if not rows:
            yield from self._explain_none()
        else:
            footnotes = Footnotes()
            yield f"{_describe_order(rows)}; ? is not known:"
            yield from self._rows(footnotes)
            yield from footnotes.lines()
            yield from _conditions(rows, self.comparison)
        yield from self._doubts(len(self.comparison.rows))

    def _explain_none(self) -> Iterator[str]:
        yield "no model is known to meet these limits"
        rows = self.comparison.rows
        if rows and self.limits.licenses and not self.answer.unknown:
            licenses = sorted({row.license for row in rows})
            yield f"licenses here: {'; '.join(licenses)}"

    def _doubts(self, most: int) -> Iterator[str]:
        """The models that are left out, and those that may meet the limits."""
        people = self.limits.people
        if self.answer.miscounting:
            names = [f"{name} ({count})" for name, count in self.answer.miscounting.items()]
            reason = f"they found fewer people than {people}"
            yield f"left out, because {reason}: {name_first(names, most)}"
        if unknown := self.answer.unknown:
            names = [f"{name} (no {' and no '.join(keys)})" for name, keys in unknown.items()]
            yield f"may meet the limits, but values are not known: {name_first(names, most)}"
            words = ["--pipeline", "NAME", "--people", str(people)]
            yield f"measure them: {shlex.join(['posezoo', 'benchmark', *words])}"

    def _first_line(self, place: int, row: ComparisonRow) -> str:
        """The command of a row; one that needs more before it runs has none yet."""
        needs = self.availability[row.name].needs
        if needs:
            return f"{place}. {row.name} {', and '.join(needs)}"
        return f"{place}. {_command(row)}"

    def _describe(self, row: ComparisonRow) -> str:
        """The AP of a row, its time, and where its files are."""
        size = row.values["transfer_bytes"]
        availability = self.availability[row.name]
        if availability.is_local:
            files = f"files {' and '.join(_PLACES[place] for place in availability.places)}"
        else:
            number = f"at most {row.download_limit / 1e6:.0f}"
            if size:
                number = f"{size.number / 1e6:.0f}"
            files = f"{number} MB from {availability.described_hosts}"
        return "; ".join((_describe_ap(row), self._describe_time(row), files))

    def _describe_time(self, row: ComparisonRow) -> str:
        from posezoo.figures.comparison import MetricSource

        people = self.limits.people
        shown = "1 person" if people == 1 else f"{people} people"
        time = self.limits.latency_of(row)
        if time is None:
            return f"time for {shown} not measured"
        machine = _short_machine(time.machine)
        origin = "" if time.origin is MetricSource.MEASURED else f", {time.origin.value}"
        return f"{time.number:.0f} ms for {shown} on {machine or 'this machine'}{origin}"

    def _rows(self, footnotes: Footnotes) -> Iterator[str]:
        """Two lines for each row."""
        rows = self.answer.rows
        keys = [
            key
            for key in _HEADINGS
            if key == "transfer_bytes" or any(_shown_metric(row, key) for row in rows)
        ]
        table = [(" ", *(_HEADINGS[key] for key in keys), "FROM", "LICENSE")]
        for row in rows:
            places = " ".join(self.availability[row.name].places)
            cells = [_cell(row, key, footnotes) for key in keys]
            table.append((" ", *cells, places, row.license))
        header, *lines = fit_columns(table, right=frozenset(range(1, 1 + len(keys))))
        yield header
        for place, (row, line) in enumerate(zip(rows, lines, strict=False), 1):
            yield self._first_line(place, row)
            yield from _other_claims(row)
            yield line
        yield from lines[len(rows) :]  # the columns that did not fit


def _describe_ap(row: ComparisonRow) -> str:
    from posezoo.figures.measured import REGISTRY

    ap = row.ap
    if ap is None:
        return next(_other_claims(row), "AP not measured").strip()
    number = f"AP {format_ap(ap.number)}"
    if ap is not row.values["AP"]:
        return join(f"{number} as published", ap.conditions, separator=": ")
    of_what = "boxes" if row.pipeline.model.task == _TASKS[1] else "photos"
    whose = "measured by us" if ap.record == REGISTRY else f"measured by you ({ap.record})"
    return f"{number} of {of_what}, {whose}"


def _short_machine(machine: str) -> str:
    """The processor of a machine, and the last of its instruction sets, on which its speed depends
    most.
    """
    from posezoo.run.machine import INSTRUCTIONS

    processor, _, details = machine.partition(" (")
    named = [word for word in INSTRUCTIONS if re.search(rf"\b{word}\b", details)]
    return f"{processor} with {named[-1]}" if named else processor


def _describe_order(rows: Sequence[ComparisonRow]) -> str:
    own = "your own figures first, then " if rows[0].is_own else ""
    has_ap = any(row.ap for row in rows)
    kinds = "the highest AP first: of the pipeline as published, then by us, then of other boxes"
    return own + (kinds if has_ap else "by name")


def _shown_metric(row: ComparisonRow, key: str) -> SourcedMetric | None:
    """The value of a column; an AP of other boxes has no place beside that of the pipeline."""
    metric = row.values[key]
    return None if key == "published_AP" and row.values["pipeline_AP"] is metric else metric


def _other_claims(row: ComparisonRow) -> Iterator[str]:
    """What the publisher states instead of an AP, such as of 26 keypoints."""
    claims = [claim for claim in row.pipeline.model.published.accuracy if claim.metric != "AP"]
    if claims and not row.ap:
        figures = ", ".join(f"{claim.metric} {claim.value:.4g}" for claim in claims)
        conditions = format_conditions(claims[0])
        yield f"   as published: {figures}" + (f" ({conditions})" if conditions else "")


def _cell(row: ComparisonRow, key: str, footnotes: Footnotes) -> str:
    from posezoo.figures.comparison import MetricSource
    from posezoo.figures.measured import REGISTRY
    from posezoo.figures.recommendation import LATENCIES

    metric = _shown_metric(row, key)
    if metric is None and key == "transfer_bytes":
        return f"at most {row.download_limit / 1e6:.0f}"
    if metric is None:
        return "?"
    words = [_format_number(key, metric.number)]
    if metric.origin is MetricSource.ESTIMATED:
        words = [f"~{metric.number:.0f}"]
    if key.endswith("AP") and metric.record != REGISTRY:  # whose conditions are below the table
        protocol = join(metric.record or "as published", metric.conditions, separator=": ")
        words.append(footnotes.mark(protocol))
    if metric.machine:
        origin = "" if metric.origin is MetricSource.MEASURED else f", {metric.origin.value}"
        words.append(footnotes.mark(f"{metric.machine}{origin}"))
    shown = next((people for people, column in LATENCIES.items() if column == key), None)
    if shown and row.people_found.get(shown, shown) != shown:
        words.append(footnotes.mark(f"found {row.people_found[shown]} of {shown}"))
    return " ".join(words)


def _format_number(key: str, number: float) -> str:
    if key == "transfer_bytes":
        return f"{number / 1e6:.1f}"
    if key == "ghosts":
        return f"{number:.2f}"
    return f"{number:.4g}" if key.endswith("_ms") else format_ap(number)


def _conditions(rows: Sequence[ComparisonRow], comparison: ModelComparison) -> Iterator[str]:
    conditions = []
    if comparison.accuracy_conditions and any(row.values["AP"] for row in rows):
        conditions.append(f"AP BY US, OF ONE, OF SEVERAL: {comparison.accuracy_conditions}")
    if any(row.values["ghosts"] for row in rows):
        ghosts = "GHOSTS, people found in a picture without people"
        conditions.append(f"{ghosts}: {comparison.situation_conditions}")
    if conditions:
        yield f"{'; '.join(conditions)}; how, and how sure: posezoo card MODEL"
    if any(row.values["single_p50_ms"] or row.values["latency_p50_ms"] for row in rows):
        yield "MS: the median from an image file to drawn poses, one image at a time"
