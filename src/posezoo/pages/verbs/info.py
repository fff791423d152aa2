"""posezoo info: show everything that a model's files declare, or what is known of a file.

With ``--format json``, the output is a list of objects with the keys of ``posezoo list`` (see
there) and::

    decoder       str | null     the decoder that makes poses of its outputs
    skeleton      str | null     the keypoints that it predicts
    declared_in   str            path of its model.yml or composite-model.yml
    card          str | null     path of its card

and, for a model but not for a composite::

    license_text  str | null     path of the license text, which begins with the copyright line
    license_url   str | null     address of the license, if only an address is declared
    copyright     str | null     the copyright line
    origin        object         repository, paper (addresses, or empty)
    files         list           name, size (bytes; null: unknown), sha384 or sha256 if it is known,
                                 max_size (the limit of an unknown size), contains (member:
                                 sha256:digits), pin (strong, weak or none), sources (list of str)
    inputs        list           name, shape (-1: any size), layout, ir_layout, color, ir_color
                                 (BGR, RGB or null), mean, scale (one for each channel),
                                 reverse_input_channels, dynamic (letters of the layout whose size
                                 may be dynamic)
    outputs       list           name, shape, layout, role, note, original (the value in the
                                 original model, if it differs)
    published     object         accuracy (list: metric, value, dataset, protocol, flip, ap50,
                                 ap75), gflops, mparams, known_difference; null or empty if not
                                 stated
    training      object         command, log (addresses, or empty)
    people        object | null  of a top-down model: what finds its people in a photo and in a
                                 video; detectors: for each that it was measured with, the least
                                 scores of a box and of a person
    compute_types  list of str   the types besides f32 in which it keeps its accuracy: run uses them
                                 on a CPU that has them
    license_note  str | null     a note about the license, shown before a download
    limits        str | null     the known limitations
    rehearsed     object | null  of a model whose published weights no test uses: weights, and what
                                 became of each step with generated weights (yes, failed, not run)
    route         str            how it becomes IR: ir (published as IR), convert, network
                                 (posezoo's own network); not by posezoo itself: mo (a Model
                                 Optimizer of 2024), upstream-code, removed-from-mo-2024
    reason        str | null     why posezoo does not convert it, in one word
    network       object | null  name and arguments of posezoo's network that loads the checkpoint;
                                 names: of its input and outputs, if they are not its own
    checkpoint    str | null     the file with the weights, which may be a member of an archive
    tag           str | null     the tag of this published variant
    variants      list of str    for the default variant: the full names of the other variants

and keys that only Open Model Zoo's files declare; they are empty for other models::

    postprocessing   list        changes to the downloaded files: step, file, and its arguments
    mo_args          list        [flag, value]: the declared arguments for Model Optimizer
    upstream_export  list        arguments of the publisher's own export (--allow_upstream_code)
    has_pre_convert  bool        whether there is a pre-convert.py (--allow_upstream_code)
    model_info       object      metadata that is written into the IR for applications
    quantizable      bool        whether Open Model Zoo quantized it
    quantized        str         the type that its weights are quantized to

An .xml or .onnx is an object with other keys::

    name, file    str         the path of the file
    values        list        name, value, and source: a flag, --as, the file's metadata, its
                              network, or what is usual for its decoder
    undecoded     str | null  why no decoder takes its outputs
    proof         str         of an IR: how it compares with its original: equal, or cannot be
                              compared; empty if nothing says it
    not_compared  str         why it cannot be compared; absent otherwise

With ``--licenses``, the output is an object::

    models   list  name, spdx, url, holder, text (a path, or null), note, converted (whether an IR
                   was made)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from posezoo.cli import flags
from posezoo.cli.flags import Flag, Shared
from posezoo.cli.selection import select_models
from posezoo.console.json_projection import Json, project, to_json
from posezoo.console.report import print_json, print_result, print_text
from posezoo.core.convert.file_kinds import is_file_name
from posezoo.core.declarations.model import ModelSpec, RegexReplace, SourceFile, UnpackArchive
from posezoo.core.errors import PosezooError
from posezoo.core.license_notice import (
    collect_license_terms,
    format_notice,
    read_copyright_line,
)
from posezoo.core.registry import Selection, license_path, registry_root
from posezoo.figures.model_facts import ModelFacts
from posezoo.figures.rehearsals import DIGEST, read_rehearsals
from posezoo.pages.verbs.filter_flags import (
    FILTER_FLAGS,
    FilterArgs,
    Weights,
    filters_from_args,
    find_weights,
    model_to_json,
    select_filtered,
)
from posezoo.run.verbs.run_flags import statement_from_args

if TYPE_CHECKING:
    from posezoo.core.resolve.stage_context import Context
    from posezoo.run.runtime.graph import Graph
    from posezoo.run.subject import Subject

EXAMPLES = """
posezoo info blazepose-full
posezoo info pose-detection-mediapipe --format json
posezoo info --all --framework tflite
posezoo info --licenses --weights_dir models
posezoo info mine.onnx --as rtmpose-m
"""

_INPUT = "name shape layout ir_layout color ir_color mean scale reverse_input_channels dynamic"
#: The keys that only Open Model Zoo's files declare.
_OMZ = "mo_args upstream_export has_pre_convert model_info quantizable quantized"

#: The keys of a model's license in JSON.
_LICENSE = (
    "name=spec.full_name spdx=spec.license.spdx? url=spec.license.url? holder? text?"
    " note=spec.license_note? converted=is_converted"
)

#: The names of steps in JSON. Scripts read them, so they stay even if a class is renamed.
_STEP_NAMES = {RegexReplace: "RegexReplace", UnpackArchive: "UnpackArchive"}

_FILTERS = "task framework precision license"

FLAGS = (
    flags.MODELS,
    Flag(
        "--licenses",
        "print the NOTICE of downloaded models, with copyright holders and license texts; without"
        " MODEL, of all that have a downloaded file or an IR",
        excludes=_FILTERS,
    ),
    FILTER_FLAGS,
    replace(flags.download_dir_flag(), needs="licenses"),
    Shared("weights_dir", needs="licenses"),
    f"as {flags.REGISTRY} {flags.FORMAT}",
)


class _InfoArgs(flags.ModelsArgs, flags.FormatArgs, FilterArgs):
    like: str | None
    licenses: bool


def run(args: _InfoArgs) -> int:
    """Print one block per model, or a JSON list; or a NOTICE."""
    if args.licenses:
        return _print_licenses(args, flags.context_from_args(args, {"locked": False}))
    filters = filters_from_args(args)
    by_filters = str(filters) and not args.all and not args.models
    patterns = None if by_filters else flags.patterns_from_args(args)
    context = flags.context_from_args(args)
    said = None
    if args.like or any(map(is_file_name, args.models)):
        said = statement_from_args(args, precision=None)
    with flags.console_from_args(args) as console:
        models, files, selection = select_filtered(
            context, filters, patterns, console, said, is_all=args.all
        )
        if files and len(files) == len(args.models):
            flags.refuse_flags(args, _FILTERS, "only for models")
        described = [_describe_file(file) for file in files]
        weights = find_weights(context, models)
        answers = [info_json(facts, selection, weights[facts.name]) for facts in models]
    blocks = [*map(_lines, answers), *map(_file_lines, described)]
    print_result(args.format, [*answers, *described], *_in_blocks(blocks))
    return selection.exit_code


def _in_blocks(blocks: Iterable[Iterable[str]]) -> list[str]:
    lines: list[str] = []
    for block in blocks:
        lines += [*([""] if lines else []), *block]
    return lines


def _describe_file(subject: Subject) -> Json:
    from posezoo.run.subject_values import list_values

    name = subject.name
    return {
        "name": name,
        "file": name,
        "values": to_json(list_values(subject)),
        "undecoded": subject.undecoded or None,
        **(_read_proof(subject.graph) if subject.graph and name.endswith(".xml") else {}),
    }


def _read_proof(graph: Graph) -> dict[str, str]:
    """How an IR compares with its original: as its record says, else as the IR does."""
    from posezoo.core.ir.provenance import read_ir_record

    proof, reason = graph.read_proof()
    if record := read_ir_record(graph.path):
        proof, reason = record.proof, record.not_compared
    return {"proof": proof, **({"not_compared": reason} if reason else {})}


def _file_lines(answer: Mapping[str, Any]) -> Iterator[str]:
    yield answer["name"]
    for row in answer["values"]:
        yield f"  {row['name']}: {_in_words(row['value'])} ({row['source']})"
    if answer["undecoded"]:
        yield f"  note: {answer['undecoded']}"
    if answer.get("proof"):
        why = f", because {answer['not_compared']}" if "not_compared" in answer else ""
        yield f"  proof: {answer['proof']}{why}"


def _print_licenses(args: _InfoArgs, context: Context) -> int:
    with flags.console_from_args(args) as console:
        selection = select_models(context.registry, args.models or None, console)
        specs = selection.models
        models = "these models"
        if not args.models:
            specs = tuple(variant for spec in specs for variant in (spec, *spec.variants))
            models = "the registry's models"
        terms = collect_license_terms(specs, context.layout)
        if not terms and selection.problems:  # they were reported above
            return 1
        if not terms:
            folder = context.layout.download_dir
            raise PosezooError(
                f"{folder}: contains no file of {models}, so there is no NOTICE",
                hint="download them with posezoo download, or name their folder: --weights_dir DIR",
            )
        for term in terms:
            if not term.holder:
                name = term.spec.full_name
                console.warn(f"{name}: its license text, which names the holder, is not available")
    if args.format == "json":
        print_json({"models": [project(term, _LICENSE) for term in terms]})
    else:
        print_text(format_notice(terms))
    return selection.exit_code


def _lines(answer: Mapping[str, Any]) -> Iterator[str]:
    yield answer["name"]
    for key, value in answer.items():
        if key == "name" or value in _EMPTY:
            continue
        if isinstance(value, list) and isinstance(value[0], (dict, list)):
            yield f"  {key}:"
            for item in value:
                yield f"    - {_in_words(item, '; ')}"
            continue
        words = _in_words(value, "; ")
        if words:
            yield f"  {key}: {words}"


def info_json(facts: ModelFacts, selection: Selection, weights: Weights) -> Json:
    """The object of a model for ``--format json``; the module's docstring explains the keys."""
    model = facts.model
    card = model.path.with_name("README.md")
    declared = _declared(model) if isinstance(model, ModelSpec) else {}
    return {
        **model_to_json(facts, selection, weights),
        **declared,
        "decoder": model.decoder.name if model.decoder else None,
        **project(model, "skeleton? declared_in=path"),
        "card": card if card.is_file() else None,
    }


