"""By which route a model becomes IR here: what its model.yml says, and what is at hand."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from posezoo.errors import ConversionError
from posezoo.registry import Registry, open_registry
from posezoo.spec.model import Framework, ModelSpec, Route
from posezoo.spec.routes import Way, in_words, opened, way_of

if TYPE_CHECKING:
    from posezoo.convert.model_optimizer import ModelOptimizer


@dataclass(frozen=True, slots=True)
class Ways:
    """What opens routes that are closed elsewhere.

    Attributes:
        mo: a Model Optimizer, or the environment that it is in.
        mo_python: what starts it, where it is not the Python beside it.
        allow_upstream_code: whether code that comes with a model may be run.
    """

    mo: Path | None = None
    mo_python: Path | None = None
    allow_upstream_code: bool = False

    def of(self, spec: ModelSpec) -> Way:
        """By which route a model becomes IR here, or why by none: a Model Optimizer may be at hand."""
        way = way_of(spec)
        comes_with_code = spec.has_pre_convert or bool(spec.upstream_export)
        if way.route is Route.UPSTREAM_CODE and self.allow_upstream_code and comes_with_code:
            rest = self.of(after_upstream(spec))
            return opened(way) if rest.is_open else rest
        return opened(way) if way.route is Route.MO and self.has_mo else way

    def required(self, spec: ModelSpec) -> Way:
        """The same.

        Raises:
            ConversionError: there is none.
        """
        way = self.of(spec)
        if not way.is_open:
            raise ConversionError(f"{spec.full_name}: {in_words(spec, way)}", hint=way.hint)
        return way

    @property
    def has_mo(self) -> bool:
        """Whether a Model Optimizer was named."""
        return self.mo is not None or self.mo_python is not None

    def model_optimizer(self) -> ModelOptimizer:
        """The one that was named.

        Raises:
            ConversionError: it is not there, or is none.
        """
        from posezoo.convert.model_optimizer import find

        return find(self.mo, self.mo_python)


def after_upstream(spec: ModelSpec) -> ModelSpec:
    """What is left to be converted once a model's code has run."""
    from posezoo.convert.upstream import after

    return after(spec)


def with_our_network(spec: ModelSpec) -> ModelSpec:
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
