"""What is decided about every model of our zoo and of Open Model Zoo, before anything is downloaded.

The stored tables have a row for each model: its name; the route and why it is closed (without anything, with
a Model Optimizer, with consent to run upstream code, with both); its decoder; its network; the files that
would be downloaded; and the precisions that would be converted or downloaded.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from posezoo.errors import PosezooError
from posezoo.pipeline import Zoo, open_zoo
from posezoo.pipeline.dry_run import plan_get
from posezoo.pipeline.route_options import with_known_network
from posezoo.settings import read_settings, to_settings
from posezoo.spec.model import ModelSpec, Precision

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
BOTH = (Precision.FP32, Precision.FP16)


def row(zoo: Zoo, declared: ModelSpec) -> str:
    spec = with_known_network(declared)
    cells = [declared.full_name]
    for mo, allowed in ((None, False), (Path("mo"), False), (None, True), (Path("mo"), True)):
        decision = replace(zoo.ways, mo=mo, allow_upstream_code=allowed).select(spec)
        cells.append(f"{decision.route}:{decision.reason or 'open'}")
    decoder = zoo.select_decoder(spec)
    cells += [decoder.name if decoder else "-", spec.network.name if spec.network else "-"]
    try:
        plan = plan_get(zoo, declared, BOTH)
        cells += [",".join(planned.file.name for planned in plan.files) or "-", ",".join(plan.irs) or "-"]
    except PosezooError as error:
        cells += [error.problem, "-"]
    return "\t".join(cells)


def table(*models_dir: Path) -> str:
    flags = {"output_dir": Path("/nowhere")} | ({"models_dir": models_dir} if models_dir else {})
    zoo = open_zoo(to_settings(read_settings(flags)))
    models = zoo.registry.select().models
    if not models_dir:
        models = (*models, *zoo.registry.select(["*@*"]).models)
    return "".join(f"{row(zoo, spec)}\n" for spec in models)


def test_the_decisions_about_our_models_are_the_stored_ones():
    assert table() == (GOLDEN / "decisions-ours.tsv").read_text("utf-8")


def test_the_decisions_about_open_model_zoo_are_the_stored_ones(shared):
    folder = shared / "data" / "omz-2021.4" / "models"
    if not folder.is_dir():
        pytest.skip("needs ../shared")
    assert table(folder) == (GOLDEN / "decisions-omz-2021.4.tsv").read_text("utf-8")
