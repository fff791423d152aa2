"""INT8 IR from FP32 IR: calibrated on photos, compared with FP32 on other photos, published within bounds."""

from __future__ import annotations

from posezoo.quantize.quantization import Quantized, compare_with_fp32, quantize, to_measurements
from posezoo.quantize.quantization_plan import QuantizationOptions
from posezoo.quantize.quantization_target import QuantizationTarget, require_quantizable

__all__ = [
    "QuantizationOptions",
    "QuantizationTarget",
    "Quantized",
    "compare_with_fp32",
    "quantize",
    "require_quantizable",
    "to_measurements",
]
