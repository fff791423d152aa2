"""Import OpenVINO, after a check of its version."""

from __future__ import annotations

import re
import threading
from collections.abc import Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any

from posezoo.core.errors import MissingPackageError, import_optional, sanitize
from posezoo.core.install_commands import pip_command
from posezoo.core.operating_system import IS_WINDOWS, quota_cores
from posezoo.core.versions import package_version, parse_version
from posezoo.core.workers.threads import library_threads

if TYPE_CHECKING:
    from openvino import Model

#: The oldest version. 2025.1 and older convert MoveNet incorrectly, without an error; 2025.2 runs
#: no sum of all values, and neither it nor 2025.3 imports a network that is mapped into memory.
MINIMUM = (2025, 4)

# https://www.w3.org/TR/xml/#charsets lists all others: a set of them takes 4 ms to compile.
_NOT_IN_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")

# Only one thread at a time may run the first calls.
_FIRST_CALL = threading.Lock()


def import_openvino(*, extra: str = "run") -> ModuleType:
    """The ``openvino`` package; if it is missing, the error names the ``extra`` of posezoo to
    install.

    Raises:
        MissingPackageError: it is not installed, does not load, or is older than 2025.4.
    """
    installed = package_version("openvino")
    if installed and parse_version(installed) < MINIMUM:
        oldest = ".".join(map(str, MINIMUM))
        reason = (
            f"version {installed} is too old ({oldest} or newer converts every model correctly)"
        )
        raise MissingPackageError("openvino", extra=extra, reason=reason)
    # The first call fills a table in C++ under a lock, and meanwhile releases Python's lock (GIL).
    # Two threads that both infer for the first time would deadlock (7 of 20 processes in 2026.4.1).
    with _FIRST_CALL:
        module = import_optional("openvino", extra=extra)
        if not hasattr(module, "Core"):
            # Both packages have openvino/__init__.py, and pip removes it with either of them.
            reason = "some of its files are missing, as after uninstalling openvino-dev"
            error = MissingPackageError("openvino", extra=extra, reason=reason)
            error.hint = (
                f"{pip_command()} install --force-reinstall --no-deps openvino=={installed}"
            )
            raise error
        module.Type.f32.to_dtype()
    return module


def openvino_core(*, extra: str = "run") -> Any:
    """An ``openvino.Core`` that allows the files of its models to be moved, and obeys
    ``library_threads``.

    Windows cannot move a mapped file; there, reading weights into memory takes a fifth longer.

    Raises:
        MissingPackageError: see ``import_openvino``.
    """
    core = import_openvino(extra=extra).Core()
    core.set_property({"ENABLE_MMAP": not IS_WINDOWS})
    # OpenVINO starts a thread for each core, however few of them a container may use.
    if threads := library_threads() or quota_cores():
        core.set_property("CPU", {"INFERENCE_NUM_THREADS": threads})
    return core


def fold_constants(network: Model) -> None:
    """Replace operations that depend on no input, or only on static sizes (ShapeOf), with
    constants.
    """
    passes = import_optional("openvino.passes", extra="run")
    manager = passes.Manager()
    manager.register_pass(passes.ConstantFolding())
    manager.run_passes(network)


def explain_invalid_names(network: Model) -> str:
    """Which name of an operation or tensor is not UTF-8, or cannot be in XML, as in an IR; empty if
    none.
    """
    for operation in network.get_ops():
        try:
            names = {operation.get_friendly_name()}.union(
                *(port.names for port in operation.outputs())
            )
        except UnicodeDecodeError as error:
            return (
                "it has a name that is not UTF-8:"
                f" {sanitize(error.object.decode('utf-8', 'replace'))}"
            )
        if invalid := next(filter(_NOT_IN_XML.search, sorted(names)), ""):
            return f"it has a name with a character that XML does not allow: {sanitize(invalid)}"
    return ""


def name_ports(network: Model) -> list[str]:
    """Give each input and output without a name one that says its place, such as output0, and
    return these names: ``openvino.convert_model`` gives the outputs of a PyTorch module none.
    """
    taken = {name for port in (*network.inputs, *network.outputs) for name in port.names}
    given = []
    for kind, ports in (("input", network.inputs), ("output", network.outputs)):
        for place, port in enumerate(ports):
            if port.names:  # another one of the same tensor gets its name with it
                continue
            name = f"{kind}{place}"
            while name in taken:
                name += "_"
            port.get_tensor().set_names({name})
            given.append(name)
    return given


def is_quantized(network: Model) -> bool:
    """Whether a network rounds some of its values to few levels."""
    return any(node.get_type_name() == "FakeQuantize" for node in network.get_ops())


def static_sizes(shape: Any) -> tuple[int, ...]:
    """The sizes of an ``openvino.PartialShape`` of static rank, with -1 for dynamic sizes."""
    return tuple(-1 if size.is_dynamic else size.get_length() for size in shape)


def add_mean_and_scale(steps: Any, mean: Sequence[float], scale: Sequence[float]) -> None:
    """Add to ``openvino.preprocess`` steps that subtract and divide, by values for all channels or
    for each.
    """
    for values, apply in ((mean, steps.mean), (scale, steps.scale)):
        if values:
            apply(values[0] if len(values) == 1 else list(values))


def error_text(error: BaseException) -> str:
    """An error of OpenVINO in one line.

    Its messages begin with the failed check and a position in its own sources; only the last line
    is useful, or the summary of the operations that it cannot convert.
    """
    lines = [line.strip().removeprefix("-- ") for line in str(error).splitlines() if line.strip()]
    if "Summary:" in lines:
        summary = lines[lines.index("Summary:") + 1 :]
        return "; ".join(
            line for line in summary if not line.startswith("To facilitate the conversion")
        )
    if not lines:
        return type(error).__name__
    return lines[-1].rstrip(".").replace("std::bad_alloc", "it needs more memory than is available")
