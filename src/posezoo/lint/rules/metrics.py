"""Rules on GFLOPs, MParams and accuracy of a card, compared with files, other cards, model.yml and
index.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cache
from itertools import product
from math import isclose
from typing import Any

from posezoo.core.declarations.model import (
    Framework,
    ModelSpec,
    Precision,
    PublishedAccuracy,
    list_frameworks,
)
from posezoo.core.errors import (
    MissingPackageError,
    NetworkError,
    SpecError,
    UnknownModelError,
    import_optional,
)
from posezoo.core.values import frozen
from posezoo.figures.measured import MAX_DIFFERENCE, NAME, explain_difference, measurements_of
from posezoo.figures.measured import counted_figures as read_counted_figures
from posezoo.lint.card_claims import CardValue
from posezoo.lint.finding import FileLocation, RuleViolation, Violations
from posezoo.lint.registry_view import ModelView
from posezoo.lint.rule import Agree, Facts, FactStatement, fact, rule
from posezoo.lint.text_comparison import equals_rounded, parse_numbers, simplify
from posezoo.networks import find_network
from posezoo.networks.definition import ArgumentValue
from posezoo.pages.cards.card_reader import to_plain_text

FIGURES = ("gflops", "mparams")
#: Files that contain only weights, and archives, which may also contain other files.
PLAIN = (
    ".bin",
    ".caffemodel",
    ".onnx",
    ".pb",
    ".pth",
    ".pth.tar",
    ".pt",
    ".params",
    ".h5",
    ".safetensors",
    ".tflite",
)
_ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".task")
#: Compressed weights have at least this fraction of their original size.
COMPRESSED = 0.85
#: If weights are used in several places, they may be counted in each: the files contain at least
#: this fraction.
SHARED = 0.7
#: The weights of recurrent layers were not always counted: an IR contains at most this many times
#: as many.
UNCOUNTED = 3.0
#: A value counted in Mi (2**20) is too small by this factor.
MEBI = 2**20 / 1e6
#: The names of the frameworks on cards. Files in ONNX's format come from any framework.
FRAMEWORKS = {simplify(name): name for name in list_frameworks()} | {
    "tensorflow": Framework.TF, "keras": Framework.TF, "tensorflowjs": Framework.TF,
}  # fmt: skip
#: GFLOPs and MParams that differ by less than this share were computed again or rounded
#: differently.
ROUNDING = 2e-3
#: The same for an accuracy.
ACCURACY_ROUNDING = 5e-4
#: The share by which a conversion may change an accuracy; 0.005 is the most in Open Model Zoo.
CONVERTED = 0.02
#: Publishers' rules for counting GFLOPs and MParams differ a little from ours.
COUNTED = 0.02
#: The share of a network's parameters that may be those of batch norms.
BATCH_NORMS = 0.05
#: A number with its number of decimal places.
Number = tuple[float, int]


@frozen
class FileSize:
    """The MParams on a card, and the parameters that the model's files can contain."""

    on_card: CardValue[str]
    mparams: float
    millions: float  # at 4 bytes each, or at 2 bytes in an IR with FP16 weights
    is_exact: bool  # whether the files contain nothing else, and are not compressed

    @property
    def misfit(self) -> float:
        """The factor between the card and the files, at least 1."""
        return max(self.mparams / self.millions, self.millions / self.mparams)


def read_size(view: ModelView) -> FileSize | None:
    """None if the card does not state one positive number, or the sizes of the files do not show
    theirs.
    """
    spec = view.spec
    on_card = view.claims.metrics.get("mparams")
    numbers = parse_numbers(on_card.value) if on_card is not None else []
    if on_card is None or len(numbers) != 1 or not numbers[0][0]:
        return None
    in_ir = _sum_sizes(spec, ".bin", "FP32/") / 4e6 or _sum_sizes(spec, ".bin", "FP16/") / 2e6
    millions = in_ir if spec.is_ir else _count_in_files(spec)
    if not millions:
        return None
    packed = _sum_archives(spec)
    is_exact = not packed and sum(name.endswith(PLAIN) for name in spec.file_names) == 1
    return FileSize(on_card, numbers[0][0], millions, is_exact=spec.is_ir or is_exact)


