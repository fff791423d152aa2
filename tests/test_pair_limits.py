"""The limits that model.yml declares for a pair of networks are those of the record of their choice."""

import csv

import pytest

from fakes.checkout import ROOT
from fakes.own_registry import own_registry
from posezoo.core.registry import open_registry
from posezoo.figures.measured import load_measurements
from posezoo.figures.rehearsals import read_rehearsals
from posezoo.lint.registry_view import RegistryView
from posezoo.poses.decoders import find_decoder
from posezoo.poses.top_down import TopDownOptions

#: Step 4 of the decision: of pairs whose pose network has no published weights here, by the detector.
BY_BOXES = {"rtmdet-nano": {"min_score": 0.45, "min_pose_score": 0}}
RECORD = ROOT / "benchmarks" / "results" / "pair_limits.tsv"
SIMILARITY = ROOT / "benchmarks" / "results" / "similarity.tsv"


def recorded_limits():
    """The model, the detector, and the least scores of a box and of a person in each row."""
    with RECORD.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file, dialect="excel-tab"):
            box, person = float(row["min_score"]), float(row["min_pose_score"])
            yield row["model"], row["people_from"], box, person


def test_the_declared_limits_are_those_of_the_record():
    registry = open_registry()
    declared = {
        (model, name): (
            _usual_score(registry.find(name)) if limits.min_score is None else limits.min_score,
            limits.min_pose_score,
        )
        for model in dict.fromkeys(model for model, *_ in recorded_limits())
        for name, limits in registry.find(model).people.detectors.items()
    }
    recorded = {(model, name): (box, person) for model, name, box, person in recorded_limits()}
    assert recorded and declared == recorded


def test_the_limit_of_similarity_is_the_highest_with_which_nobody_is_drawn_twice():
    """The rule of docs/decisions/0037-one-person-is-one-pose.md."""
    with SIMILARITY.open(encoding="utf-8", newline="") as file:
        rows = [*csv.DictReader(file, dialect="excel-tab")]
    twice = {}
    for row in rows:
        limit = float(row["max_similarity"])
        counts = row["photos_with_a_person_twice"], row["cut_pictures_with_a_person_twice"]
        twice[limit] = twice.get(limit, 0) + sum(map(int, counts))
    assert {row["model"] for row in rows} == {"movenet-thunder", "pose-measured"}
    without = {limit for limit, count in twice.items() if not count}
    assert TopDownOptions().max_similarity == max(without)


def test_nobody_is_found_by_the_measured_pair_where_nobody_is():
    model = open_registry().find("pose-measured")
    situations = [each for each in load_measurements(model) if each.kind == "situations"]
    usual = [each for each in situations if each.settings["people_from"] == model.people.photo]
    assert usual and all(each.figures["ghosts"] == 0 for each in usual)


def list_unmeasured(views):
    """Where limits are declared that neither a record of a pair nor, without weights, boxes alone chose."""
    recorded = {(model, name) for model, name, *_ in recorded_limits()}
    for view in views:
        people = view.declaration.people
        for name, limits in people.detectors.items() if people else ():
            weights = read_rehearsals(ROOT / "models").get(view.name, {}).get("weights", "")
            is_by_boxes = limits.stated() == BY_BOXES.get(name) and "generated" in weights
            if (view.name, name) not in recorded and not is_by_boxes:
                node = view.node("people", "detectors", name)
                yield f"{node.file}:{node.line}: people.detectors.{name} of {view.name}"


def test_all_declared_limits_were_measured():
    views = RegistryView(own_registry()).models.values()
    unmeasured = [*list_unmeasured(views)]
    assert not unmeasured, (
        f"remove these limits, or choose them by docs/decisions/0033-limits-belong-to-a-pair.md and"
        f" add their row to benchmarks/results/pair_limits.tsv: {unmeasured}"
    )


@pytest.mark.parametrize("alias", ["pose", "rtmpose-m", "pose-fast"])
def test_rtmpose_has_the_limit_that_boxes_alone_chose(alias):
    model = open_registry().find(alias)
    assert model.people.photo == "rtmdet-nano"
    assert model.people.detectors["rtmdet-nano"].stated() == BY_BOXES["rtmdet-nano"]


def _usual_score(detector):
    record = find_decoder(detector.decoder.name)
    return getattr(record.options(**detector.decoder.options), record.person_score)
