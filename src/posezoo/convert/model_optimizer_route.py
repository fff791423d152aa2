"""Published files to IR by a Model Optimizer, once for each precision; described and recorded as ours are.

Nothing is self-checked: no runtime here reads what only Model Optimizer reads. Its output is read once, so
that it is an IR that can be loaded, and written by today's OpenVINO, without the paths that it records.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from posezoo.convert import frontends
from posezoo.convert.model_optimizer import (
    ModelOptimizer,
    build_arguments,
    refuse_unsafe_arguments,
    run_model_optimizer,
)
from posezoo.convert.publish import contents_by_suffix, put_in_place, read_contents
from posezoo.errors import ConversionError
from posezoo.files.staging import staging_dir
from posezoo.ir import ir_writer, provenance
from posezoo.ir.complexity import compute_complexity
from posezoo.ir.openvino_import import error_text, import_openvino
from posezoo.layout import ModelLayout
from posezoo.resolve.resolved import Resolved, Target
from posezoo.spec.model import ModelSpec


def convert_with_model_optimizer(
    resolved: Resolved, layout: ModelLayout, mo: ModelOptimizer, targets: Sequence[Target]
) -> None:
    """Make IR of a downloaded model.

    Args:
        resolved: the model.
        layout: where its files lie, those among them that upstream code made.
        mo: the Model Optimizer.
        targets: the IR.

    Raises:
        ConversionError: the files are not there or not what was promised, or Model Optimizer fails.
        LockError: a strict lock does not have an IR.
        OutputError: an IR cannot be written.
    """
    spec, decoder = resolved.source, resolved.decoder
    refuse_unsafe_arguments(spec)
    source = frontends.verify_source_model(spec, layout)
    with staging_dir(layout.model_dir(spec)) as staging:
        for target in targets:
            folder = staging / target.precision
            arguments = build_arguments(spec, layout, source, mo, target.precision, folder)
            run_model_optimizer(mo, arguments, spec)
            network = _read(spec, folder / f"{spec.name}.xml")
            ir_writer.prepare_for_writing(network, spec, decoder)
            xml = ir_writer.write_ir(network, folder / "described" / f"{spec.name}.xml", target.precision)
            contents = read_contents(xml)
            if target.agreed is not None:
                target.agreed.require(contents_by_suffix(contents))
            complexity = compute_complexity(network)
            record = provenance.format_provenance(
                spec,
                decoder,
                contents,
                None,
                asdict(complexity) if complexity else None,
                model_optimizer=mo.version,
            )
            put_in_place(xml, target.xml, contents, record)


def _read(spec: ModelSpec, xml: Path) -> Any:
    """What Model Optimizer wrote, without its own records."""
    ov = import_openvino()
    try:
        network = ov.Core().read_model(xml)
        return ov.Model(network.get_results(), network.get_parameters(), spec.name)
    except RuntimeError as error:
        raise ConversionError(
            f"{spec.full_name}: what Model Optimizer made cannot be read: {error_text(error)}"
        ) from error
