"""What is decided about every model of our zoo and of Open Model Zoo, before anything is downloaded.

The stored tables have a row for each model: its name; the route and why it is closed (without anything, with
a Model Optimizer, with consent to run upstream code, with both); its decoder; its network; the files that
would be downloaded; and the precisions that would be converted or downloaded.
``REDRAW_GOLDEN=1 pytest tests/core/pipeline/test_decisions.py`` stores the tables as they are now.
"""

import os
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
COLUMNS = (
    "the model",
    "the route",
    "the route with a Model Optimizer",
    "the route with consent to upstream code",
    "the route with both",
    "the decoder",
    "the network",
    "the files",
    "the precisions",
)


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


def name_changes(stored, found):
    """What differs between two tables, in words."""
    before, now = (
        {line.split("\t")[0]: line.split("\t") for line in text.splitlines()}
        for text in (stored, found)
    )
    for model in {**before, **now}:
        if model not in now:
            yield f"{model} is stored, and no longer in the zoo"
        elif model not in before:
            yield f"{model} is new"
        else:
            for column, old, new in zip(COLUMNS, before[model], now[model], strict=False):
                if old != new:
                    yield f"{model}: {column} was {old}, now is {new}"


def compare(name, found):
    """Compare a table with the stored one, or store it if the environment says so."""
    path = GOLDEN / name
    if os.environ.get("REDRAW_GOLDEN"):
        path.write_text(found, "utf-8")
    stored = path.read_text("utf-8")
    changes = list(name_changes(stored, found))
    assert found == stored, (
        f"{'; '.join(changes[:9]) or 'the tables have other columns, or another order'}. If this is meant:"
        " REDRAW_GOLDEN=1 pytest tests/core/pipeline/test_decisions.py"
    )


def test_the_decisions_about_our_models_are_the_stored_ones():
    compare("decisions-ours.tsv", table())


def test_the_decisions_about_open_model_zoo_are_the_stored_ones(shared):
    folder = shared / "data" / "omz-2021.4" / "models"
    if not folder.is_dir():
        pytest.skip("needs ../shared")
    compare("decisions-omz-2021.4.tsv", table(folder))
