"""A network's weights and activations to INT8, by NNCF: quietly, and the same every time.

Method: post-training quantization with activations' ranges from calibration samples and fast bias
correction (Kozlov et al., "Neural Network Compression Framework for fast model inference", 2020,
arXiv:2002.08679).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from fnmatch import fnmatchcase
from types import ModuleType
from typing import TYPE_CHECKING, Any

from posezoo.errors import MissingPackageError, QuantizationError, import_optional
from posezoo.ir.openvino_import import error_text, import_openvino
from posezoo.quantize.calibration_data import CalibrationSample
from posezoo.runtime.compiled_network import Array
from posezoo.spec.model import FloatLayers, QuantizationSettings
from posezoo.versions import explain_nncf_mismatch

if TYPE_CHECKING:
    from posezoo.quantize.ap_evaluator import AccuracyEvaluator

#: Told with every sample: how many of them have been through the network, and how many there are.
Progress = Callable[[int, int], None]


def quantize_network(
    network: Any,
    samples: Sequence[CalibrationSample],
    settings: QuantizationSettings,
    *,
    target_device: str = "ANY",
    progress: Progress = lambda done, of: None,
    evaluator: AccuracyEvaluator | None = None,
) -> Any:
    """The same network with INT8 weights and activations.

    Args:
        network: an ``openvino.Model`` in FP32; it is changed.
        samples: what activations are measured on, in this order.
        settings: how.
        target_device: what it shall run on, one of ``spec.quantization.TARGET_DEVICES``.
        progress: is told of each sample.
        evaluator: where it says how far AP may drop, layers go back to floating point until it drops no more.

    Returns:
        An ``openvino.Model``.

    Raises:
        QuantizationError: the settings name layers that the network has not, or NNCF fails.
        MissingPackageError: NNCF is not installed, or does not go with this OpenVINO.
    """
    in_float = float_layer_names(network, settings.in_float)
    nncf = import_nncf()

    def shown(numbered: tuple[int, CalibrationSample]) -> Mapping[str, Array]:
        number, sample = numbered
        progress(number, len(samples))
        return sample.inputs()

    how = {
        "preset": nncf.QuantizationPreset(settings.preset),
        "target_device": nncf.TargetDevice(target_device),
        "subset_size": len(samples),
        "model_type": nncf.ModelType(settings.model_type) if settings.model_type else None,
        "ignored_scope": nncf.IgnoredScope(names=in_float, validate=False),
    }
    calibration = nncf.Dataset(list(enumerate(samples, 1)), shown)
    with _quiet(nncf):
        try:
            if evaluator is None or evaluator.max_drop is None:
                return nncf.quantize(network, calibration, **how)
            return _quantize_with_accuracy_control(nncf, network, calibration, evaluator, how)
        except (RuntimeError, ValueError, TypeError, IndexError, KeyError) as error:
            raise QuantizationError(f"NNCF cannot quantize it: {error_text(error)}") from error


def _quantize_with_accuracy_control(
    nncf: ModuleType, network: Any, calibration: Any, evaluator: AccuracyEvaluator, how: Mapping[str, Any]
) -> Any:
    """Quantized as far as AP allows, by NNCF's accuracy control."""

    def validate(compiled: Any, numbers: Iterable[int]) -> tuple[float, None]:
        requested = set(numbers)
        others = {image.id for image in evaluator.dataset.images if image.id not in requested}
        return evaluator.compute_ap(compiled, evaluator.dataset.excluding(others)), None

    images = nncf.Dataset([image.id for image in evaluator.dataset.images])
    return nncf.quantize_with_accuracy_control(
        network, calibration, images, validate, max_drop=evaluator.max_drop, **how
    )


def float_layer_names(network: Any, kept: Sequence[FloatLayers]) -> list[str]:
    """The names of the operations that stay in floating point.

    Raises:
        QuantizationError: nothing is meant by one of the names or types.
    """
    operations = {
        operation.get_friendly_name(): operation.get_type_name()
        for operation in network.get_ordered_ops()
        if operation.get_type_name() not in ("Constant", "Parameter", "Result")
    }
    names: dict[str, None] = {}
    for each in kept:
        for pattern in each.layers:
            names |= _matching_operations(
                f"layers: {pattern}", [name for name in operations if fnmatchcase(name, pattern)]
            )
        for kind in each.types:
            names |= _matching_operations(
                f"types: {kind}", [name for name, own in operations.items() if own == kind]
            )
    return list(names)


def _matching_operations(said: str, names: list[str]) -> dict[str, None]:
    if not names:
        raise QuantizationError(
            f"quantization.in_float: {said}: the FP32 IR has none",
            hint="names and types are those of the .xml: <layer name= type=>",
        )
    return dict.fromkeys(names)


def import_nncf() -> ModuleType:
    """The ``nncf`` package, its telemetry off; takes seconds.

    Raises:
        MissingPackageError: it is not installed, does not load, or does not go with this OpenVINO.
    """
    import_openvino(extra="quantize")  # without its telemetry, which is NNCF's, too
    if reason := explain_nncf_mismatch():
        raise MissingPackageError("nncf", extra="quantize", reason=reason)
    return import_optional("nncf", extra="quantize")


@contextmanager
def _quiet(nncf: ModuleType) -> Iterator[None]:
    """Nothing of NNCF's own bars and log lines, which go to the standard output."""
    console, logger = (
        import_optional("rich", extra="quantize").get_console(),
        logging.getLogger(nncf.__name__),
    )
    before = console.quiet, logger.disabled
    console.quiet = logger.disabled = True
    try:
        yield
    finally:
        console.quiet, logger.disabled = before
