"""Quantize a model, and measure its speeds, for its measured.yml."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from posezoo.core.declarations.model import Model, ModelSpec, Precision
from posezoo.core.errors import InferenceError, QuantizationError
from posezoo.core.events import Listener, WarningIssued
from posezoo.core.pipeline.get import get
from posezoo.core.resolve.stage_context import Context
from posezoo.measure.benchmark_cases import BenchmarkOptions, CaseMaker
from posezoo.measure.benchmarking.benchmark_process import BenchmarkSchedule, run_rounds
from posezoo.measure.complexity_count import record_measurements
from posezoo.quantize.int8_models import explain_unsupported_int8, plan_int8, plan_required_irs
from posezoo.quantize.quantization import quantize, to_measurements
from posezoo.quantize.quantization_plan import QuantizationOptions
from posezoo.run.load import default_runtime
from posezoo.run.measured import read_measurement_file

INT8 = Precision.FP16_INT8


def quantize_model(spec: ModelSpec, context: Context, photos: Path, listener: Listener) -> None:
    """Make the INT8 IR that a model does not declare, and record its displacement; a warning says
    why there is none.
    """
    if INT8 in spec.precisions or explain_unsupported_int8(spec, context):
        return
    for plan in plan_required_irs(spec, context, photos, is_dry_run=False):
        get(plan.resolved, context, listener=listener)
    # An earlier run may have been interrupted between the IR and its record.
    options = QuantizationOptions((INT8,), force=True)
    try:
        quantized = quantize(plan_int8(spec, context, photos, options), listener=listener)
    except QuantizationError as error:
        listener(WarningIssued(f"{spec.full_name}: no INT8: {error.problem}"))
        return
    with TemporaryDirectory(prefix="posezoo-") as folder:
        path = Path(folder, "int8.json")
        path.write_text(json.dumps(to_measurements(quantized)), "utf-8")
        record_measurements(spec, [row for _, row in read_measurement_file(path)])


def measure_speeds(
    spec: ModelSpec, pose_model: Model | None, context: Context, listener: Listener
) -> dict[str, float]:
    """Record the speeds of a network alone, and of a pipeline with one person and with four.

    Returns:
        Images per second of the network, one after the other, by precision.
    """
    runtime = replace(default_runtime(context.settings), cache_dir=None)
    alone = BenchmarkOptions(runtime, (1, 0), precisions=(Precision.FP16, INT8))
    whole = replace(alone, requests=(1,), is_pipeline=True)
    ways: list[tuple[Model, BenchmarkOptions]] = [(spec, alone)]
    if pose_model:
        ways += [(pose_model, replace(whole, people=people)) for people in (1, 4)]
    speeds: dict[str, float] = {}
    with TemporaryDirectory(prefix="posezoo-") as folder:
        for model, options in ways:
            maker = CaseMaker(options, context, Path(folder), listener)
            for precision in maker.available_precisions(model):
                for case in maker.of_model(model, precision):
                    try:
                        *_, (result,) = run_rounds([case], BenchmarkSchedule(), listener=listener)
                        record_measurements(model, [result.to_measurement()])
                        speeds.setdefault(precision.value, result.throughput_fps.median)
                    except InferenceError as error:  # such as other work that disturbs it
                        listener(WarningIssued(error.problem))
    return speeds