def _declared(spec: ModelSpec) -> Json:
    from posezoo.core.declarations.routes import select_route

    route, obstacle = select_route(spec)
    steps = [{"step": _STEP_NAMES[type(each)], **to_json(each)} for each in spec.postprocessing]
    return {
        "license_text": str(license_path(spec)) if spec.license.text else None,
        "license_url": spec.license.url or None,
        "copyright": read_copyright_line(spec) or None,
        "origin": to_json(spec.origin),
        "files": [_file(file) for file in spec.files],
        "inputs": [project(port, _INPUT) for port in spec.inputs],
        **project(spec, "outputs people compute_types"),
        "route": route.value,
        "reason": obstacle.reason if obstacle else None,
        **project(spec, "network checkpoint? published training license_note? limits? tag?"),
        "rehearsed": _read_rehearsal(spec),
        "variants": [variant.full_name for variant in spec.variants],
        "postprocessing": steps,
        **project(spec, _OMZ),
    }


def _read_rehearsal(spec: ModelSpec) -> Json | None:
    row = read_rehearsals(registry_root(spec)).get(spec.name, {})
    row.pop(DIGEST, "")
    return row if row.pop("declared", "") else None


def _file(file: SourceFile) -> Json:
    checksum = file.checksum
    described = project(file, "name size")
    if checksum:
        described[checksum.algorithm] = checksum.value
    described |= project(file, "max_size?")
    contents = file.contains.items()
    described["contains"] = {member: f"{pin.algorithm}:{pin.value}" for member, pin in contents}
    return described | project(file, "pin recorded_by? sources=addresses")


_EMPTY: tuple[Any, ...] = (None, "", [], {}, False)


def _in_words(value: Any, between: str = ", ") -> str:
    if isinstance(value, dict):
        items = [(key, item) for key, item in value.items() if item not in _EMPTY]
        return between.join(f"{key} {_in_words(item)}" for key, item in items)
    if isinstance(value, (list, tuple)):
        separator = ", "
        if any(isinstance(item, dict) for item in value):
            separator = "; "
        return separator.join(map(_in_words, value))
    return f"{value:g}" if isinstance(value, float) else str(value)
