"""Darknet networks that a model.yml of Open Model Zoo gives to keras-YOLOv3-model-set.

That project's scripts make a TensorFlow network of a .cfg and a .weights file. posezoo reads both
itself.
"""

from __future__ import annotations

from dataclasses import replace

from posezoo.core.declarations.mo_args import OTHER_ORIGINALS
from posezoo.core.declarations.model import Framework, ModelSpec

# The second makes a frozen graph of what the first makes.
_SCRIPT = "keras-YOLOv3-model-set/tools/model_converter/convert.py"
_FREEZING_SCRIPT = "keras-YOLOv3-model-set/tools/model_converter/keras_to_tensorflow.py"
_WEIGHTS = ".weights"
_CFG = ".cfg"


def with_darknet_weights(spec: ModelSpec) -> ModelSpec:
    """The model with its .weights as the file to convert; unchanged if that script does not make
    the file, or the .cfg or the .weights is not the only one.
    """
    if not spec.input_model.startswith("$conv_dir/") or _SCRIPT not in spec.file_names:
        return spec
    weights = _find_only(spec, _WEIGHTS)
    if weights is None or find_cfg(spec) is None:
        return spec
    kept = tuple(pair for pair in spec.mo_args if pair[0] not in OTHER_ORIGINALS)
    return replace(spec, input_model=f"$dl_dir/{weights}", mo_args=kept)


def find_cfg(spec: ModelSpec) -> str | None:
    """The file with the layers; None if there is none, or several."""
    return _find_only(spec, _CFG)


def _find_only(spec: ModelSpec, suffix: str) -> str | None:
    names = [name for name in spec.file_names if name.endswith(suffix)]
    return names[0] if len(names) == 1 else None


def is_frozen(spec: ModelSpec) -> bool:
    """Whether upstream makes a frozen graph of the network, and not a SavedModel."""
    return _FREEZING_SCRIPT in spec.file_names


def is_darknet(spec: ModelSpec) -> bool:
    """Whether the file to convert is a .weights."""
    return spec.framework is Framework.TF and spec.source_name.endswith(_WEIGHTS)
