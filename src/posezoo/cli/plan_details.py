"""What features add to each plan that posezoo plan shows."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from posezoo.cli.flags import Flag
from posezoo.cli.json_projection import Json
from posezoo.core.plugins import FeatureParts
from posezoo.core.values import frozen

if TYPE_CHECKING:
    from posezoo.core.layout import ModelLayout
    from posezoo.core.pipeline.plan import Plan


@frozen
class PlanDetail:
    """One key of a plan in JSON, and a line of it in text."""

    key: str  # also the name of the flag's value
    flag: Flag
    #: The value of the key, and the line (empty: none), if the flag has this value.
    describe: Callable[[Plan, ModelLayout, Any], tuple[Json | None, str]]


PLAN_DETAILS: FeatureParts[PlanDetail] = FeatureParts("plan_details", PlanDetail)
