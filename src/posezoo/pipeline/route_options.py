"""By which route a model becomes IR here: what its model.yml says, and what is at hand."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from posezoo.errors import ConversionError
from posezoo.registry import Registry, open_registry
from posezoo.spec.model import Framework, ModelSpec, Route
from posezoo.spec.routes import RouteDecision, describe_obstacle, mark_available, select_route

if TYPE_CHECKING:
    from posezoo.convert.model_optimizer import ModelOptimizer


@dataclass(frozen=True, slots=True)
class RouteOptions:
    """What opens routes that are closed elsewhere.

    Attributes:
        mo: a Model Optimizer, or the environment that it is in.
        mo_python: what starts it, where it is not the Python beside it.
        allow_upstream_code: whether code that comes with a model may be run.
    """

    mo: Path | None = None
    mo_python: Path | None = None
    allow_upstream_code: bool = False

    def select(self, spec: ModelSpec) -> RouteDecision:
        """By which route a model becomes IR here, or why by none: a Model Optimizer may be at hand."""
        decision = select_route(spec)
        comes_with_code = spec.has_pre_convert or bool(spec.upstream_export)
        if decision.route is Route.UPSTREAM_CODE and self.allow_upstream_code and comes_with_code:
            rest = self.select(spec_without_upstream_code(spec))
            return mark_available(decision) if rest.is_available else rest
        return (
            mark_available(decision) if decision.route is Route.MO and self.has_model_optimizer else decision
        )

    def require(self, spec: ModelSpec) -> RouteDecision:
        """The same.

        Raises:
            ConversionError: there is none.
        """
        decision = self.select(spec)
        if not decision.is_available:
            raise ConversionError(
                f"{spec.full_name}: {describe_obstacle(spec, decision)}", hint=decision.hint
            )
        return decision

    @property
    def has_model_optimizer(self) -> bool:
        """Whether a Model Optimizer was named."""
        return self.mo is not None or self.mo_python is not None

    def model_optimizer(self) -> ModelOptimizer:
        """The one that was named.

        Raises:
            ConversionError: it is not there, or is none.
        """
        from posezoo.convert.model_optimizer import find_model_optimizer

        return find_model_optimizer(self.mo, self.mo_python)


def spec_without_upstream_code(spec: ModelSpec) -> ModelSpec:
    """What is left to be converted once a model's code has run."""
    from posezoo.convert.upstream_code import spec_after_upstream_code

    return spec_after_upstream_code(spec)


def with_known_network(spec: ModelSpec) -> ModelSpec:
    """A foreign zoo's PyTorch model with the network of ours that takes its weights; else as it is.

    It is known by the name of a model of our own registry, and by a file of weights of the same size.
    """
    if spec.framework is not Framework.PYTORCH or spec.network is not None:
        return spec
    registry = _own_registry()
    entry = registry.find(spec.name) if spec.name in registry.entries else None
    if not isinstance(entry, ModelSpec) or entry.network is None:
        return spec
    is_packed = entry.checkpoint not in {file.name for file in entry.files}
    sizes = {file.size for file in entry.files if is_packed or file.name == entry.checkpoint}
    names = [file.name for file in spec.files if file.size is not None and file.size in sizes]
    if len(names) != 1 or is_packed != bool(spec.postprocessing):
        return spec
    taken = {name: getattr(entry, name) for name in ("network", "self_check", "decoder", "skeleton")}
    return replace(spec, **taken, checkpoint=entry.checkpoint if is_packed else names[0])


@cache
def _own_registry() -> Registry:
    """The one that comes with posezoo, read once."""
    return open_registry()
