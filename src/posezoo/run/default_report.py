"""What ``posezoo doctor`` says about the model that runs if none is named.

It lies beside ``default_model``, because a run does not need what a diagnosis imports.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

from posezoo.core.diagnosis import DefaultReport, FeatureReport, Findings
from posezoo.core.errors import PosezooError, SettingsError
from posezoo.core.pipeline.availability import AvailabilityFinder
from posezoo.core.pipeline.zoo_context import open_context
from posezoo.core.resolve.stage_context import Context
from posezoo.core.settings import Setting, to_settings
from posezoo.run.default_model import (
    ChosenModel,
    choice_file,
    find_decided,
    find_networks,
    find_rows,
)
from posezoo.run.subject import Statement


def describe_default(context: Context) -> DefaultReport:
    """The default model as far as no server has to be asked."""
    finder = AvailabilityFinder(context)
    rows = find_rows(Statement(), context, finder)
    chosen = find_decided(rows, context, finder)
    chosen = chosen or ChosenModel("", "the next run or load chooses it")
    models = {}
    for name in context.registry.default_names:
        found = finder.find(find_networks(name, Statement(), context))
        download = f"from {found.described_hosts}" if found.hosts else ", ".join(found.places)
        models[name] = "; ".join(found.needs) or download
    file = ""
    with suppress(SettingsError):
        file = str(choice_file())
    return DefaultReport(chosen.name, chosen.why, file, models)


def _report(settings: Mapping[str, Setting]) -> Findings:
    with suppress(PosezooError):  # a setting that is wrong is reported already
        return Findings(default=describe_default(open_context(to_settings(settings))))
    return Findings()


REPORT = FeatureReport(_report)
