"""What a model needs before it can run here, besides its download.

Lists, recommendations, hints and the default model ask it, so that they name the same models.
"""

from __future__ import annotations

from collections.abc import Iterable

from posezoo.core.declarations.model import ModelSpec, Precision
from posezoo.core.declarations.routes import PRECISION
from posezoo.core.errors import LicenseError, PosezooError, find_missing_packages
from posezoo.core.pipeline.plan import Plan, make_plan
from posezoo.core.resolve.resolution import resolve_model
from posezoo.core.resolve.stage_context import Context

#: The packages with which any model runs, by the extra that installs them.
_RUNTIME = {"openvino": "run", "cv2": "run"}


class NeedsFinder:
    """Plans each network once, however many models it belongs to.

    It looks at files and IR, and asks no server.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        missing = find_missing_packages(_RUNTIME)
        self._runtime = {missing.extra} if missing else set()
        self._found: dict[tuple[str, Precision], tuple[set[str], list[str]]] = {}

    def find(self, networks: Iterable[tuple[ModelSpec, Precision]]) -> tuple[str, ...]:
        """What is missing before ``posezoo run`` can run these networks in these precisions, each
        as the end of a sentence that begins with the model's name; empty if nothing is, or only a
        download.
        """
        extras = set(self._runtime)
        reasons: dict[str, None] = {}
        for part, precision in networks:
            key = (part.full_name, precision)
            if key not in self._found:
                self._found[key] = self._plan(part, precision)
            more_extras, more_reasons = self._found[key]
            extras |= more_extras
            reasons |= dict.fromkeys(more_reasons)
        if "run" in extras:
            extras.discard("convert")  # which is a part of it
        if not extras:
            return tuple(reasons)
        plural = "s" * (len(extras) > 1)
        return f"needs the extra{plural} {' and '.join(sorted(extras))}", *reasons

    def _plan(self, part: ModelSpec, precision: Precision) -> tuple[set[str], list[str]]:
        """The extras that a network needs, and what else."""
        try:
            resolved = resolve_model(part, (precision,), self._context)
            plan = make_plan(resolved, self._context, is_dry_run=True)
        except LicenseError:
            return set(), [f"has a license that the settings do not allow: {part.full_name}"]
        except PosezooError as error:
            return set(), [f"cannot run here: {error.problem}"]
        extras = set(plan.missing_package.extra.split(",")) if plan.missing_package else set()
        return extras, [*_list_reasons(plan)]


def _list_reasons(plan: Plan) -> Iterable[str]:
    if plan.obstacle:
        reason = plan.obstacle.why if plan.obstacle.reason == PRECISION else plan.obstacle.reason
        yield f"is not converted here ({reason})"
    if any(not planned.file.sources for planned in plan.missing_files):
        yield "needs a file of yours: model.yml names no source of it"
    if any(planned.is_unpinned for planned in plan.files):
        yield "needs --trust_on_first_use: a digest is not known"