def is_archive(name: str) -> bool:
    """Whether a file is packed: PyTorch's examples save checkpoints as .pth.tar, which are not."""
    return name.endswith(_ARCHIVES) and not name.endswith(PLAIN)


def _sum_archives(spec: ModelSpec) -> int:
    return sum(file.size or 0 for file in spec.files if is_archive(file.name))


def _sum_sizes(spec: ModelSpec, suffixes: str | tuple[str, ...], folder: str = "") -> int:
    files = [file for file in spec.files if file.name.startswith(folder)]
    return sum(file.size or 0 for file in files if file.name.endswith(suffixes))


def _count_in_files(spec: ModelSpec) -> float:
    if any(file.size is None for file in spec.files):
        return 0.0
    return (_sum_sizes(spec, PLAIN) + _sum_archives(spec) / COMPRESSED) / 4e6


@rule()
def mparams_size(view: ModelView) -> Violations:
    """The files contain the card's number of parameters: four bytes each in FP32, in millions and
    not in Mi.

    Example: MParams 48.3, and FP32/net.bin of 202,580,400 bytes: 50.6 million
    """
    size = read_size(view)
    if size is None or view.spec.published.known_difference:
        return
    counted = f"{size.millions:.4g}"
    ratio = size.millions / size.mparams
    # Whether the card states the parameters of the files, divided by 2**20.
    is_precise = 10 ** -parse_numbers(size.on_card.value)[0][1] < 0.005 * size.mparams
    is_in_mebi = size.is_exact and is_precise and abs(ratio / MEBI - 1) < 0.0015
    if is_in_mebi:
        reason = f"{size.mparams:g} Mi of 4 bytes each; in millions that is {counted}"
    elif ratio < SHARED:
        reason = f"at 4 bytes each the files contain at most {counted} million"
    elif view.spec.is_ir and ratio > UNCOUNTED:
        reason = f"at 4 bytes each the files contain {counted} million"
    else:
        return
    message = f"MParams are {size.on_card.value} on the card: {reason}"
    yield view.quote(size.on_card, message, "figures.mparams", counted)


@rule()
def copied_figures(view: ModelView) -> Violations:
    """Networks of different sizes do not have the same GFLOPs and MParams.

    Example: a card with the values of the card that it was copied from
    """
    size = read_size(view)
    gflops = view.claims.metrics.get("gflops")
    if size is None or gflops is None:
        return
    texts = (gflops.value, size.on_card.value)
    for model in view.zoo.models_by(_read_metric_texts)[texts]:
        other = read_size(model)
        if other is None or other.is_exact != size.is_exact:
            continue
        ratio = other.millions / size.millions
        if not 1 / 1.5 < ratio < 1.5 and size.misfit > other.misfit:
            comparative = "smaller" if ratio < 1 else "larger"
            difference = f"{comparative} by a factor of {max(ratio, 1 / ratio):.1f}"
            message = (
                f"the card has the GFLOPs and MParams of {model.name}, whose files are {difference}"
            )
            place = view.card_location(size.on_card)
            yield RuleViolation(place, message, "figures", " / ".join(texts))
            return


def _read_metric_texts(view: ModelView) -> Iterator[tuple[str, ...]]:
    cells = map(view.claims.metrics.get, FIGURES)
    yield tuple(cell.value for cell in cells if cell is not None)


