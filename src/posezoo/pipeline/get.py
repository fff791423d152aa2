"""The stages of one model in their order: resolve, plan, download, convert."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from posezoo.convert.conversion_plan import ConversionOptions
from posezoo.events import Listener, ignore_event
from posezoo.pipeline.plan import Plan, make_plan
from posezoo.pipeline.resolver import resolve, with_final_pins
from posezoo.pipeline.zoo_context import Context
from posezoo.resolve.request import InputOptions, Request
from posezoo.resolve.resolved import Resolved
from posezoo.spec.model import CompositeSpec, ModelSpec, Precision

if TYPE_CHECKING:
    from posezoo.convert.conversion import Converted


def get(
    resolved: Resolved,
    context: Context,
    options: ConversionOptions | None = None,
    *,
    listener: Listener = ignore_event,
) -> Converted:
    """Download and convert what is not there yet.

    Args:
        resolved: the model, see ``resolve_model``.
        context: how its files may be downloaded, and which Model Optimizer there is.
        options: how its IR are made; None: the defaults.
        listener: receives what happens.

    Raises:
        FetchError: a file cannot be downloaded.
        ConversionError: no IR can be made of the files, or none is published in these precisions; or an IR of
            the user's own weights would be replaced.
        LockError: a strict lock does not have a file or an IR.
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
    """Decide how a model becomes IR here: a ``Request`` for it, resolved with the context."""
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
        ConversionError: an IR that has to be made cannot be made here, so that no file is of use.
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
    """Make the IR of a plan, of files that are there; see ``convert.conversion.convert_model``."""
    from posezoo.convert.conversion import convert_model

    return convert_model(resolved, plan.irs, options, model_optimizer=plan.model_optimizer, listener=listener)


def get_irs(
    model: ModelSpec | CompositeSpec,
    precision: Precision,
    context: Context,
    *,
    checkpoint: Path | None = None,
    force: bool = False,
    listener: Listener = ignore_event,
) -> dict[str, Path]:
    """The .xml of each part of a model by its name; downloaded and converted if it is not there, or by force.

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
    """Draw a model's card beside its IR; a card that says the same already is left alone.

    Args:
        model: whose card it is.
        context: where it is declared, and its IR lie.
        output_dir: where its IR lie instead.

    Raises:
        OutputError: it cannot be written.
    """
    from posezoo.cards.model_card import write_card
    from posezoo.facts.model_facts import ModelFacts

    parts = tuple(context.lock.with_pins(part) for part in context.registry.parts(model))
    layout = context.layout if output_dir is None else replace(context.layout, output_dir=output_dir)
    return write_card(ModelFacts(model, parts, layout))
