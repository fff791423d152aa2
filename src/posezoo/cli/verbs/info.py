"""posezoo info: everything that a model's files declare.

With ``--format json`` a list of objects: what ``posezoo list`` tells of each (see there), and::

    decoder       str | null     how its outputs become poses
    skeleton      str | null     the keypoints that it finds
    declared_in   str            path of its model.yml or composite-model.yml
    card          str | null     path of its card

and of a model, not of a composite::

    license_text  str | null     path of the licence's text; it opens with the holder's line
    license_url   str | null     where the terms are, if only an address is declared
    copyright     str | null     the holder's line
    origin        object         repository, paper: addresses, or empty
    files         list           name, size (bytes; null: unknown), sha384 or sha256 where it is known,
                                 max_size (the cap of an unknown size), contains (member: sha1:digits), pin
                                 (strong, weak or none), sources (list of str)
    inputs        list           name, shape (-1: any size), layout, ir_layout, color, ir_color (BGR, RGB
                                 or null), mean, scale (one for each channel), reverse_input_channels,
                                 dynamic (letters of the layout that may be left open)
    outputs       list           name, shape, layout, role, note, original (what the original has there, where
                                 that is not the same)
    published     object         accuracy (list: metric, value, dataset, protocol, flip, ap50, ap75), gflops,
                                 mparams, known_difference; null or empty where not said
    training      object         command, log: addresses, or empty
    license_note  str | null     what is said of the terms before a download
    limits        str | null     what it cannot do
    route         str            by what it becomes IR: ir (published as such), convert, network (a network of
                                 ours), or what posezoo does not do: mo (a Model Optimizer of 2024),
                                 upstream-code, removed-from-mo-2024
    reason        str | null     why posezoo does not convert it, in one word
    network       object | null  name and arguments of ours, whose weights the checkpoint holds
    checkpoint    str | null     the file that holds them, in an archive or not
    tag           str | null     which of the published variants this is
    variants      list of str    of the default variant, the full names of the others

and what only Open Model Zoo's files declare, empty elsewhere::

    postprocessing   list        what is done to the downloaded files: step, file, and its arguments
    mo_args          list        [flag, value]: Model Optimizer's arguments that are kept as they are
    upstream_export  list        arguments of upstream's own export (--allow_upstream_code)
    has_pre_convert  bool        whether a pre-convert.py lies beside (--allow_upstream_code)
    model_info       object      what is written into the IR for those who run it
    quantizable      bool        whether Open Model Zoo quantized it
    quantized        str         what its weights are quantized to
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from posezoo.cli import flags
from posezoo.cli.model_filters import ModelRow, add_filter_flags, filters_from_args
from posezoo.cli.report import Console
from posezoo.cli.selection import select_models
from posezoo.cli.terminal_text import escape_control_characters
from posezoo.cli.verbs.list import filter_rows
from posezoo.spec.model import ModelSpec, RegexReplace, UnpackArchive
from posezoo.spec.routes import select_route

if TYPE_CHECKING:
    from posezoo.spec.model import CompositeSpec, Input, Output

EXAMPLES = """
posezoo info blazepose-full
posezoo info pose-detection-mediapipe --format json
posezoo info --all --framework tflite
"""

#: What a step is called in JSON. Scripts read these names: they stay when a class is renamed.
_STEP_NAMES: dict[type[RegexReplace | UnpackArchive], str] = {
    RegexReplace: "RegexReplace",
    UnpackArchive: "UnpackArchive",
}


def add_parser(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    """The verb's flags."""
    parser = flags.add_verb(verbs, "info", "show what is declared of models", EXAMPLES)
    flags.add_model_flags(parser)
    add_filter_flags(parser)
    flags.add_flags(parser, "models_dir")
    flags.add_format_flags(parser)
    return parser


def run(args: argparse.Namespace) -> int:
    """Print one block a model, or a JSON list."""
    from posezoo.registry import open_registry
    from posezoo.settings import user_folder

    filters = filters_from_args(args)
    by_filters = bool(filters.said) and not args.all and not args.models
    patterns = None if by_filters else flags.patterns_from_args(args)
    registry = open_registry(
        flags.settings_from_args(args).models_dir, cache_dir=user_folder("cache") / "registry"
    )
    with Console(quiet=args.quiet) as console:
        selection = select_models(registry, patterns, console, filtered=by_filters)
        facts = [_facts(row) for row in filter_rows(selection, filters, console)]
    if args.format == "json":
        print(json.dumps(facts, indent=2))
    elif facts:
        print("\n\n".join(_as_text(fact) for fact in facts))
    return 1 if selection.problems else 0


