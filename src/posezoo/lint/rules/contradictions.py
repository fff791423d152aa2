"""Rules on facts that model.yml itself states in several places, so that no card is needed to check
them.

A card that is drawn after a mistake agrees with the mistake.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from itertools import chain
from urllib.parse import urlsplit

from posezoo.core.declarations.known_arguments import EXPORT, MODEL_OPTIMIZER
from posezoo.core.declarations.model import (
    TRACKING,
    WHOLE_IMAGE,
    ModelSpec,
    UnpackArchive,
)
from posezoo.core.declarations.sources import HttpSource
from posezoo.core.errors import SpecError, redact_secrets
from posezoo.figures.measured import load_measurements
from posezoo.lint.accuracy_check_yml import list_below, text_below
from posezoo.lint.finding import RuleViolation, Severity, Violations
from posezoo.lint.registry_view import ModelView
from posezoo.lint.rule import rule
from posezoo.lint.rules.decoder_rules import find_reader
from posezoo.lint.rules.metrics import count_millions
from posezoo.lint.text_comparison import simplify

#: Addresses of pages of code hosts and file hosts that show a file, and the address of the file.
_WEB_PAGES = (
    (
        re.compile(r"(//(?:www\.)?github\.com/[^/]+/[^/]+)/blob/(?!.*[?&]raw=(?:true|1)\b)"),
        r"\1/raw/",
    ),
    (re.compile(r"(//[^/]*gitlab[^/]*/.+)/-/blob/"), r"\1/-/raw/"),
    (re.compile(r"(//(?:www\.)?(?:huggingface\.co|hf\.co)/[^/]+/[^/]+)/blob/"), r"\1/resolve/"),
    (re.compile(r"(//(?:www\.)?dropbox\.com/.*[?&]dl=)0"), r"\g<1>1"),
    (
        re.compile(r"^.*//(?:drive|docs)\.google\.com/(?:file/d/|open\?id=)([\w-]+).*$"),
        r"{$type: google_drive, id: \1}",
    ),
    (re.compile(r"^.*//(?:[^/]*git(?:hub|lab)[^/]*|huggingface\.co|hf\.co)/.*/tree/.*$"), ""),
    (re.compile(r"^.*//drive\.google\.com/drive/.*$"), ""),
    (re.compile(r"^[^?#]*(?:\.html?|\.aspx?|\.php|/)$"), ""),
)
#: Endings of files with weights, graphs and archives; those of one row may stand for each other.
_ENDINGS = tuple(
    tuple(endings.split())
    for endings in (
        ".pth .pt .ckpt .pkl", ".tar.gz .tgz", ".zip", ".tar", ".onnx", ".tflite", ".caffemodel",
        ".prototxt", ".pb", ".pbtxt", ".params", ".safetensors", ".h5", ".xml", ".bin", ".json",
        ".weights", ".cfg", ".pdmodel", ".pdiparams", ".task",
    )
)  # fmt: skip
#: Addresses of files that their publisher replaces: those of the last release, and those on a
#: branch.
_LATEST = re.compile(r"/latest/")
_MULTIPLES = re.compile(r"multiples of ([1-9][0-9]{0,3})(?: pixels)?(?: plus ([0-9]{1,3}))?")
_BRANCH = re.compile(
    r"/(?:raw|resolve)/(?:main|master)/|raw\.githubusercontent\.com/[^/]+/[^/]+/(?:main|master)/"
)
_PATH = re.compile(r"\$(dl_dir|conv_dir)/([^,;:$\[\]\"'\r\n]{1,300})")
#: Flags that Open Model Zoo's converter adds itself.
GENERATED = ("--data_type", "--framework", "--model_name", "--output_dir")
#: Flags that it makes from the keys of input_info.
FROM_INPUT_INFO = {"name": "--input", "shape": "--input_shape", "layout": "--layout"}


@rule()
def usual_size(view: ModelView) -> Violations:
    """The limits of the model allow the usual size of an input.

    Example: usual_size: [385, 512], where sides are multiples of 16 pixels plus 1
    """
    multiples = _MULTIPLES.search(view.spec.limits)
    if multiples is None:
        return
    step = int(multiples[1])
    rest = int(multiples[2] or 0)
    for index, port in enumerate(view.inputs):
        sizes = port.usual_size or ()
        if any(size % step != rest for size in sizes):
            text = ", ".join(map(str, sizes))
            message = f"usual_size is {text}, and limits says: {multiples[0]}"
            yield view.declared(f"inputs[{index}].usual_size", message, text, multiples[0])


@rule()
def moving_source(view: ModelView) -> Violations:
    """An address leads to one version of a file: an address of the latest release changes its file
    with each release. An address on a branch is a warning.

    Example: source: https://github.com/owner/project/releases/latest/download/net.onnx
    """
    for index, file, source in view.sources:
        url = source.url if isinstance(source, HttpSource) else ""
        is_latest = _LATEST.search(url) is not None
        if is_latest or _BRANCH.search(url):
            what = "of the latest release" if is_latest else "on a branch"
            message = f"{file.name} comes from an address {what}, whose file may change: {source}"
            severity = None if is_latest else Severity.WARNING
            yield view.declared(f"files[{index}].source", message, str(source), severity=severity)


@rule()
def page_source(view: ModelView) -> Violations:
    """An address is that of a file, and not of a web page that shows or offers it.

    Example: source: https://github.com/owner/project/blob/main/net.onnx
    """
    for index, file, source in view.sources:
        url = source.url if isinstance(source, HttpSource) else ""
        for pattern, address in _WEB_PAGES:
            if pattern.search(url):
                expected = redact_secrets(pattern.sub(address, url))
                message = f"{file.name} comes from {source}, which is a web page"
                if expected:
                    message += f": the file is {expected}"
                yield view.declared(f"files[{index}].source", message, str(source), expected)
                break


@rule()
def source_of_another(view: ModelView) -> Violations:
    """The addresses of files, and of the command and the log of a training, belong to this model,
    not to another one of the registry.

    Example: source: .../public/movenet-lightning/net.bin in movenet-thunder
    """
    zoo = view.zoo
    for index, file, source in view.sources:
        owner = view.find_owner(str(source))
        if not owner:
            continue
        (other,) = zoo.find_models([owner])
        checksums = [each.checksum for _, each, _ in other.sources]
        # Both may declare the same file, at an address that does not contain a name.
        is_same = file.checksum is not None and file.checksum in checksums
        if not is_same or simplify(owner) in simplify(str(source)):
            message = f"{file.name} comes from {source}, which is an address of {owner}"
            yield view.declared(f"files[{index}].source", message, str(source), view.name)
    for variant in view.variants:
        for key in ("command", "log"):
            address = getattr(variant.training, key)
            owner = view.find_owner(address) or _find_trained(view, address)
            if owner:
                field = f"training.{key}"
                message = f"{field}: {address} is an address of {owner}"
                yield view.declared(field, message, address, view.name, variant=variant)


def _find_trained(view: ModelView, address: str) -> str:
    models = view.zoo.models_by(_read_training_addresses)[address] if address else [view]
    best = max(models, key=lambda each: _count_named(each, address))
    return best.name if _count_named(view, address) < _count_named(best, address) else ""


def _read_training_addresses(view: ModelView) -> Iterator[str]:
    for variant in view.variants:
        yield from (variant.training.command, variant.training.log)


@rule(unless=("source-name", "page-source", "source-of-another"))
def source_ending(view: ModelView) -> Violations:
    """The address of a file has the ending of its name; in Open Model Zoo's format, where files are
    often renamed, another ending is only a warning.

    Example: name: net.onnx, and source: https://host/net.pth
    """
    for index, file, source in view.sources:
        ending = _find_ending(file.name)
        path = str(getattr(source, "member", "") or getattr(source, "file", ""))
        if isinstance(source, HttpSource):
            path = urlsplit(source.url).path
        other = _find_ending(path)
        if ending and other and ending != other:
            message = f"{file.name} comes from {source}, which ends with {other[0]}"
            severity = None if view.is_native else Severity.WARNING
            texts = (str(source), ending[0])
            yield view.declared(f"files[{index}].source", message, *texts, severity=severity)


def _find_ending(name: str) -> tuple[str, ...]:
    return next((endings for endings in _ENDINGS if name.lower().endswith(endings)), ())


@rule()
def known_model(view: ModelView) -> Violations:
    """The models that model.yml names exist: those that find the people, which are detectors, and
    the one to use instead.

    Example: people: {photo: gone, video: tracking}, or deprecated: {since: 0.2.0, use: gone}
    """
    for field, name in _list_named_models(view):
        if name in ("", "none", "whole_image", WHOLE_IMAGE, TRACKING):
            continue
        problem = view.zoo.explain_missing(name.partition("@")[0])
        reader = next(map(find_reader, view.zoo.find_models([name])), None)
        if field != "deprecated.use" and reader is not None and not reader.decoder.finds_boxes:
            problem = f"{name} finds keypoints, not boxes of people"
        if problem:
            yield view.declared(field, f"{field}: {problem}", name)


def _list_named_models(view: ModelView) -> Iterator[tuple[str, str]]:
    """The models that model.yml names, each with the key that names it."""
    yield "deprecated.use", text_below(view.node("deprecated"), "use")
    # The detector of videos is that of photos, or none.
    usual = text_below(view.node("people"), "photo")
    yield "people.photo", usual
    detectors = getattr(view.node("people", "detectors"), "value", None)
    for name in detectors if isinstance(detectors, dict) else ():
        # A part of a registry may lack those that its models do not use.
        is_ours = name.partition("@")[0] in view.zoo.registry.with_builtin().entries
        if name != usual and (not is_ours or view.zoo.find_models([name])):
            yield f"people.detectors.{name}", name


@rule()
def copied_description(view: ModelView) -> Violations:
    """Each model in posezoo's format has its own description. Of two with the same one, the new one
    is wrong, or the one whose name is not in it; if neither is known, both are reported.

    Example: the description of the model whose model.yml was copied
    """
    text = view.declaration.description
    others = view.zoo.find_originals(view, _read_own_description, text)
    is_named = _names(text, view) and not view.zoo.is_new(view)
    if others and not (is_named and not _names(text, others[0])):
        message = f"{others[0].name} has the same description: each says what it does itself"
        yield view.declared("description", message, text, others[0].name)


def _read_own_description(view: ModelView) -> Iterator[str]:
    if view.is_native and view.declaration.description:
        yield view.declaration.description


def _names(text: str, view: ModelView) -> bool:
    """Whether a text has a model's name, such as MoveNet Lightning of movenet-lightning."""
    name = "[-_ ]?".join(re.findall("[a-z]+|[0-9]+", view.name.lower()))
    return re.search(rf"(?<![a-z0-9]){name}(?![a-z0-9])", text.lower()) is not None


