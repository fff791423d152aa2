"""Read the arguments of Open Model Zoo's export to ONNX, ``conversion_to_onnx_args``."""

from __future__ import annotations

from collections.abc import Iterable

#: Like Open Model Zoo's own program, we also accept their prefixes.
FLAGS = (
    "--model-name", "--weights", "--input-shapes", "--output-file", "--model-path",
    "--import-module", "--input-names", "--output-names", "--model-param", "--inputs-dtype",
    "--conversion-param", "--opset_version",
)  # fmt: skip


def values_by_flag(texts: Iterable[str]) -> dict[str, list[str]]:
    """The values of each flag, in order; abbreviated flags are completed. A ValueError names a flag
    that is unknown, or abbreviates several.
    """
    values: dict[str, list[str]] = {}
    for text in texts:
        name, _, value = text.partition("=")
        flags = [flag for flag in FLAGS if flag == name] or [
            flag for flag in FLAGS if flag.startswith(name)
        ]
        if len(flags) != 1:
            raise ValueError(name)
        values.setdefault(flags[0], []).append(value.strip())
    return values
