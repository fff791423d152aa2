"""Where an original is cut: before and after each step, an operation that turns a rounding of what
it takes into a jump of what it makes, such as Floor.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

import numpy as np

from posezoo.core.arrays import Array, NamedArrays
from posezoo.core.convert.formats import (
    InnerTensors,
    OriginalGraph,
    OriginalNode,
    ReferenceRuntime,
    Run,
    Step,
)
from posezoo.core.values import frozen

#: The relative change of a value that stands for one rounding, in units of its type's epsilon: for
#: f32 it is 2e-7.
ROUNDING = 5 / 3

#: How many roundings of the largest value show which values are on an edge of a step.
EDGE = 5

#: How many roundings of the largest value the inputs of an original are moved by to show how often
#: its steps enlarge roundings, and how often they are moved.
FAR = 50
FAR_DRAWS = 6


@frozen
class Cuts:
    """The tensors at which an original is cut, in its order.

    Attributes:
        makers: the operation that makes each tensor, by the tensor's name.
        before: the floats that steps take.
        after: what steps make, and the floats that are computed from no float.
        sources: as those of ``OriginalGraph``.
    """

    makers: Mapping[str, OriginalNode]
    before: tuple[str, ...]
    after: tuple[str, ...]
    sources: Mapping[str, str]

    @property
    def names(self) -> tuple[str, ...]:
        """Each tensor once."""
        return tuple(dict.fromkeys((*self.before, *self.after)))

    def list_before(self, ends: Iterable[str], stops: Collection[str] = ()) -> list[str]:
        """The tensors before others, these included; none of what is before a tensor of
        ``stops``.
        """
        found: dict[str, None] = {}
        waiting = list(ends)
        while waiting:
            name = waiting.pop()
            if name not in found and name in self.makers:
                found[name] = None
                taken = self.makers[name].inputs
                waiting += [each for each in taken if each not in stops]
        return [name for name in self.makers if name in found]

    def list_steps(self, ends: Iterable[str], stops: Collection[str] = ()) -> list[OriginalNode]:
        """The steps among the operations that make these tensors."""
        made = [name for name in self.list_before(ends, stops) if name in self.after]
        makers = {self.makers[name].title: self.makers[name] for name in made}
        return [node for node in makers.values() if node.step]


def find_cuts(graph: OriginalGraph) -> Cuts:
    """Where an original is cut."""
    before: dict[str, None] = {}
    after: dict[str, None] = {}
    for node in graph.nodes:
        floats = [name for name in node.inputs if name in graph.floats]
        if node.step and (floats or node.step is Step.CLOSED):
            before |= dict.fromkeys(floats)
            after |= dict.fromkeys(node.outputs)
        elif not floats:
            after |= dict.fromkeys(name for name in node.outputs if name in graph.floats)
    makers = {name: node for node in graph.nodes for name in node.outputs}
    # An input of the original is no tensor to cut at.
    inner = tuple(name for name in before if name in makers)
    return Cuts(makers, inner, tuple(after), graph.sources)


@frozen
class CutOriginal:
    """An original that computes each of its parts from the values that it has at the cuts.

    Attributes:
        values: those of the whole original at the cuts, for each case.
        run: computes the cuts and the outputs from inputs and values at the cuts.
    """

    cuts: Cuts
    inner: InnerTensors
    values: Sequence[NamedArrays]
    outputs: Sequence[str]
    run: Run

    def run_moved(self, number: int, inputs: NamedArrays, draw: int) -> dict[str, Array]:
        """The cuts and outputs of a case, if each value before a part is moved by one rounding; but
        for what steps make, which has no noise of its own.

        Args:
            inputs: those of the case, moved.
        """
        rng = np.random.default_rng([number, draw])
        values = self.values[number]
        made = {name: each for name, each in values.items() if self.cuts.makers[name].step}
        return {**self.run({**inputs, **_move_floats(values, rng)}), **made}

    def run_edges(self, inputs: Sequence[NamedArrays]) -> Iterator[list[dict[str, Array]]]:
        """The cuts and outputs of each case, with what each step takes a little larger, and a
        little smaller.
        """
        names = list(dict.fromkeys([*self.cuts.names, *self.outputs]))
        before = [{name: each[name] for name in self.cuts.before} for each in self.values]
        run = self.inner.open(names, before[0])
        for case, values in zip(inputs, before, strict=True):
            yield [
                run({**case, **{name: _shift(each, sign, EDGE) for name, each in values.items()}})
                for sign in (1, -1)
            ]


def cut_original(
    original: ReferenceRuntime, prepared: Sequence[NamedArrays], outputs: Sequence[str]
) -> CutOriginal | None:
    """An original that is cut for these inputs; None if it need not be cut, or cannot.

    Raises:
        RuntimeError: it cannot be run.
    """
    graph = original.inner.read_graph() if original.inner else None
    if original.inner is None or graph is None:
        return None
    cuts = find_cuts(graph)
    if not cuts.names:
        return None
    run_whole = original.inner.open(cuts.names, {})
    values = [run_whole(each) for each in prepared]
    run = original.inner.open(list(dict.fromkeys([*cuts.names, *outputs])), values[0])
    run({**prepared[0], **values[0]})  # an error if a part does not take the values
    return CutOriginal(cuts, original.inner, values, outputs, run)


def move_values(values: Array, rng: np.random.Generator) -> Array:
    """Floats that differ from the values by one rounding, up or down."""
    dtype = values.dtype if values.dtype.kind == "f" else np.dtype(np.float32)
    signs = rng.choice((-1.0, 1.0), values.shape)
    moved = values * (1 + ROUNDING * float(np.finfo(dtype).eps) * signs)
    return moved.astype(dtype)


def move_far(feed: NamedArrays) -> list[dict[str, Array]]:
    """Inputs whose floats are moved by many roundings of the largest value: all up, all down, and
    at random; none if there are no floats.
    """
    if all(values.dtype.kind != "f" for values in feed.values()):
        return []
    rng = np.random.default_rng(0)
    moved = []
    for draw in range(FAR_DRAWS):
        feeds = {}
        for name, values in feed.items():
            signs = rng.choice((-1, 1), values.shape) if draw > 1 else (1, -1)[draw]
            feeds[name] = _shift(values, signs, FAR) if values.dtype.kind == "f" else values
        moved.append(feeds)
    return moved


def _move_floats(values: NamedArrays, rng: np.random.Generator) -> dict[str, Array]:
    return {
        name: move_values(each, rng) if each.dtype.kind == "f" else each
        for name, each in values.items()
    }


def _shift(values: Array, signs: Array | int, roundings: int) -> Array:
    finite = np.abs(values[np.isfinite(values)].astype(np.float64))
    distance = roundings * ROUNDING * float(np.finfo(values.dtype).eps) * finite.max(initial=0)
    shifted: Array = (values + signs * distance).astype(values.dtype)
    return shifted
