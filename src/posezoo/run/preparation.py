"""Whether model.yml, a file's metadata or the user say how images are prepared for a network (mean,
scale, and order of colors).
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from posezoo.core.declarations.channel_values import explain_preparation
from posezoo.core.declarations.model import ColorOrder, Model, ModelSpec
from posezoo.core.declarations.model_files import is_network_file
from posezoo.core.errors import Advice, InferenceError, shell_word
from posezoo.core.ir.people_metadata import UNSTATED
from posezoo.core.registry import open_registry
from posezoo.run.pipeline_spec import find_published

if TYPE_CHECKING:
    from posezoo.run.runtime.graph import Graph, Preprocessing

#: The keys of posezoo's metadata that say how: they are written if model.yml or flags do.
_OWN_KEYS = ("color", "reverse_input_channels", "mean", "scale")
_MODEL_INFO_KEYS = (
    "embedded_processing", "reverse_input_channels", "mean_values", "scale_values",
)  # fmt: skip


def require_stated(model: Model) -> None:
    """Check that a model.yml says how images are prepared.

    Raises:
        InferenceError: it does not, as a draft.
    """
    if isinstance(model, ModelSpec) and model.first_input.is_unstated:
        raise InferenceError(
            explain_unstated(model.path),
            hint="state color in its inputs, RGB or BGR, and mean and scale unless it takes 0 to"
            " 255",
        )


def find_statement(graph: Graph) -> str:
    """Which metadata of a file say how images are prepared; empty if none do."""
    if is_stated_by_posezoo(graph):
        return "metadata of posezoo"
    if graph.ultralytics:
        return "metadata of Ultralytics"
    return "model_info" if any(map(graph.read_model_info, _MODEL_INFO_KEYS)) else ""


def is_stated_by_posezoo(graph: Graph) -> bool:
    """Whether posezoo made the file, and its metadata say how images are prepared."""
    if graph.read_pipeline("preparation") == UNSTATED:
        return False
    return any(graph.read_rt_info("posezoo", name) for name in _OWN_KEYS)


def require_statement(graph: Graph, like: ModelSpec | None, *, is_given: bool) -> None:
    """Check that a file, a model that it is like or was published as, or the user (``is_given``)
    says how images are prepared.

    Raises:
        InferenceError: none of them does.
    """
    if like or is_given or find_statement(graph):
        return
    if not find_published(graph.path, open_registry()):
        raise InferenceError(explain_unstated(graph.path), hint=advise_preparation(graph.path))


def explain_wrong_values(graph: Graph, given: Preprocessing) -> str:
    """A sentence on the mean and the scale that a network subtracts and divides by itself, or that
    are added to it, if they are likely wrong; empty if they are not.
    """
    given = read_original(graph, given)
    color = ColorOrder.RGB if given.reverse_input_channels else ColorOrder.BGR
    problem = explain_preparation(given.mean, given.scale, color)
    if "order" in problem:
        problem += ", which reverse_input_channels changes"
    return problem


def read_original(graph: Graph, given: Preprocessing) -> Preprocessing:
    """What the original of an IR of posezoo left to the caller; of any other file, what is given
    with it.
    """
    mean, scale = (_read_first(graph, name) for name in ("mean", "scale"))
    if not (mean or scale):
        return given
    is_reversed = graph.read_rt_info("posezoo", "reverse_input_channels").startswith("true")
    is_rgb = (graph.read_rt_info("posezoo", "color") == ColorOrder.RGB) != is_reversed
    return replace(given, reverse_input_channels=is_rgb, mean=mean, scale=scale)


def _read_first(graph: Graph, name: str) -> tuple[float, ...]:
    first, _, _ = graph.read_rt_info("posezoo", name).partition(";")
    try:
        return tuple(map(float, first.split()))
    except ValueError:
        return ()


def advise_new(file: Path, flags: str, more: str = "") -> Advice:
    """The command that writes what flags say of a file into a model.yml beside it, what reads that,
    and what follows; of a file that is no network yet, the command that makes it one.
    """
    if not is_network_file(f"{file}"):
        convert = f"posezoo convert {shell_word(file)} {flags} -o {shell_word(file.stem)}.xml"
        return Advice(f"{convert} makes an IR{more}")
    yml = file.with_suffix(".yml")
    command = " ".join(("posezoo", "new", shell_word(file), flags, "writes", f"{yml}"))
    command = command.replace("{", "{{").replace("}", "}}")
    return Advice(f"{command} for {{like}}{more}", like=f"{yml}")


def advise_preparation(file: Path) -> Advice:
    """What to do with a file of which nothing says how images are prepared."""
    more = ": give the network's own values, and --reverse_input_channels if it takes RGB"
    return advise_new(file, "--mean_values 0 --scale_values 1", more)


def explain_unstated(file: Path) -> str:
    """The problem of a file of which nothing says it."""
    return f"{file}: does not say how images are prepared for it: mean, scale, and order of colors"