def _facts(row: ModelRow) -> dict[str, Any]:
    own = _model_facts(row.model) if isinstance(row.model, ModelSpec) else {}
    return {**row.facts(), **own, **_place_facts(row.model)}


def _place_facts(spec: ModelSpec | CompositeSpec) -> dict[str, Any]:
    card = spec.path.with_name("README.md")
    return {
        "decoder": spec.decoder.name if spec.decoder else None,
        "skeleton": spec.skeleton or None,
        "declared_in": str(spec.path),
        "card": str(card) if card.is_file() else None,
    }


def _model_facts(spec: ModelSpec) -> dict[str, Any]:
    decision = select_route(spec)
    return {
        **_license_facts(spec),
        "origin": {"repository": spec.origin.repository, "paper": spec.origin.paper},
        "files": [
            {
                "name": file.name,
                "size": file.size,
                **({file.checksum.algorithm: file.checksum.value} if file.checksum is not None else {}),
                "max_size": file.max_size or None,
                "contains": {member: f"sha1:{digest.value}" for member, digest in file.contains.items()},
                "pin": ("weak" if file.is_weakly_pinned else "strong") if file.is_pinned else "none",
                "sources": [str(source) for source in file.sources],
            }
            for file in spec.files
        ],
        "inputs": [_input_facts(port) for port in spec.inputs],
        "outputs": [_output_facts(output) for output in spec.outputs],
        "route": decision.route.value,
        "reason": decision.reason or None,
        "network": asdict(spec.network) if spec.network is not None else None,
        "checkpoint": spec.checkpoint or None,
        "published": _plain(asdict(spec.published)),
        "training": asdict(spec.training),
        "license_note": spec.license_note or None,
        "limits": spec.limits or None,
        "tag": spec.tag or None,
        "variants": [variant.full_name for variant in spec.variants],
        "postprocessing": [{"step": _STEP_NAMES[type(step)], **asdict(step)} for step in spec.postprocessing],
        "mo_args": [list(pair) for pair in spec.mo_args],
        "upstream_export": list(spec.upstream_export),
        "has_pre_convert": spec.has_pre_convert,
        "model_info": _plain(spec.model_info),
        "quantizable": spec.quantizable,
        "quantized": spec.quantized,
    }


def _license_facts(spec: ModelSpec) -> dict[str, Any]:
    from posezoo.registry import license_path, read_copyright_line

    has_text = bool(spec.license.text)
    return {
        "license_text": str(license_path(spec)) if has_text else None,
        "license_url": spec.license.url or None,
        "copyright": (read_copyright_line(spec) if has_text else "") or None,
    }


def _input_facts(each: Input) -> dict[str, Any]:
    return {
        "name": each.name,
        "shape": list(each.shape),
        "layout": each.layout,
        "ir_layout": each.ir_layout,
        "color": each.color.value if each.color else None,
        "ir_color": each.ir_color.value if each.ir_color else None,
        "mean": list(each.mean),
        "scale": list(each.scale),
        "reverse_input_channels": each.reverse_input_channels,
        "dynamic": list(each.dynamic),
    }


def _output_facts(each: Output) -> dict[str, Any]:
    return {
        "name": each.name,
        "shape": list(each.shape),
        "layout": each.layout,
        "role": each.role,
        "note": each.note,
        "original": each.original,
    }


def _plain(value: Any) -> Any:
    """A nested value in JSON's types."""
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, (tuple, list)) else value


def _as_text(facts: dict[str, Any]) -> str:
    lines = [escape_control_characters(facts["name"])]
    for key, value in facts.items():
        if key == "name" or value in _NOTHING:
            continue
        if isinstance(value, list) and isinstance(value[0], (dict, list)):
            lines.append(f"  {key}:")
            lines += [f"    - {escape_control_characters(_in_words(item))}" for item in value]
        elif words := _in_words(value):
            lines.append(f"  {key}: {escape_control_characters(words)}")
    return "\n".join(lines)


_NOTHING: tuple[Any, ...] = (None, "", [], {}, False)


def _in_words(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_in_words(each)}" for key, each in value.items() if each not in _NOTHING)
    if isinstance(value, (list, tuple)):
        if any(isinstance(each, dict) for each in value):
            return "; ".join(_in_words(each) for each in value)
        return ", ".join(f"{each:g}" if isinstance(each, float) else str(each) for each in value)
    return str(value)
