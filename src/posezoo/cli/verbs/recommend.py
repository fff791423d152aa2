"""posezoo recommend: name the models that meet limits of accuracy, latency and license.

With ``--format json``, the output is an object::

    models     list    the best first: name, ap (a share), latency_ms and gflops of one run of the
                       network, each {number, origin, how} or null; license; people_from; command
    ranked_by  str     the value that decides the order
    unknown    object  for each model that may meet the limits: the values that are not known
    gallery    str     the end of the address that shows these models in ``posezoo gallery``
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from posezoo.cli import flags
from posezoo.cli.flags import Flag
from posezoo.cli.measurement_flags import MEASUREMENT_FLAGS, measurement_selection
from posezoo.cli.report import print_result
from posezoo.cli.selection import select_models
from posezoo.console import Console
from posezoo.facts.json_projection import to_json
from posezoo.spec.model import Precision

if TYPE_CHECKING:
    from posezoo.facts.comparison import SourcedMetric
    from posezoo.facts.model_facts import ModelFacts
    from posezoo.facts.recommendation import RankedModel, Recommendation, RequiredValues
    from posezoo.spec.model import Model

EXAMPLES = """
posezoo recommend --min_ap 0.6
posezoo recommend --min_ap 0.6 --max_latency 30ms --license permissive
posezoo recommend --max_latency 30ms --figures speed.json
posezoo recommend --keypoints 133
"""

# COCO-WholeBody has 133 keypoints.
_WHOLE_BODY = 100

_LATENCY = re.compile(r"(\d+(?:\.\d+)?) ?(ms|s)")


def _milliseconds(text: str) -> float:
    match = _LATENCY.fullmatch(text)
    if match is None:
        raise argparse.ArgumentTypeError(f"expected a time such as 30ms, got {text!r}")
    return float(match[1]) * (1000 if match[2] == "s" else 1)


FLAGS = (
    Flag(
        "--min_ap SHARE",
        "the least AP, such as 0.6: the published one, else the measured one",
        flags.parse_fraction,
    ),
    Flag(
        "--max_latency TIME",
        "the longest time of one run of the network, such as 30ms, as measured",
        _milliseconds,
    ),
    Flag(
        "--keypoints N",
        "the number of keypoints, such as 26 for bodies with feet, or 133 for whole bodies, whose"
        " AP is of another data set (default: any but whole bodies)",
        int,
    ),
    Flag(
        "--license GLOB",
        "SPDX identifier of the license, a glob such as 'BSD-*', or permissive for licenses that"
        " only ask for a notice; may be given several times",
        repeats=True,
        default=[],
    ),
    *MEASUREMENT_FLAGS,
    f"{flags.REGISTRY} {flags.FORMAT}",
)


def run(args: argparse.Namespace) -> int:
    """Print the models, the best first, and why."""
    from posezoo.facts.comparison import compare_models
    from posezoo.facts.model_facts import ModelFacts
    from posezoo.facts.recommendation import PERMISSIVE, RequiredValues, recommend

    licenses: list[str] = []
    for name in args.license:
        licenses += PERMISSIVE if name == "permissive" else [name]
    limits = RequiredValues(args.min_ap, args.max_latency, licenses)
    context = flags.context_from_args(args)
    with Console(quiet=args.quiet) as console:
        measurements = measurement_selection(args, context.registry)
        selection = select_models(context.registry, None, console)
        selected: list[Model] = [*selection.composites, *selection.models]
        models = [ModelFacts(model, context.registry.parts(model)) for model in selected]
        models = [facts for facts in models if _has_keypoints(facts, args.keypoints)]
        comparison = compare_models(models, (Precision.FP16,), context.layout, measurements)
        answer = recommend(comparison.rows, limits)
    answer_json = _answer_json(answer, limits)
    lines = [*_lines(answer, comparison.network_setting), f"in a gallery: {answer_json['gallery']}"]
    print_result(args.format, answer_json, *lines)
    return 0 if answer.models and not selection.problems else 1


def _has_keypoints(facts: ModelFacts, count: int | None) -> bool:
    """Whether a model, which is no part of a composite, finds this number of keypoints; by default,
    fewer than of a whole body.
    """
    if facts.skeleton is None or facts.composite:
        return False
    keypoint_count = len(facts.skeleton.keypoints)
    return keypoint_count == count if count is not None else 0 < keypoint_count < _WHOLE_BODY


def _answer_json(answer: Recommendation, limits: RequiredValues) -> dict[str, Any]:
    return {
        "models": [_model_json(model) for model in answer.models],
        "ranked_by": answer.ranking.words,
        "unknown": answer.unknown,
        "gallery": _gallery_address(answer, limits),
    }


def _gallery_address(answer: Recommendation, limits: RequiredValues) -> str:
    """The page of a gallery with the same models in the same order; it has no limit of latency."""
    from posezoo.facts.recommendation import BY_AP, BY_LATENCY

    is_by_ap = answer.ranking is BY_AP
    cost = BY_LATENCY.column if is_by_ap else answer.ranking.column
    parameters = [
        ("y", BY_AP.column),
        ("x", cost),
        ("sort", f"-{BY_AP.column}" if is_by_ap else cost),
    ]
    if limits.min_ap is not None:
        parameters.append(("accuracy_min", f"{100 * limits.min_ap:g}"))
    if limits.licenses:
        licenses = dict.fromkeys(model.row.license for model in answer.models)
        parameters += [("license", name) for name in licenses]
    return f"index.html#{urlencode(parameters)}"


def _model_json(model: RankedModel) -> dict[str, Any]:
    return {
        "name": model.row.model,
        "ap": _metric_json(model.ap),
        "latency_ms": _metric_json(model.latency_ms),
        "gflops": _metric_json(model.gflops),
        "license": model.row.license,
        "people_from": model.row.people_from,
        "command": _command(model),
    }


def _metric_json(metric: SourcedMetric | None) -> dict[str, Any] | None:
    if metric is None:
        return None
    return {"number": metric.number, "origin": to_json(metric.origin), "how": metric.conditions}


def _command(model: RankedModel) -> str:
    return f"posezoo run {model.row.model} --input photo.jpg"


def _lines(answer: Recommendation, setting: str) -> Iterator[str]:
    from posezoo.resolve.people import ITSELF

    if not answer.models:
        yield "no model is known to meet these limits"
    for place, model in enumerate(answer.models, 1):
        yield f"{place}. {model.row.model}"
        yield f"   {_describe(model)}"
        yield f"   {_command(model)}"
    if answer.models:
        yield f"ranked by {answer.ranking.words}"
    if any(model.row.people_from != ITSELF for model in answer.models):
        yield "a network that needs another model to find the people runs once for each of them"
    if setting and any(model.latency_ms for model in answer.models):
        yield f"latency of the network alone: {setting}"
    if answer.unknown:
        names = ", ".join(
            f"{name} ({' and '.join(missing)})" for name, missing in answer.unknown.items()
        )
        yield f"not known: {names}"
        yield "measure them: posezoo benchmark NAME --output speed.json, then --figures speed.json"


def _describe(model: RankedModel) -> str:
    facts = []
    if model.ap:
        conditions = f": {model.ap.conditions}" if model.ap.conditions else ""
        facts.append(f"AP {model.ap.number:.3f} ({model.ap.origin}{conditions})")
    if model.latency_ms:
        latency = model.latency_ms
        facts.append(f"{latency.number:.3g} ms ({latency.origin})")
    if model.gflops:
        facts.append(f"{model.gflops.number:.3g} GFLOPs")
    facts.append(model.row.license or "license unknown")
    facts.append(f"people from {model.row.people_from}")
    return ", ".join(facts)
