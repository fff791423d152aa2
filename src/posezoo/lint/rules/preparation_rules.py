"""Rules on how a model's file is prepared and read: mean, scale, decoder, arguments of converters.

If the cards are drawn again, no other statement shows that a mean is wrong: a declaration is
compared with that of the same file before a change, and with those of similar models.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict

from posezoo.console.labels import format_count
from posezoo.core.declarations import supported_mo_args
from posezoo.core.declarations.model import (
    Input,
    Model,
    ModelSpec,
    SourceFile,
)
from posezoo.core.declarations.supported_mo_args import FrozenValue
from posezoo.core.errors import InferenceError, SpecError
from posezoo.core.registry import registry_root
from posezoo.figures import papers
from posezoo.lint.earlier_models import list_pins, read_digests
from posezoo.lint.finding import RuleViolation, Severity, Violations
from posezoo.lint.registry_view import ModelView
from posezoo.lint.rule import rule
from posezoo.lint.rules.preprocessing_rules import RIGHT
from posezoo.lint.text_comparison import simplify
from posezoo.poses.decoders import resolve_options

#: What is compared of each input.
_OF_INPUTS = (
    "mean", "scale", "color", "reverse_input_channels", "layout", "to_layout", "shape",
    "element_type", "resize",
)  # fmt: skip
#: What may be declared later without a reason: it states what was true before, too.
_ADDABLE = ("color", "layout", "shape", "network", "outputs")
#: What siblings have in common; the convention follows from the code of the training.
_OF_SIBLINGS = ("mean", "scale", "color", "reverse_input_channels", "layout", "convention")
#: The converter's arguments that stand for keys.
_FLAGS = {
    "mean": "--mean_values", "scale": "--scale_values", "shape": "--input_shape",
    "outputs": "--output",
}  # fmt: skip
#: Names of inputs that are the height and the width of an image, or how much it was scaled.
_SIZE_NAME = re.compile(r"size|shape|info|height|width", re.IGNORECASE)
_SCALE_NAME = re.compile(r"scale", re.IGNORECASE)
#: What is the same as no value.
_NONE = {"mean": (0.0,), "scale": (1.0,)}

#: Values by their keys in model.yml, or by the flags of the converter.
Facts = Mapping[str, object]


def list_facts(model: Model) -> Facts:
    """What a model declares about the preparation of its file and the reading of its outputs."""
    facts: dict[str, object] = {}
    if model.decoder:
        # All options, also those that are not given; but for the skeleton, of whose sizes other
        # rules judge.
        options: Mapping[str, object] = model.decoder.options
        with suppress(InferenceError):  # another rule reports it
            options = asdict(resolve_options(model.decoder))
        facts["decoder.name"] = model.decoder.name
        facts |= {f"decoder.{key}": value for key, value in options.items() if key != "skeleton"}
    if not isinstance(model, ModelSpec):
        return facts
    declared: dict[str, object] = {
        "conversion_to_onnx_args": " ".join(model.upstream_export),
        "postprocessing": " ".join(map(str, model.postprocessing)),
        "network": model.network,
        "outputs": " ".join(sorted(model.output_names)),
    }
    for index, port in enumerate(model.inputs):
        declared |= {f"inputs[{index}].{name}": _read_value(port, name) for name in _OF_INPUTS}
    facts |= {key: value for key, value in declared.items() if value}
    return facts | dict(model.mo_args)


def _read_value(port: Input, name: str) -> object:
    value = getattr(port, name)
    if name not in _NONE:
        return ", ".join(map(str, value)) if name == "shape" else value
    # One value for all channels is the same as one for each.
    numbers = value[:1] if len({*value}) == 1 else value
    return "" if numbers == _NONE[name] else ", ".join(f"{number:.12g}" for number in numbers)


@rule()
def unexplained_change(view: ModelView) -> Violations:
    """With --changed_since: as long as a file stays the same, so do its mean, scale, colour order,
    layout, decoder and arguments of conversions, also in a renamed or copied model. A file with the
    same size and source has the same checksum, unless the revision is higher, and one with the same
    checksum the same size. If a change is right, published: {known_difference: ...} gives a new
    reason in the same change; for a composite, that of one of its parts. No baseline accepts these
    findings.

    Example: mean: [127.5, 127.5, 127.5] for a checksum that had the mean of ImageNet before
    """
    reported: set[str] = set()  # variants share most values
    for now in view.declarations:
        found = [_compare(before, now) for before in view.zoo.find_earlier(now)]
        differences = min(found, key=len, default={})
        texts = "; ".join(f"{key} is {value}" for key, value in differences.items())
        if texts in ("", *reported):
            continue
        # The reason may be that of a part; no model.yml gave it before.
        models = (view, *view.zoo.find_models(view.parts))
        if not any(each.reasons - view.zoo.earlier_reasons for each in models):
            reported.add(texts)
            message = (
                f"the file of {now.full_name} is the same, so other values need a reason in"
                f" published.known_difference: {texts}"
            )
            yield _report(view, next(iter(differences)), message, texts)


def _compare(before: Model, now: Model) -> dict[str, str]:
    differences: dict[str, str] = {}
    if isinstance(before, ModelSpec) and isinstance(now, ModelSpec):
        for index, file in enumerate(now.files):
            for other in before.files:
                if other.name == file.name or not {*other.addresses}.isdisjoint(file.addresses):
                    differences |= _compare_files(
                        f"files[{index}]", other, file, may_be_other=_is_next_revision(before, now)
                    )
        if not differences and _is_replaced(before, now):
            return {}
    old_facts = list_facts(before)
    facts = list_facts(now)
    for key in {**old_facts, **facts}:
        is_added = key not in old_facts and (
            key.startswith("decoder.") or key.rpartition(".")[2] in _ADDABLE
        )
        if old_facts.get(key) != facts.get(key) and not is_added:
            differences[key] = f"{facts.get(key, 'none')} (before: {old_facts.get(key, 'none')})"
    return differences


def _is_next_revision(before: ModelSpec, now: ModelSpec) -> bool:
    return before.full_name == now.full_name and before.revision < now.revision


def _compare_files(
    key: str, before: SourceFile, file: SourceFile, *, may_be_other: bool
) -> dict[str, str]:
    """``may_be_other``: whether another digest means another file."""
    old_pins = list_pins(before).items()
    pins = list_pins(file).items()
    is_kept = old_pins <= pins
    is_same_place = not {*before.addresses}.isdisjoint(file.addresses)
    is_same_file = is_same_place and before.size == file.size and not may_be_other
    if not is_kept and is_same_file:
        how = "; a file that was trained again has the next revision"
        return {f"{key}.checksum": f"{file.pin_text} (before: {before.pin_text}{how})"}
    if old_pins and is_kept and before.size not in (None, file.size):
        return {f"{key}.size": f"{file.size} (before: {before.size})"}
    return {}


def _is_replaced(before: ModelSpec, now: ModelSpec) -> bool:
    digests = (read_digests(before), read_digests(now))
    # Those of different algorithms cannot be compared.
    lengths = [{len(each) for each in some} for some in digests]
    return not lengths[0].isdisjoint(lengths[1]) and digests[0].isdisjoint(digests[1])


@rule()
def records_before(view: ModelView) -> Violations:
    """No record in measured.yml is of the IR of a file that was replaced: with --changed_since, of
    one that had another checksum. In another registry than posezoo's, this is a warning.

    Example: another checksum of net.onnx, and the AP of the IR before in measured.yml
    """
    earlier = view.zoo.earlier
    if earlier is None:
        return
    for now in view.variants:
        named = [each for each in earlier.changed if each.full_name == now.full_name]
        if not any(isinstance(each, ModelSpec) and _is_replaced(each, now) for each in named):
            continue
        stale = [each for each in view.records if each.tag == now.tag and each.irs in earlier.irs]
        if stale:
            message = (
                f"{format_count(len(stale), 'record')} of the file that {now.full_name} had before:"
                " remove what is of it, and measure the new file"
            )
            place = view.record_location(stale[0])
            severity = None if view.is_builtin else Severity.WARNING
            yield RuleViolation(place, message, "irs", stale[0].irs, severity=severity)


@rule(severity=Severity.WARNING)
def revision_kept(view: ModelView) -> Violations:
    """With --changed_since: if a file of a model has another checksum than before, its revision is
    higher, so that results, which name the revision, tell both apart.

    Example: another checksum of net.onnx, with revision: 1 before and now
    """
    now = view.spec
    for before in view.zoo.find_earlier(now):
        if not isinstance(before, ModelSpec) or before.full_name != now.full_name:
            continue
        if _is_replaced(before, now) and now.revision <= before.revision:
            message = f"the file has another checksum, and the revision was {before.revision}, too"
            yield view.declared("revision", message, f"{now.revision}", f"{before.revision + 1}")


@rule(unless=("unexplained-change", "known-decoder", "known-network"))
def unlike_siblings(view: ModelView) -> Violations:
    """A model has the mean, scale, colour order, layout and convention of the decoder of one of its
    siblings, if it has some: models of the same publisher and framework, with networks of one kind
    and the same decoder. A model with published: {known_difference: ...} may differ.

    Example: mean: [127.5, 127.5, 127.5] in one size of a network whose other sizes have another
    """
    values = _read_shared_values(view)
    siblings = _find_siblings(view)
    if not siblings or view.reasons:
        return
    for key, value in values.items():
        of_siblings = {each.name: _read_shared_values(each).get(key) for each in siblings}
        if key == "decoder.convention":  # another rule may report that of a sibling
            of_siblings = {name: other for name, other in of_siblings.items() if other}
        if not of_siblings or value in of_siblings.values():
            continue
        name, other = next(iter(of_siblings.items()))
        message = f"{key} is {value or 'none'}, and {other or 'none'} in {name}"
        if len(siblings) > 1:
            message += f"; none of {len(siblings)} similar models has this value"
        message += RIGHT
        # In Open Model Zoo's form, publisher and network are only known from names.
        is_sure = view.is_native or len(siblings) > 1
        severity = None if is_sure else Severity.WARNING
        yield _report(view, key, message, f"{value}", f"{other}", severity=severity)


@rule(unless=("known-decoder", "known-network"))
def frozen_input(view: ModelView) -> Violations:
    """An input of the network's file that becomes a constant is one that the network has: it is not
    among the inputs of the IR, and siblings freeze inputs of the same names. One that is the
    size of the image has the declared size, and a scale of the image is 1.

    Example: frozen_inputs: {orig_target_sizes: [480, 480]}, and shape: [1, 3, 640, 640]
    """
    siblings = [each for sibling in _find_siblings(view) for each in sibling.variants]
    for variant in view.variants:
        frozen = supported_mo_args.frozen_inputs(variant.mo_args)
        similar = [_list_frozen(each) for each in siblings if each.tag == variant.tag]
        problems = [_explain_frozen(name, value, variant) for name, value in frozen.items()]
        if similar and {*frozen} not in similar:
            others = ", ".join(sorted(similar[0])) or "none"
            problems.append(
                f"{', '.join(frozen) or 'none'} becomes a constant, {others} in siblings"
            )
        for problem in filter(None, problems):
            message = f"frozen_inputs: {problem}"
            yield view.declared("frozen_inputs", message, ", ".join(frozen), variant=variant)


def _list_frozen(spec: ModelSpec) -> set[str]:
    return {*supported_mo_args.frozen_inputs(spec.mo_args)}


def _explain_frozen(name: str, value: FrozenValue, spec: ModelSpec) -> str:
    """Why an input cannot become this constant; empty if it can."""
    if spec.network or name in [port.name for port in spec.inputs]:
        inputs = ", ".join(port.name for port in spec.inputs)
        return f"{name} is not an input beside those of the IR: {inputs}"
    if not isinstance(value, tuple) or len(value) < 2:
        return ""
    text = ", ".join(f"{number:g}" for number in value)
    if _SCALE_NAME.search(name) and {*value} != {1}:
        return f"{name} is {text}, and the decoder reads coordinates of the network's own input: 1"
    sizes = _list_image_sizes(spec)
    if _SIZE_NAME.search(name) and sizes and sorted(value[:2]) not in sizes:
        expected = " or ".join("x".join(map(str, size)) for size in sizes)
        return f"{name} is {text}, and the image has {expected}"
    return ""


def _list_image_sizes(spec: ModelSpec) -> list[list[int]]:
    """The shorter and the longer side of each image input with fixed sizes."""
    sides = [port.sides for port in spec.inputs]
    sizes = [sorted((each["H"], each["W"])) for each in sides if each.keys() >= {"H", "W"}]
    return [size for size in sizes if size[0] > 0]


def _report(
    view: ModelView,
    key: str,
    message: str,
    actual: str,
    expected: str = "",
    severity: Severity | None = None,
) -> RuleViolation:
    argument = view.argument(_FLAGS.get(key.rpartition(".")[2], key))
    if argument is None:
        return view.declared(key, message, actual, expected, severity)
    place = argument.node
    return RuleViolation(place, message, key, actual, expected=expected, severity=severity)


def _read_shared_values(view: ModelView) -> dict[str, object]:
    facts = view.zoo.once((list_facts, view.name), lambda: list_facts(view.spec))
    keys = [f"inputs[{index}].{name}" for index in range(len(view.inputs)) for name in _OF_SIBLINGS]
    return {key: facts.get(key) for key in (*keys, "decoder.convention")}


def _find_siblings(view: ModelView) -> list[ModelView]:
    kinds = [*_read_kind(view)]
    models = view.zoo.models_by(_read_kind)[kinds[0]] if kinds else []
    others = (each for each in models if each is not view)
    return [each for each in others if not each.reasons]


def _read_kind(view: ModelView) -> Iterator[tuple[object, ...]]:
    spec = view.spec
    if not view.variants or spec.is_ir:
        return
    addresses = [address for file in spec.files for address in file.addresses]
    host = "/".join(addresses[0].split("/")[2:4]) if addresses else ""
    network = first_word(spec.network.name if spec.network else spec.name)
    decoder = spec.decoder.name if spec.decoder else ""
    roles = tuple(output.role for output in spec.outputs)
    ranks = tuple(len(port.shape) for port in spec.inputs)
    yield spec.origin.repository or host, network, spec.framework, spec.task, decoder, roles, ranks


def list_unjudged(view: ModelView) -> Iterator[str]:
    """What these rules cannot judge in a model, and why; {models} is their number."""
    if view.zoo.earlier is None:
        yield "changes (no --changed_since)"
    elif not all(map(view.zoo.find_earlier, view.declarations)):
        yield "changes of {models} (new)"
    if view.variants and not view.spec.is_ir and not _find_siblings(view):
        yield "likeness of {models} (no siblings)"


@rule(unless=("papers",))
def paper_of_another(view: ModelView) -> Violations:
    """The paper belongs to the model. If only models of other families name it (a family shares
    the beginning of a name), it is wrong if the model's family names another paper, or if no such
    model has its repository or decoder. A title that begins with a name that the model states is
    always right.

    Example: the paper of RTMO in rtmdet-m, while rtmdet-nano names that of RTMDet
    """
    paper = view.spec.origin.paper
    users = view.zoo.models_by(_read_paper)[paper] if paper else []
    others = [each for each in users if each.name not in view.related_names]
    stem = first_word(view.name)
    is_of_family = any(first_word(each.name) == stem for each in others)
    if not others or is_of_family:
        return
    if _states_name_of(paper, view.spec):
        return
    kin = view.zoo.models_by(_read_stem)[stem]
    of_kin = list(dict.fromkeys(each.spec.origin.paper for each in kin if each is not view))
    is_of_kin = len(of_kin) == 1 and paper not in of_kin
    if is_of_kin or not any(_is_alike(view, each) for each in others):
        message = f"origin.paper: {paper} is the paper of {others[0].name}"
        yield view.declared("origin.paper", message, paper, ", ".join(of_kin))


def _states_name_of(paper: str, spec: ModelSpec) -> bool:
    """Whether a model states the name that a paper's title begins with, as in "RTMO: ..."."""
    described: Mapping[str, papers.Paper] = {}
    with suppress(SpecError):  # another rule reports it
        described = papers.read_papers(registry_root(spec) / papers.NAME)
    if paper not in described:
        return False
    name = simplify(described[paper].title.partition(":")[0])
    return bool(name) and name in simplify(f"{spec.subdirectory} {spec.description}")


def _read_paper(view: ModelView) -> Iterator[str]:
    yield view.spec.origin.paper


def first_word(name: str) -> str:
    """The beginning of a name, which models or networks of one design share: rtmpose of
    rtmpose-m.
    """
    return re.split("[-_.]", name)[0]


def _read_stem(view: ModelView) -> Iterator[str]:
    yield first_word(view.name)


def _is_alike(view: ModelView, other: ModelView) -> bool:
    decoders = [each.spec.decoder.name if each.spec.decoder else "" for each in (view, other)]
    is_same = view.spec.origin.repository == other.spec.origin.repository
    return is_same or decoders[0] == decoders[1]
