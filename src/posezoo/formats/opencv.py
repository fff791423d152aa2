"""Runs networks in OpenCV's module dnn, as a reference of Caffe and Darknet."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from posezoo.core.versions import package_version

if TYPE_CHECKING:
    from posezoo.core.arrays import Array


def describe_opencv(module: Any) -> str:
    """The name of a runtime that is the module cv2."""
    return f"OpenCV {package_version('opencv-python-headless') or module.__version__}"


def read_exact(module: Any, read: Callable[..., Any], *content: object) -> Any:
    """The network that OpenCV reads, without what makes it faster and less exact; None if OpenCV
    refuses it.
    """
    try:
        net = read(*content)
    except module.error:
        return None
    net.enableFusion(False)
    net.enableWinograd(False)
    return net


def run_opencv(module: Any, net: Any, layers: Sequence[str | None]) -> Sequence[Array]:
    """What layers of OpenCV's network compute; a RuntimeError if OpenCV refuses it."""
    try:
        maps: Sequence[Array] = net.forward(list(layers))
    except module.error as error:
        raise RuntimeError(f"OpenCV refuses it: {error}") from error
    return maps
