"""The stages of one model in their order: resolve, plan, download, convert."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

from posezoo.convert.conversion_plan import ConversionOptions, select_due
from posezoo.errors import ConversionError, PosezooError
from posezoo.events import (
    ConversionFinished,
    ConversionSkipped,
    ConversionStarted,
    Listener,
    ignore_event,
)
from posezoo.files.staging import remove_stale_staging_dirs
from posezoo.layout import ModelLayout
from posezoo.pipeline.plan import Plan, make_plan
from posezoo.pipeline.resolver import resolve, with_final_pins
from posezoo.pipeline.zoo_context import Context
from posezoo.resolve.custom_weights import require_network
from posezoo.resolve.request import InputOptions, Request
from posezoo.resolve.resolved import Resolved
from posezoo.spec.model import CompositeSpec, ModelSpec, Precision


@dataclass(frozen=True, slots=True)
class Converted:
    """A model, and the paths of its IR (.xml) by precision."""

    resolved: Resolved
    irs: Mapping[Precision, Path]


def get(
    resolved: Resolved,
    context: Context,
    options: ConversionOptions | None = None,
    *,
    listener: Listener = ignore_event,
) -> Converted:
    """Download and convert a model; files and IR that are up to date are kept.

    Args:
        resolved: the model, from ``resolve_model``.
        context: the download options, and the path of the Model Optimizer.
        options: how its IR are made; None for the defaults.

    Raises:
        FetchError: a file cannot be downloaded.
        ConversionError: no IR can be made from the files, or none is published in these precisions; or an IR
            of the user's own weights would be replaced.
        LockError: a strict lock does not list a file or an IR.
    """
    options = options or ConversionOptions()
    plan = make_plan(resolved, context, options)
    resolved = download(plan, context, listener=listener)
    return convert(resolved, plan, options, listener=listener)


def resolve_model(
    spec: ModelSpec,
    precisions: Iterable[Precision],
    context: Context,
    *,
    inputs: InputOptions | None = None,
    checkpoint: Path | None = None,
) -> Resolved:
    """Decide how a model becomes IR: make a ``Request`` for it, and resolve it with the context."""
    request = Request(
        spec,
        tuple(precisions),
        inputs or InputOptions(),
        checkpoint,
        has_model_optimizer=context.settings.mo is not None or context.mo_python is not None,
        allow_upstream_code=context.allow_upstream_code,
    )
    return resolve(request, context.registry, context.layout, context.lock)


def download(plan: Plan, context: Context, *, listener: Listener = ignore_event) -> Resolved:
    """Download and verify the files of a plan, if it needs any.

    Returns:
        The model with its final pins: trust on first use may have added some.

    Raises:
        ConversionError: an IR that has to be made cannot be made here, so no file is downloaded.
        FetchError: a file cannot be downloaded.
    """
    resolved = plan.resolved
    if plan.obstacle is not None:
        raise resolved.error(plan.obstacle)
    if not plan.files:
        return resolved
    from posezoo.download.model_download import download_model

    spec = resolved.spec
    precisions = [target.precision for target in resolved.targets] if spec.is_ir else None
    download_model(spec, resolved.layout, context.download_options, precisions=precisions, listener=listener)
    return with_final_pins(resolved, context.lock)


def convert(
    resolved: Resolved, plan: Plan, options: ConversionOptions, *, listener: Listener = ignore_event
) -> Converted:
    """Make the IR of a plan from downloaded files; IR that are up to date are not changed.

    Raises:
        ConversionError: an IR that has to be made cannot be made here; or no IR was published in the
            requested precisions, or its files do not exist.
        LockError: a strict lock does not list an IR.
        PosezooError: further errors; see ``convert.conversion.convert_with_openvino``.
    """
    from posezoo.convert.conversion import convert_with_openvino, export_onnx

    spec = resolved.source
    if options.keep_onnx:
        require_network(spec)
    if plan.obstacle is not None:
        raise resolved.error(plan.obstacle)
    if spec.is_ir:
        listener(ConversionSkipped(spec.full_name, "published as IR"))
        irs = {ir.precision: ir.xml for ir in plan.irs if ir.xml.is_file()}
        if not irs:
            places = ", ".join(str(ir.xml) for ir in plan.irs)
            raise ConversionError(f"{places}: not there", hint=f"posezoo download {spec.full_name}")
        return Converted(resolved, irs)
    remove_stale_staging_dirs(resolved.layout.model_dir(spec))
    if due := select_due(spec.full_name, plan.irs, listener):
        with _upstream_results(resolved, listener) as layout:
            listener(ConversionStarted(spec.full_name, tuple(target.precision for target in due)))
            try:
                if plan.model_optimizer is None:
                    convert_with_openvino(resolved, layout, due, options, listener=listener)
                else:
                    from posezoo.convert.model_optimizer import convert_with_model_optimizer

                    convert_with_model_optimizer(resolved, layout, plan.model_optimizer, due)
            except PosezooError as error:
                listener(ConversionFinished(spec.full_name, False, error.problem))
                raise
        listener(ConversionFinished(spec.full_name, True))
    elif options.keep_onnx:
        export_onnx(resolved, force=True)
    return Converted(resolved, {ir.precision: ir.xml for ir in plan.irs})


def _upstream_results(resolved: Resolved, listener: Listener) -> AbstractContextManager[ModelLayout]:
    """The layout for the conversion; the results of upstream code exist until the context ends."""
    if not resolved.runs_upstream_code:
        return nullcontext(resolved.layout)
    from posezoo.convert.upstream_code import run_upstream_code

    return run_upstream_code(resolved.spec, resolved.layout, listener=listener)


def get_irs(
    model: ModelSpec | CompositeSpec,
    precision: Precision,
    context: Context,
    *,
    checkpoint: Path | None = None,
    force: bool = False,
    listener: Listener = ignore_event,
) -> dict[str, Path]:
    """The .xml of each part of a model by its name; it is downloaded and converted if needed.

    ``force`` converts again even if the IR are up to date.

    Raises:
        FetchError: a file cannot be downloaded.
        ConversionError: an IR cannot be made, or was not published in this precision.
    """
    irs = {}
    for part in context.registry.parts(model):
        resolved = resolve_model(part, (precision,), context, checkpoint=checkpoint)
        converted = get(resolved, context, ConversionOptions(force=force), listener=listener)
        irs[part.name] = converted.irs[precision]
    return irs


def write_model_card(
    model: ModelSpec | CompositeSpec, context: Context, output_dir: Path | None = None
) -> Path:
    """Write a model's card to the folder of its IR; a card with the same content is not rewritten.

    Args:
        context: names the registry and the folder of the IR.
        output_dir: another folder of the IR; None for the context's.

    Raises:
        OutputError: the card cannot be written.
    """
    from posezoo.cards.model_card import write_card
    from posezoo.facts.model_facts import ModelFacts

    parts = tuple(context.lock.with_pins(part) for part in context.registry.parts(model))
    layout = context.layout if output_dir is None else replace(context.layout, output_dir=output_dir)
    return write_card(ModelFacts(model, parts, layout))
