"""INT8 IR from FP32 IR: calibrated on photos, held against FP32 on others, published only within bounds."""

from __future__ import annotations

from posezoo.quantize.quantization import Quantized, compare_with_fp32, quantize
from posezoo.quantize.quantization_plan import PRECISIONS, plan_quantization
from posezoo.quantize.quantization_report import to_measurements
from posezoo.quantize.quantization_target import QuantizationTarget, explain_unsupported, require_quantizable

__all__ = [
    "PRECISIONS",
    "QuantizationTarget",
    "Quantized",
    "compare_with_fp32",
    "explain_unsupported",
    "plan_quantization",
    "quantize",
    "require_quantizable",
    "to_measurements",
]
