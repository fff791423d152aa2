"""What is decided about every model of our zoo and of Open Model Zoo, before anything is downloaded.

The stored tables have a row for each model: its name; the route and why it is closed (without anything, with
a Model Optimizer, with consent to run upstream code, with both); its decoder; its network; the files that
would be downloaded; and the precisions that would be converted or downloaded.
"""

from dataclasses import replace
from pathlib import Path

import pytest

from fakes.checkout import ROOT
from posezoo.core.declarations.model import Precision
from posezoo.core.pipeline.plan import make_plan
from posezoo.core.pipeline.zoo_context import open_context
from posezoo.core.resolve.resolution import resolve_model
from posezoo.core.settings import read_settings, to_settings

GOLDEN = ROOT / "tests" / "golden"
BOTH = (Precision.FP32, Precision.FP16)


def row(context, spec):
    cells = [spec.full_name]
    for mo, allowed in ((None, False), (Path("mo"), False), (None, True), (Path("mo"), True)):
        settings = replace(context.settings, allow_upstream_code=allowed)
        resolved = resolve_model(spec, BOTH, replace(context, mo=mo, settings=settings))
        # Whether the model is published in these precisions is no matter of its route.
        obstacles = [target.obstacle for target in resolved.targets if target.obstacle is not None]
        reasons = [obstacle.reason for obstacle in obstacles if obstacle.reason != "precision"]
        cells.append(f"{resolved.route}:{reasons[0] if reasons else 'open'}")
    resolved = resolve_model(spec, BOTH, context)
    network = resolved.spec.network
    cells += [resolved.decoder.name if resolved.decoder else "-", network.name if network else "-"]
    plan = make_plan(resolved, context, is_dry_run=True)
    irs = () if plan.obstacle is not None else plan.irs
    cells.append(",".join(planned.file.name for planned in plan.files) or "-")
    cells.append(",".join(ir.precision for ir in irs) or "-")
    return "\t".join(cells)


def table(*models_dir):
    flags = {"weights_dir": Path("/nowhere")} | ({"models_dir": models_dir} if models_dir else {})
    context = open_context(to_settings(read_settings(flags)))
    models = context.registry.select().models
    if not models_dir:
        models = (*models, *context.registry.select(["*@*"]).models)
    return "".join(f"{row(context, spec)}\n" for spec in models)


def test_the_decisions_about_our_models_are_the_stored_ones():
    assert table() == (GOLDEN / "decisions-ours.tsv").read_text("utf-8")


def test_the_decisions_about_open_model_zoo_are_the_stored_ones(shared):
    folder = shared / "data" / "omz-2021.4" / "models"
    if not folder.is_dir():
        pytest.skip("needs ../shared")
    assert table(folder) == (GOLDEN / "decisions-omz-2021.4.tsv").read_text("utf-8")
