"""posezoo info: everything that a model's files declare."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any

from posezoo.cli import jobs, options
from posezoo.cli.console import Console

if TYPE_CHECKING:
    from posezoo.spec.model import CompositeSpec, Input, ModelSpec

EXAMPLES = """
posezoo info blazepose-full
posezoo info pose-detection-mediapipe --format json
"""


def add_parser(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    """The verb's flags."""
    parser = options.add_verb(verbs, "info", "show what is declared of models", EXAMPLES)
    options.add_models(parser)
    options.add_registry(parser)
    options.add_output(parser)
    return parser


def run(args: argparse.Namespace) -> int:
    """Print one block a model, or a JSON list."""
    from posezoo.registry import open_registry

    patterns = options.patterns_of(args)
    registry = open_registry(options.settings_of(args).models_dir)
    with Console(quiet=args.quiet) as console:
        selection = jobs.select(registry, patterns, console)
    facts = [_composite_facts(each) for each in selection.composites]
    facts += [_model_facts(each) for each in selection.models]
    if args.format == "json":
        print(json.dumps(facts, indent=2))
    else:
        print("\n\n".join(_as_text(each) for each in facts))
    return 1 if selection.problems else 0


def _composite_facts(spec: CompositeSpec) -> dict[str, Any]:
    return {
        "name": spec.name,
        "description": spec.description,
        "task": spec.task,
        "parts": list(spec.stages),
        "decoder": spec.decoder.name if spec.decoder else None,
        "skeleton": spec.skeleton or None,
        "declared_in": str(spec.path),
    }


def _model_facts(spec: ModelSpec) -> dict[str, Any]:
    return {
        "name": spec.name,
        "description": spec.description,
        "task": spec.task,
        "framework": spec.framework.value,
        "composite": spec.composite or None,
        "license": {"spdx": spec.license.spdx, "text": spec.license.text, "url": spec.license.url},
        "origin": {"repository": spec.origin.repository, "paper": spec.origin.paper},
        "files": [
            {
                "name": file.name,
                "size": file.size,
                file.checksum.algorithm: file.checksum.value,
                "sources": [str(source) for source in file.sources],
            }
            for file in spec.files
        ],
        "inputs": [_input_facts(each) for each in spec.inputs],
        "outputs": [
            {
                "name": each.name,
                "shape": list(each.shape),
                "layout": each.layout,
                "role": each.role,
                "note": each.note,
            }
            for each in spec.outputs
        ],
        "decoder": spec.decoder.name if spec.decoder else None,
        "skeleton": spec.skeleton or None,
        "revision": spec.revision,
        "declared_in": str(spec.path),
    }


def _input_facts(each: Input) -> dict[str, Any]:
    return {
        "name": each.name,
        "shape": list(each.shape),
        "layout": each.layout,
        "color": each.color.value if each.color else None,
        "ir_color": each.ir_color.value if each.ir_color else None,
        "mean": list(each.mean),
        "scale": list(each.scale),
        "reverse_input_channels": each.reverse_input_channels,
    }


def _as_text(facts: dict[str, Any]) -> str:
    lines = [facts["name"]]
    for key, value in facts.items():
        if key == "name" or value in (None, "", [], {}):
            continue
        if isinstance(value, list) and value and isinstance(value[0], dict):
            lines.append(f"  {key}:")
            lines += [f"    - {_in_words(item)}" for item in value]
        else:
            lines.append(f"  {key}: {_in_words(value)}")
    return "\n".join(lines)


def _in_words(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(
            f"{key} {_in_words(each)}" for key, each in value.items() if each not in (None, "", [], False)
        )
    if isinstance(value, list):
        return ", ".join(f"{each:g}" if isinstance(each, float) else str(each) for each in value)
    return str(value)