@rule()
def accuracy_order(view: ModelView) -> Violations:
    """AP and AP75 are at most AP50, and AP is at most AP with flip: these values are easily
    swapped.

    Example: value: 0.722, and value: 0.710 with flip: true
    """
    for variant in view.variants:
        for index, claim in enumerate(variant.published.accuracy):
            if claim.metric != "AP":
                continue
            # The first value of each is at most the second.
            ordered: list[tuple[str, float | None, str, float | None]] = [
                ("AP", claim.value, "the highest possible AP is", 1.0),
                ("AP", claim.value, "AP50 is", claim.ap50),
                ("AP75", claim.ap75, "AP50 is", claim.ap50),
            ]
            for other in variant.published.accuracy:
                is_flip_alone = other.flip and not claim.flip
                if is_flip_alone and _read_conditions(other) == _read_conditions(claim):
                    ordered.append(("AP", claim.value, "AP with flip is", other.value))
            for title, value, limit_title, limit in ordered:
                if value and limit and value > limit:
                    message = f"{title} is {value:g}, and {limit_title} only {limit:g}"
                    location = view.variant_location(
                        variant, "published", "accuracy", index, "value"
                    )
                    field = "published.accuracy"
                    texts = (f"{value:g}", f"{limit:g}")
                    yield RuleViolation(location, message, field, *texts)
                    break


def _read_conditions(claim: PublishedAccuracy) -> tuple[str, str, frozenset[str]]:
    """What two accuracies have in common that differ only by flip."""
    parts = map(str.strip, claim.protocol.split(","))
    protocol = frozenset((claim.boxes, *(part for part in parts if "flip" not in part)))
    return claim.metric, claim.dataset, protocol


@fact(unless=("framework-files",))
def framework(view: ModelView) -> Facts:
    """The source framework on the card and in the index is the framework that model.yml declares.

    Example: Source framework: Caffe on the card, framework: tf
    """
    spec = view.spec
    on_card = view.claims.metrics.get("framework")
    declared = spec.origin.framework or spec.framework
    if declared in (Framework.DLDT, Framework.ONNX, Framework.TFLITE):
        return
    statements = [FactStatement("in model.yml", view.location("framework"), declared, declared)]
    if on_card is not None:
        text = to_plain_text(on_card.value)
        statements.append(FactStatement("on the card", view.card_location(on_card), text, text))
    statements += _read_index(view, "framework", str)
    facts = [replace(each, value=FRAMEWORKS.get(simplify(each.text))) for each in statements]
    yield "framework", [each for each in facts if each.value is not None]


def _read_index(view: ModelView, kind: str, read: Callable[[str], Any]) -> Iterator[FactStatement]:
    for row in view.zoo.index[view.name]:
        if kind in row.cells:
            text = row.cells[kind].value
            yield FactStatement("in the index", FileLocation(row.file, row.line), read(text), text)


#: Whether two numbers are the same.
Same = Callable[[Number, Number], bool]


def _within(share: float) -> Same:
    return lambda one, other: isclose(one[0], other[0], rel_tol=share)


def _share_one(same: Same) -> Agree:
    """Compares two lists: they agree if they have one number in common."""
    return lambda one, other: any(same(a, b) for a in one for b in other)


@fact(agree=_share_one(equals_rounded), nearly=_share_one(_within(ROUNDING)))
def index_figures(view: ModelView) -> Facts:
    """GFLOPs and MParams are the same on the card, in the index and in model.yml; a difference in
    the last digits is only a warning.

    Example: GFLOPs 0.037 on the card, 0.0758 in the index
    """
    for kind in FIGURES:
        yield f"figures.{kind}", _read_figures(view, kind)


def _read_figures(view: ModelView, kind: str) -> list[FactStatement]:
    in_index = _read_index(view, kind, parse_numbers)
    statements = [each for each in in_index if "~" not in each.text]  # a range of several models
    on_card = view.claims.metrics.get(kind)
    if on_card is not None and len(numbers := parse_numbers(on_card.value)) == 1:
        statements.append(
            FactStatement("on the card", view.card_location(on_card), numbers, on_card.value)
        )
    published = getattr(view.spec.published, kind)
    size = read_size(view) if kind == "mparams" else None
    evidence = size.millions if size and size.is_exact else published
    if evidence:
        statements.sort(
            key=lambda each: min((abs(value - evidence) for value, _ in each.value), default=0)
        )
    if published:
        text = f"{published:.9g}"
        declared = view.location("published", kind)
        statements.append(FactStatement("in model.yml", declared, parse_numbers(text), text))
    return [each for each in statements if each.value]