def _count_named(view: ModelView, text: str) -> int:
    sides = [port.sides for port in view.inputs]
    sizes = [f"{each.get('H')}x{each.get('W')}" for each in sides]
    parts = [*re.split("[-_]", view.name), *sizes]
    return sum(simplify(part) in simplify(text) for part in parts)


@rule()
def pattern(view: ModelView) -> Violations:
    """A pattern of layer names closes its brackets: otherwise it matches no layer.

    Example: layers: ["Convolution_[0-4"]
    """
    settings = view.spec.quantization
    for index, group in enumerate(settings.in_float if settings else ()):
        for glob in group.layers:
            if re.search(r"\[[^\]]*$", glob):
                message = f"the pattern {glob} does not close its bracket"
                yield view.declared(f"quantization.in_float[{index}].layers", message, glob)


@rule(unless=("source-name", "same-source"))
def weights_size(view: ModelView) -> Violations:
    """Files with weights have at least one byte for each parameter, and FP16 about half as many as
    FP32.

    Example: size: 16394, in kB, and mparams: 4.099
    """
    spec = view.spec
    mparams = _read_mparams(spec)
    least = 0.7e6 * mparams
    if not mparams:  # a checkpoint has at least two bytes for each
        mparams = count_millions(spec)
        least = 1.8e6 * mparams
    sizes = {
        file.name: file.read_limit or least for file in spec.files if _has_weights(spec, file.name)
    }
    for index, file in enumerate(spec.files):
        if file.name not in sizes or not file.read_limit:
            continue
        # A published IR has all weights in each file, other models have them in all files together.
        total = file.read_limit if spec.is_ir else sum(sizes.values())
        full = sizes.get(file.name.replace("FP16/", "FP32/", 1), 0) if spec.is_ir else 0
        if total < least:
            message = (
                f"{file.name} has {total:,.0f} bytes, too few for {mparams:.4g} million parameters"
            )
        elif file.name.startswith("FP16/") and full and not 1.1 < full / file.read_limit < 2.05:
            message = f"{file.name} has {file.size} bytes, and not half of the {full} of FP32"
        else:
            continue
        yield view.declared(f"files[{index}].size", message, str(file.size))
        return


