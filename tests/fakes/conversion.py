"""Conversions of models that no registry declares, without a download before them."""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import Any

from posezoo.core.convert.conversion_plan import ConversionOptions
from posezoo.core.convert.formats import image_layout
from posezoo.core.declarations.model import Decoder, ModelSpec, Precision
from posezoo.core.events import Listener, ignore_event
from posezoo.core.layout import ModelLayout
from posezoo.core.lockfile import LockFile
from posezoo.core.pipeline.get import Converted, convert, get
from posezoo.core.pipeline.plan import Plan, make_plan
from posezoo.core.pipeline.zoo_context import download_options
from posezoo.core.registry import Registry
from posezoo.core.resolve import resolution
from posezoo.core.resolve.input_options import InputOptions
from posezoo.core.resolve.resolution import resolve_model
from posezoo.core.resolve.resolved import Resolved
from posezoo.core.resolve.stage_context import Context
from posezoo.core.settings import read_settings, to_settings

#: What a conversion makes.
PRECISIONS = (Precision.FP32, Precision.FP16)


def context_of(layout: ModelLayout) -> Context:
    """No registry and an empty lock."""
    settings = to_settings(read_settings({}))
    lock = LockFile(Path(os.devnull).with_name("no-such-lock"))
    options = download_options(settings)
    return Context(settings, Registry([]), layout, lock, options, image_layout=image_layout)


def resolved_of(
    spec: ModelSpec,
    layout: ModelLayout,
    precisions: Collection[Precision] = PRECISIONS,
    *,
    decoder: Decoder | None = None,
) -> Resolved:
    """The model, resolved; with another decoder if one is given."""
    resolved = resolve_model(spec, precisions, context_of(layout), checkpoint=layout.checkpoint)
    return replace(resolved, decoder=decoder or resolved.decoder)


def plan_conversion(
    spec: ModelSpec,
    layout: ModelLayout,
    precisions: Collection[Precision] = PRECISIONS,
    *,
    self_check: bool = True,
    force: bool = False,
    require_proof: bool = False,
    decoder: Decoder | None = None,
) -> Plan:
    """The plan of a dry run."""
    resolved = resolved_of(spec, layout, precisions, decoder=decoder)
    options = ConversionOptions(force, self_check, is_strict=require_proof)
    return make_plan(resolved, context_of(layout), options, downloads=False, is_dry_run=True)


def convert_model(
    spec: ModelSpec,
    layout: ModelLayout,
    *,
    precisions: Collection[Precision] = PRECISIONS,
    self_check: bool = True,
    force: bool = False,
    decoder: Decoder | None = None,
    by_nodes: bool = False,
    listener: Listener = ignore_event,
) -> Converted:
    """The IR of a model whose files lie where the layout says."""
    resolved = resolved_of(spec, layout, precisions, decoder=decoder)
    options = ConversionOptions(force, self_check, by_nodes=by_nodes)
    plan = make_plan(resolved, context_of(layout), options, downloads=False)
    return convert(resolved, plan, options, listener=listener)


def convert_to_fp16(
    spec: ModelSpec, layout: ModelLayout, *, decoder: Decoder | None = None
) -> Path:
    """The .xml of a model in FP16, without a self-check."""
    precision = Precision.FP16
    made = convert_model(spec, layout, precisions=[precision], self_check=False, decoder=decoder)
    return made.irs[precision]


def is_up_to_date(spec: ModelSpec, layout: ModelLayout, precision: Precision) -> bool:
    """Whether an IR need not be made, even if it was not self-checked."""
    plan = plan_conversion(spec, layout, (precision,), self_check=False)
    return all(ir.is_up_to_date for ir in plan.irs) and not spec.is_ir


def with_camera_input(spec: ModelSpec, **options: Any) -> ModelSpec:
    """The model with camera input, in the usual layout of its format."""
    return resolution.with_camera_input(spec, InputOptions(**options), image_layout(spec.framework))


def get_model(
    spec: ModelSpec,
    context: Context,
    precisions: Collection[Precision],
    *,
    listener: Listener = ignore_event,
) -> dict[Precision, Path]:
    """The IR of a model of a registry, downloaded and converted if they are not there."""
    return dict(get(resolve_model(spec, precisions, context), context, listener=listener).irs)
