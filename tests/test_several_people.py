"""The models that posezoo uses and advises without a choice of the user are the best that were measured."""

from fakes.rows import best_rows
from posezoo.core.registry import open_registry
from posezoo.figures.measurement_selection import MeasurementSelection
from posezoo.poses.people import people_from
from posezoo.run.advice import FALLBACK_MODEL


def test_the_default_model_has_the_highest_ap_of_those_from_package_indexes():
    measured = {row.model: row.values["AP"] for row in best_rows()}
    found = {name: ap.number for name, ap in measured.items() if ap is not None}
    for name in ("pp-tinypose-128x96", "pp-tinypose-256x192"):  # docs/decisions/0030
        del found[name]
    assert max(found, key=lambda name: found[name]) == "movenet-thunder"


def test_the_model_for_missed_people_finds_the_most():
    """AR50 is the share of the annotated people that are found with an OKS of 0.5 or more; the
    hint names it where a detector found nobody."""
    registry = open_registry()
    found = {
        (model.name, measured.precision): measured.figures["AR50"]
        for model in map(registry.find, registry.entries)
        for measured in MeasurementSelection().select_of_pipeline(model, "accuracy")
        if "AR50" in measured.figures and not people_from(model)
    }
    of_fp16 = {name: share for (name, precision), share in found.items() if precision == "FP16"}
    best = max(of_fp16, key=lambda name: of_fp16[name])  # run's default precision
    assert best == FALLBACK_MODEL