def _read_mparams(spec: ModelSpec) -> float:
    if spec.published.known_difference:
        return 0.0
    if spec.published.mparams:
        return spec.published.mparams
    with suppress(SpecError):  # another rule reports it
        for each in load_measurements(spec):
            if "mparams" in each.figures:
                return each.figures["mparams"]
    return 0.0


def _has_weights(spec: ModelSpec, name: str) -> bool:
    if spec.is_ir:
        return name.endswith(".bin")
    return not name.endswith((".json", ".prototxt", ".py", ".txt"))


@rule()
def dead_path(view: ModelView) -> Violations:
    """A file that an argument or the checkpoint names is among the files or their contents, or is
    what the export writes.

    Example: --input_model=$dl_dir/net.onnx, and the only file is called model.onnx
    """
    for variant in view.variants:
        members = {member for file in variant.files for member in file.contains}
        listed = members.union(variant.file_names, [""])
        if members and variant.checkpoint not in listed:
            message = f"{variant.checkpoint} is not among the files, nor among what they contain"
            yield view.declared("checkpoint", message, variant.checkpoint, variant=variant)
    for argument in (*view.arguments, *view.export_arguments):
        for root, name in _PATH.findall(argument.value):
            if not _may_exist(view, argument.flag, root, name.rstrip("/")):
                path = f"${root}/{name}"
                message = f"{argument.flag} names {path}, which is not a file of the model"
                yield RuleViolation(argument.node, message, actual=path)


