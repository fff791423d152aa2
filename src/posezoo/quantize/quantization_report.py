"""What a quantization measured, as ``posezoo record`` takes it into measured.yml."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime, timezone
from typing import Any

from posezoo.measured import KINDS, Measurement
from posezoo.quantize.quantization import Quantized
from posezoo.quantize.quantization_target import QuantizationTarget
from posezoo.versions import package_version


def to_measurements(target: QuantizationTarget, quantized: Quantized) -> list[dict[str, Any]]:
    """How far each IR that was made now lies from FP32, in JSON's types."""
    whole = target.fp32_xml.with_suffix(".bin").stat().st_size
    found = []
    for precision, displacement in quantized.shifts.items():
        share = quantized.irs[precision].with_suffix(".bin").stat().st_size / whole
        metrics = {**displacement.to_json(), "bin_share": share}
        measurement = Measurement(
            "quantization",
            precision,
            {name: metrics[name] for name in KINDS["quantization"].figures},
            settings={"photos": quantized.measured_photos, "calibrated on": quantized.calibration_photos},
            tools={name: package_version(name) for name in ("nncf", "openvino")},
            date=datetime.now(timezone.utc).date().isoformat(),
        )
        found.append(_plain(target.spec.full_name, measurement))
    return found


def _plain(model: str, measurement: Measurement) -> dict[str, Any]:
    said: Mapping[str, Any] = asdict(measurement)
    kept = {key: value for key, value in said.items() if value and key not in ("tag", "weights")}
    return {"model": model, **kept, "precision": measurement.precision.value}
