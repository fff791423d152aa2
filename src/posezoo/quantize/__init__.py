"""INT8 IR from FP32 IR: calibrated on photos, held against FP32 on others, published only within bounds."""

from __future__ import annotations

from posezoo.quantize.plan import PRECISIONS, plan
from posezoo.quantize.quantize import Quantized, hold_against_fp32, quantize
from posezoo.quantize.report import measurements
from posezoo.quantize.subject import Subject, refuse, why_not

__all__ = [
    "PRECISIONS",
    "Quantized",
    "Subject",
    "hold_against_fp32",
    "measurements",
    "plan",
    "quantize",
    "refuse",
    "why_not",
]
