"""Name each printed record that is no longer what ``posezoo run`` would do, and exit with 1 if there is one.

    python docs/stale_records.py [MODELS_DIR]

Lists and pages print the accuracy, speed and situations of whole pipelines from measured.yml, but none in f32 if ``run``
computes in bf16 there. Such a record is stale if ``run`` now takes another detector, another precision or type of it, or
if two records of one row are of different IR.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from posezoo.core.declarations.model import Model, Precision
    from posezoo.core.resolve.stage_context import Context
    from posezoo.figures.measured import Measurement
    from posezoo.run.pipeline_spec import PipelineSpec

#: How a machine's description says that its CPU computes in bf16.
BF16_CPUS = ("avx512_bf16", "amx_bf16")


def list_stale(models_dir: Path | None = None) -> list[str]:
    """A line for each stale record: the model, the record, and what ``run`` does instead."""
    from posezoo.core.pipeline.zoo_context import open_context
    from posezoo.core.settings import read_settings, to_settings

    flags = {"models_dir": models_dir} if models_dir else {}
    context = open_context(to_settings(read_settings(flags)))
    lines = []
    for model in context.registry.select().all:
        if model.decoder and not model.composite:
            lines += [f"{model.full_name}: {line}" for line in _list_of_model(model, context)]
    return lines


def _list_of_model(model: Model, context: Context) -> Iterator[str]:
    from posezoo.figures.measured import USUALLY_SHOWN
    from posezoo.figures.measurement_selection import MeasurementSelection
    from posezoo.run.pipeline_spec import resolve_pipeline

    selection = MeasurementSelection(one_request=True)
    for size in (None, *selection.target_sizes(model)):
        printed: dict[Precision, list[Measurement]] = {}
        for kind, shown in (
            *(("accuracy", USUALLY_SHOWN), ("situations", USUALLY_SHOWN)),
            *(("speed", USUALLY_SHOWN), ("speed", 1)),
        ):
            found = selection.select_of_pipeline(model, kind, shown, target_size=size)
            for record in found:
                printed.setdefault(record.precision, []).append(record)
        for precision, records in printed.items():
            pipeline = resolve_pipeline(model, context, precision)
            for record in records:
                for change in _list_changes(record, pipeline, context):
                    at = f" at {size}" if size else ""
                    yield f"{record.kind} of {precision}{at}, {record.date or 'no date'}: {change}"
            digests = {record.irs for record in records if record.irs}
            if len(digests) > 1:
                yield f"{precision}: its records are of different IR: {', '.join(sorted(digests))}"


def _list_changes(record: Measurement, pipeline: PipelineSpec, context: Context) -> Iterator[str]:
    from posezoo.core.declarations.model import ITSELF
    from posezoo.figures.measured import read_detector_precision
    from posezoo.figures.measurement_selection import executed_type

    settings = record.settings
    people_from = settings.get("people_from", ITSELF)
    if people_from != pipeline.people_from:
        yield f"people from {people_from}, run takes {pipeline.people_from}"
    measured = read_detector_precision(settings)
    if pipeline.detector and measured is not pipeline.detector_precision:
        yield f"its detector in {measured}, run takes {pipeline.detector_precision}"
    executed = executed_type(record)
    takes_bf16 = any(word in record.machine for word in BF16_CPUS) and _takes_bf16(
        pipeline, context
    )
    # An AP names no machine: in f32, it is that of a CPU without bf16.
    if executed and record.machine and takes_bf16 != ("bf16" in executed):
        yield f"computed in {executed}, run computes in {'bf16' if takes_bf16 else 'f32'}"


def _takes_bf16(pipeline: PipelineSpec, context: Context) -> bool:
    """Whether ``run`` computes a network in bf16 on a CPU that has it."""
    networks = pipeline.networks(context.registry)
    return any("bf16" in spec.compute_types and "INT8" not in each for spec, each in networks)


def main(arguments: Sequence[str]) -> int:
    """Print the lines; 1 if there are any."""
    lines = list_stale(Path(arguments[0]) if arguments else None)
    for line in lines:
        sys.stdout.write(f"{line}\n")
    sys.stdout.write(f"{len(lines)} printed records are no longer what run does\n")
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
