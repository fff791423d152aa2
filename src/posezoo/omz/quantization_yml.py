"""Read quantization.yml, with which Open Model Zoo sets how its quantizer makes INT8 of a model.

The file is for the Post-Training Optimization Tool of OpenVINO 2021; what NNCF lacks is named.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from posezoo.core.declarations.model import Plain, QuantizationSettings
from posezoo.core.declarations.quantization_file import QuantizationReader
from posezoo.core.declarations.yaml_nodes import read_yaml

_PRESETS = {"performance": "performance", "mixed": "mixed", "accuracy": "mixed"}
_MAX_SAMPLES = 100_000


def read_quantization_yml(path: Path) -> QuantizationSettings:
    """The settings of a quantization.yml; its other parameters are in ``unread``.

    Raises:
        SpecError: it is not YAML.
    """
    content = _mapping(read_yaml(path).to_plain())
    compression = _mapping(content.get("compression"))
    algorithms = compression.get("algorithms")
    first = algorithms[0] if isinstance(algorithms, (tuple, list)) and algorithms else None
    parameters = dict(_mapping(_mapping(first).get("params")))
    preset = parameters.get("preset")
    size = parameters.get("stat_subset_size")
    values: dict[str, str | int] = {}
    if isinstance(preset, str) and preset in _PRESETS:
        values["preset"] = _PRESETS[preset]
        if preset == values["preset"]:
            del parameters["preset"]
    if isinstance(size, int) and 1 <= size <= _MAX_SAMPLES:
        values["subset_size"] = size
        del parameters["stat_subset_size"]
    if compression.get("model_type") == "transformer":
        values["model_type"] = "transformer"
    return QuantizationSettings(**values, unread=tuple(_names(parameters)))  # type: ignore[arg-type]


def _mapping(value: object) -> Mapping[str, Plain]:
    return value if isinstance(value, Mapping) else {}


def _names(parameters: Mapping[str, Plain], prefix: str = "") -> Iterator[str]:
    for name, value in parameters.items():
        if isinstance(value, Mapping):
            yield from _names(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}: {value}"


class _QuantizationYmlReader(QuantizationReader):
    read = staticmethod(read_quantization_yml)


READER = _QuantizationYmlReader()