def _may_exist(view: ModelView, flag: str, root: str, name: str) -> bool:
    if not view.variants or flag == "--output-file":
        return True
    if root == "conv_dir":
        outputs = [each.value for each in view.export_arguments if each.flag == "--output-file"]
        return not outputs or flag != "--input_model" or f"$conv_dir/{name}" in outputs
    is_packed = any(isinstance(step, UnpackArchive) for step in view.spec.postprocessing)
    return is_packed or any(f"{file.name}/".startswith(f"{name}/") for file in view.spec.files)


@rule()
def shortened_argument(view: ModelView) -> Violations:
    """The name of an argument does not lack just its last letter: the converter takes it for an
    abbreviation, as it takes --input_meta, but it is more likely misspelt.

    Example: --scale_value=image[58.395,57.12,57.375], where --scale_values is meant
    """
    of_converter = ((each, MODEL_OPTIMIZER) for each in view.arguments)
    of_export = ((each, EXPORT) for each in view.export_arguments)
    for argument, known in chain(of_converter, of_export):
        word = str(argument.node.value).strip().partition("=")[0]
        if known.lacks_a_letter(word):
            message = f"{word} lacks its last letter; did you mean {argument.flag}?"
            yield RuleViolation(argument.node, message, actual=word, expected=argument.flag)


@rule()
def generated_flag(view: ModelView) -> Violations:
    """A flag that the converter adds itself is not given: one of the two values would be lost. One
    that says the same as input_info is a warning.

    Example: --model_name=my-model in model_optimizer_args
    """
    inputs = list_below(view.model_yml, "input_info")
    keys = {key for port in inputs if isinstance(port.value, dict) for key in port.value}
    repeated = [flag for key, flag in FROM_INPUT_INFO.items() if key in keys]
    for argument in view.arguments:
        if argument.flag in (*GENERATED, *repeated):
            severity = Severity.WARNING if argument.flag in repeated else None
            message = f"the converter adds {argument.flag} itself"
            text = str(argument.node.value)
            yield RuleViolation(argument.node, message, actual=text, severity=severity)
