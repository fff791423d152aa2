"""Make the IR of a model: run its own code if needed, then convert in the process that reads
networks.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace

from posezoo.core.convert.conversion_plan import ConversionOptions
from posezoo.core.convert.converter_program import ConverterProgram
from posezoo.core.convert.frontends import source_model_path
from posezoo.core.convert.reader_process import limits_for, run_in_reader_process
from posezoo.core.errors import PosezooError
from posezoo.core.events import ConversionFinished, ConversionStarted, Listener
from posezoo.core.layout import ModelLayout
from posezoo.core.resolve.resolved import Resolved, Target


def make_irs(
    resolved: Resolved,
    due: Sequence[Target],
    program: ConverterProgram | None,
    options: ConversionOptions,
    listener: Listener,
) -> None:
    """Make IR of a model whose files are downloaded, with the ``program`` or posezoo's own
    converter.

    Raises:
        PosezooError: see ``core.convert.conversion.convert_with_openvino``.
    """
    name = resolved.source.full_name
    results: AbstractContextManager[ModelLayout] = nullcontext(resolved.layout)
    if resolved.runs_upstream_code:
        from posezoo.core.convert.upstream_runner import UPSTREAM_CODE

        results = UPSTREAM_CODE.part.run(resolved.spec, resolved.layout, listener)
    with results as layout:  # the results of upstream code exist until the context ends
        resolved = replace(resolved, layout=layout, targets=tuple(due))
        spec = resolved.read_model
        source = source_model_path(spec, layout)
        files = {source, *(layout.file_path(spec, file) for file in spec.files)}
        limits = limits_for(files, options.timeout_s, options.memory_gb)
        if program:  # it has a limit of its own
            limits = replace(limits, seconds=limits.seconds + program.timeout_s * len(due))
        listener(ConversionStarted(name, tuple(target.precision for target in due)))
        try:
            run_in_reader_process(
                _make_irs_in_reader_process,
                resolved,
                program,
                options,
                source=source,
                limits=limits,
                listener=listener,
            )
        except PosezooError as error:
            listener(ConversionFinished(name, False, error.problem))
            raise
    listener(ConversionFinished(name, True))


def _make_irs_in_reader_process(
    resolved: Resolved,
    program: ConverterProgram | None,
    options: ConversionOptions,
    *,
    listener: Listener,
) -> None:
    if program:
        program.convert(resolved)
        return
    from posezoo.core.convert.conversion import convert_with_openvino

    if not resolved.source.is_ir:
        convert_with_openvino(resolved, options, listener=listener)
        return
    # Each precision is made from the published IR of the same precision.
    for target in resolved.targets:
        one = replace(resolved, source=resolved.source_of(target), targets=(target,))
        convert_with_openvino(one, options, listener=listener)