@fact(agree=lambda one, other: abs(one / other - 1) <= COUNTED, unless=("known-network",))
def counted_figures(view: ModelView) -> Facts:
    """The published GFLOPs and MParams, and the parameters of the network, are near the counts on
    the IR; a network that takes arguments is checked if PyTorch is installed.

    Example: gflops: 9.9, and 5.9206 were counted
    """
    spec = view.spec
    counts = []
    with suppress(SpecError):  # another rule reports it
        counts = read_counted_figures(spec, Precision.FP32)
    if not counts:
        return
    for kind in FIGURES:
        place = view.location("published", kind)
        counted = counts[0].get(kind)
        published = getattr(spec.published, kind)
        if counted and published and not spec.published.known_difference:
            measured = FactStatement("in measured.yml", place, counted, f"{counted:g}")
            declared = FactStatement("in model.yml", place, published, f"{published:g}")
            yield f"published.{kind}", [measured, declared]
    of_network = count_millions(spec)
    counted = counts[0].get("mparams")
    # The IR has no separate batch norms.
    if counted and of_network and abs(of_network / counted - 1) > BATCH_NORMS:
        place = view.location("network")
        measured = FactStatement("in measured.yml", place, counted, f"{counted:g}")
        built = FactStatement("with these arguments", place, of_network, f"{of_network:g}")
        yield "network.mparams", [measured, built]


@fact(agree=lambda one, other: abs(one - other) <= MAX_DIFFERENCE)
def measured_accuracy(view: ModelView) -> Facts:
    """An AP that was measured as the publisher measured it is at most 0.02 from the published one;
    published: {known_difference: ...} gives the reason for a larger difference.

    Example: AP 0.385 on val2017 in measured.yml, and value: 0.428
    """
    for variant in view.variants:
        place = FileLocation(variant.path.with_name(NAME))
        rows = []
        with suppress(SpecError):  # another rule reports it
            rows = measurements_of(variant, "accuracy")
        for row, claim in product(rows, variant.published.accuracy):
            ap = row.figures.get("AP")
            is_of_all = not {"of", "keypoints"} & {*row.settings}  # and not of boxes
            is_same = claim.metric == "AP" and not explain_difference(claim, variant, row)
            if ap is not None and is_of_all and is_same:
                measured = FactStatement(f"in {NAME}", place, ap, f"{ap:g}")
                published = FactStatement("published", place, claim.value, f"{claim.value:g}")
                yield "published.AP", [published, measured]


@rule(unless=("counted-figures", "known-network"))
def same_network(view: ModelView) -> Violations:
    """Models with the same network and the same arguments have the same number of parameters.

    Example: network: {name: vitpose, width: 768} in the model whose width is 384
    """
    for key, (millions, _) in _read_network(view):
        others = [each for each in view.zoo.group(_read_network)[key] if each[1] != view.name]
        differing = [each for each in others if abs(millions / each[0] - 1) > BATCH_NORMS]
        # A model may be named after its network or its arguments, such as hrnet-w32.
        values = {argument.partition("=")[2] for argument in key[1:]}
        is_named = view.name == key[0] or not values.isdisjoint(re.findall(r"[0-9]+", view.name))
        is_usual = len(differing) * 2 <= len(others) or is_named
        if differing and not is_usual:
            counted, name = differing[0]
            message = (
                f"network: {' '.join(key)} is that of {name}, which has {counted:g} million"
                f" parameters, and {millions:g} were counted here"
            )
            yield view.declared("network", message, key[0])


def _read_network(view: ModelView) -> Iterator[tuple[tuple[str, ...], tuple[float, str]]]:
    spec = view.spec
    if spec.network is None:
        return
    with suppress(SpecError, UnknownModelError, NetworkError):  # other rules report it
        network = find_network(spec.network.name)
        arguments = network.complete_arguments(**spec.network.arguments)
        counts = read_counted_figures(spec, Precision.FP32)
        if counts and counts[0].get("mparams"):
            key = (network.name, *(f"{name}={value}" for name, value in sorted(arguments.items())))
            yield key, (counts[0]["mparams"], view.name)


def count_millions(spec: ModelSpec) -> float:
    """The millions of parameters of the network; 0 if it takes no arguments, or if unknown."""
    if spec.network is None:
        return 0.0
    arguments = spec.network.arguments
    with suppress(UnknownModelError, NetworkError, MissingPackageError):
        network = find_network(spec.network.name)
        if network.complete_arguments(**arguments):
            import_optional("torch", extra="torch")
            return _count_parameters(network.name, tuple(sorted(arguments.items()))) / 1e6
    return 0.0


# Cached, because models share networks, and two rules ask.
@cache
def _count_parameters(name: str, arguments: tuple[tuple[str, ArgumentValue], ...]) -> int:
    with import_optional("torch", extra="torch").device("meta"):
        network = find_network(name).build(**dict(arguments))
    return sum(each.numel() for each in network.parameters())


def _knows_all(same: Same) -> Agree:
    """Compares two lists: they contradict each other if each has values that the other does not
    have.
    """

    def agree(one: Sequence[Number], other: Sequence[Number]) -> bool:
        is_known = all(any(same(a, b) for b in other) for a in one)
        return is_known or all(any(same(a, b) for a in one) for b in other)

    return agree


def _is_same_accuracy(one: Number, other: Number) -> bool:
    """As fractions or percentages."""
    value, digits = other
    return any(equals_rounded(one, (value * 10.0**power, digits - power)) for power in (0, 2, -2))


@fact(agree=_knows_all(_is_same_accuracy), nearly=_knows_all(_within(ACCURACY_ROUNDING)))
def accuracy(view: ModelView) -> Facts:
    """The accuracy in the index and in model.yml is also on the card; a difference in the last
    digits is only a warning.

    Example: 69.04% on the card, 96.04% in the index
    """
    on_card = view.claims.accuracy
    for in_index in _read_index(view, "accuracy", parse_numbers):
        yield "accuracy", [*_state(view, on_card), in_index]
    for index, claim in enumerate(view.spec.published.accuracy):
        node = view.location("published", "accuracy", index)
        name = re.compile(rf"\b{re.escape(claim.metric)}\b")
        on_rows = _state(view, [each for each in on_card if name.search(each.label)] or on_card)
        for value in (claim.value, claim.converted):
            if value is not None:
                text = f"{value:.9g}"
                declared = FactStatement("in model.yml", node, parse_numbers(text), text)
                yield f"published.accuracy[{index}]", [*on_rows, declared]


def _state(view: ModelView, values: Sequence[CardValue[float]]) -> list[FactStatement]:
    numbers = [(each.value, len(each.text.partition(".")[2])) for each in values if each.value]
    if not numbers:
        return []
    text = ", ".join(dict.fromkeys(each.text for each in values))
    return [FactStatement("on the card", view.card_location(values[0]), numbers, text)]


@rule()
def converted_accuracy(view: ModelView) -> Violations:
    """The accuracy of the converted model is near that of the original, in each row of the card's
    table and in model.yml; published: {known_difference: ...} gives the reason for another one.

    Example: | AP | 64.64% | 6.464% |
    """
    if view.spec.published.known_difference:
        return
    for original, converted in view.claims.conversions:
        if not isclose(original.value, converted.value, rel_tol=CONVERTED):
            message = (
                f"{converted.label or 'the accuracy'} is {original.text} for the original, and"
                f" {converted.text} for the converted model"
            )
            yield view.quote(converted, message, "accuracy", original.text)
    for variant in view.variants:
        for index, claim in enumerate(variant.published.accuracy):
            value = claim.converted
            if value is not None and not isclose(claim.value, value, rel_tol=CONVERTED):
                field = f"published.accuracy[{index}].converted"
                message = (
                    f"{claim.metric} is {claim.value:g} for the original, and {value:g} for the"
                    " converted model"
                )
                texts = (f"{value:g}", f"{claim.value:g}")
                yield view.declared(field, message, *texts, variant=variant)
