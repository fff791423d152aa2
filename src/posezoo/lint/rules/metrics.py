"""Rules on GFLOPs, MParams and accuracy of a card, compared with files, other cards, model.yml and index."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass

from posezoo.errors import SpecError
from posezoo.lint.card_claims import CardValue
from posezoo.lint.finding import FileLocation, RuleViolation, Severity
from posezoo.lint.registry_view import ModelView
from posezoo.lint.rule import defined_rules, rule
from posezoo.lint.text_comparison import equals_rounded, parse_numbers
from posezoo.measured import counted_figures
from posezoo.spec.model import Precision, PublishedAccuracy

TITLES = {"gflops": "GFLOPs", "mparams": "MParams"}
#: Files that contain only weights, and archives, which may also contain other files.
PLAIN = (".bin", ".caffemodel", ".onnx", ".pb", ".pth", ".pt", ".params", ".h5", ".safetensors", ".tflite")
ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".task")
#: Compressed weights have at least this fraction of their original size.
COMPRESSED = 0.85
#: If weights are used in several places, they may be counted in each: the files contain at least this
#: fraction.
SHARED = 0.7
#: The weights of recurrent layers were not always counted: an IR contains at most this many times as many.
UNCOUNTED = 3.0
#: Publishers' rules for counting GFLOPs and MParams differ a little from ours.
COUNTED = 0.02
#: A value counted in Mi (2**20) is too small by this factor.
MEBI = 2**20 / 1e6
#: A network that makes an image 16 times as large uses each parameter 32 times for each number of its input.
MOST_USES = 40
#: A number whose comma may be a decimal point or separate thousands.
_COMMA = re.compile(r"([0-9]{1,3}),([0-9]{1,6})")
#: GFLOPs and MParams that differ by less than this share were computed again or rounded differently.
ROUNDING = 2e-3
#: The same for an accuracy.
ACCURACY_ROUNDING = 5e-4


@dataclass(frozen=True, slots=True)
class _Size:
    """The MParams on a card, and the parameters that the model's files can contain."""

    on_card: CardValue[str]
    mparams: float
    millions: float  # at 4 bytes each, or at 2 bytes in an IR with FP16 weights
    is_exact: bool  # whether the files contain nothing else, and are not compressed
    is_ir: bool  # whether the files are a published IR

    @property
    def misfit(self) -> float:
        """The factor between the card and the files, at least 1."""
        return max(self.mparams / self.millions, self.millions / self.mparams)


def _read_size(view: ModelView) -> _Size | None:
    """None if the card does not state one positive number, or the sizes of the files do not show theirs."""
    spec, on_card = view.spec, view.claims.metrics.get("mparams")
    numbers = parse_numbers(on_card.value) if on_card is not None else []
    if spec is None or on_card is None or len(numbers) != 1 or not numbers[0][0]:
        return None
    sizes = {file.name: file.size or 0 for file in spec.files}
    if spec.is_ir:
        for folder, width in (("FP32/", 4), ("FP16/", 2)):
            names = [name for name in sizes if name.startswith(folder) and name.endswith(".bin")]
            if size := sum(sizes[name] for name in names):
                return _Size(on_card, numbers[0][0], size / width / 1e6, is_exact=True, is_ir=True)
        return None
    plain = [size for name, size in sizes.items() if name.endswith(PLAIN)]
    packed = [size for name, size in sizes.items() if name.endswith(ARCHIVES)]
    if not (plain or packed) or any(file.size is None for file in spec.files):
        return None
    millions = sum(plain) / 4e6 + sum(packed) / COMPRESSED / 4e6
    return _Size(on_card, numbers[0][0], millions, is_exact=not packed and len(plain) == 1, is_ir=False)


def _has_known_difference(view: ModelView) -> bool:
    return view.spec is not None and bool(view.spec.published.known_difference)


@rule(
    "mparams-size",
    "The files contain the card's number of parameters: four bytes each in FP32, in millions and not in Mi.",
    "MParams 48.3, and FP32/net.bin of 202,580,400 bytes: 50.6 million",
)
def mparams_size(view: ModelView) -> Iterator[RuleViolation]:
    size = _read_size(view)
    if size is None or _has_known_difference(view):
        return
    text, value, millions = size.on_card.value, size.mparams, size.millions
    is_precise = 10 ** -parse_numbers(text)[0][1] < 0.005 * value
    if size.is_exact and is_precise and abs(millions / value / MEBI - 1) < 0.0015:
        reason = f"{value:g} Mi of 4 bytes each; in millions that is {millions:.4g}"
    elif millions / value < SHARED:
        reason = f"at 4 bytes each the files contain at most {millions:.4g} million"
    elif size.is_ir and millions / value > UNCOUNTED:
        reason = f"at 4 bytes each the files contain {millions:.4g} million"
    else:
        return
    message = f"MParams are {text} on the card: {reason}"
    yield view.quote(size.on_card, message, "figures.mparams", f"{millions:.4g}")


@rule(
    "copied-figures",
    "Networks of different sizes do not have the same GFLOPs and MParams.",
    "a card with the values of the card that it was copied from",
)
def copied_figures(view: ModelView) -> Iterator[RuleViolation]:
    size, gflops = _read_size(view), view.claims.metrics.get("gflops")
    if size is None or gflops is None:
        return
    own = (gflops.value, size.on_card.value)
    for name in view.zoo.models_by_metrics.get(own, ()):
        other = _read_size(view.zoo.models[name])
        if name == view.name or other is None or other.is_exact != size.is_exact:
            continue
        ratio = other.millions / size.millions
        if not 1 / 1.5 < ratio < 1.5 and size.misfit > other.misfit:
            difference = f"{'smaller' if ratio < 1 else 'larger'} by a factor of {max(ratio, 1 / ratio):.1f}"
            message = f"the card has the GFLOPs and MParams of {name}, whose files are {difference}"
            yield RuleViolation(view.card_location(size.on_card), message, "figures", " / ".join(own))
            return


@rule(
    "swapped-figures",
    "The MParams of two cards fit their own files, not each other's, and GFLOPs and MParams have not changed "
    "places.",
    "two cards whose values changed places",
)
def swapped_figures(view: ModelView) -> Iterator[RuleViolation]:
    yield from _find_swapped_rows(view)
    size = _read_size(view)
    if size is None or not size.is_exact or size.misfit < 1.1:
        return
    for name, other_view in view.zoo.models.items():
        other = _read_size(other_view)
        if other_view is view or other is None or not other.is_exact or other.misfit < 1.1:
            continue
        if abs(other.mparams / size.millions - 1) < 0.01 and abs(size.mparams / other.millions - 1) < 0.01:
            actual, expected = size.on_card.value, other.on_card.value
            message = f"MParams are {actual} on the card, which fits {name}; {expected} fits the files here"
            yield view.quote(size.on_card, message, "figures.mparams", expected)
            return


def _find_swapped_rows(view: ModelView) -> Iterator[RuleViolation]:
    """GFLOPs and MParams that are those of a model with a similar name, in the other order."""
    own = _read_figures(view)
    for other in view.zoo.models.values() if own else ():
        if not view.name.startswith(f"{other.name}-") or not (figures := _read_figures(other)):
            continue
        is_swapped = all(abs(a / b - 1) < 0.01 for a, b in zip(own, reversed(figures), strict=True))
        if is_swapped and abs(own[0] / own[1] - 1) > 0.05:
            on_card = view.claims.metrics["gflops"]
            message = (
                f"GFLOPs and MParams have changed places: {other.name} has {figures[0]:g} and {figures[1]:g}"
            )
            actual, expected = (" / ".join(f"{value:g}" for value in values) for values in (own, figures))
            yield RuleViolation(view.card_location(on_card), message, "figures", actual, expected)


def _read_figures(view: ModelView) -> tuple[float, ...]:
    """The GFLOPs and the MParams of a card; empty if it does not state one positive number each."""
    cells = [view.claims.metrics.get(kind) for kind in TITLES]
    numbers = [parse_numbers(cell.value) if cell is not None else [] for cell in cells]
    return tuple(each[0][0] for each in numbers) if all(len(n) == 1 and n[0][0] for n in numbers) else ()


@rule(
    "published-figures",
    "The published GFLOPs and MParams of model.yml are those of the card, and near those that were counted.",
    "gflops: 9.9, and GFLOPs 5.9206 on the card",
)
def published_figures(view: ModelView) -> Iterator[RuleViolation]:
    spec = view.spec
    if spec is None:
        return
    counts: Mapping[str, float] = {}
    with suppress(SpecError):  # another rule reports it
        counts = next(iter(counted_figures(spec, Precision.FP32)), counts)
    for kind, title in TITLES.items():
        published, counted = getattr(spec.published, kind), counts.get(kind)
        if not published:
            continue
        key, on_card = f"published.{kind}", view.claims.metrics.get(f"published {kind}")
        numbers = parse_numbers(on_card.value) if on_card is not None else []
        # 0.6 of the last digit, because some authors round and others truncate.
        if on_card is not None and len(numbers) == 1:
            value, digits = numbers[0]
            if abs(value - published) > 0.6 * 10.0**-digits:
                message = f"{title} are {published:g} in model.yml and {on_card.value} on the card"
                yield view.declared(key, message, f"{published:g}", on_card.value)
        if counted and not _has_known_difference(view) and abs(counted / published - 1) > COUNTED:
            message = f"{title} are {published:g} in model.yml, and {counted:g} were counted"
            yield view.declared(key, message, f"{published:g}", f"{counted:g}")


@rule(
    "published-accuracy",
    "The published accuracy of model.yml is also on the card, in a row of its metric.",
    "value: 0.6464, and 46.46% on the card",
)
def published_accuracy(view: ModelView) -> Iterator[RuleViolation]:
    metrics = view.own_card.metrics if view.own_card is not None else ()
    for index, claim in enumerate(view.spec.published.accuracy if view.spec is not None else ()):
        # A fraction or a percentage; millimetres or centimetres.
        units = (1.0, 100.0) if claim.metric == "AP" else (1.0, 0.1)
        rows = [each.value for each in metrics if re.search(rf"\b{re.escape(claim.metric)}\b", each.label)]
        on_card = rows or [number.value for number in view.claims.accuracy]
        values = (("converted" if claim.is_of_ir else "value", claim.value), ("converted", claim.converted))
        for name, value in values if on_card else ():
            stated = [_with_digits(value * unit) for unit in units] if value is not None else []
            if stated and not any(
                equals_rounded(_with_digits(one), other) for one in on_card for other in stated
            ):
                texts = ", ".join(f"{number:g}" for number in dict.fromkeys(on_card))
                message = f"{claim.metric} is {value:g} in model.yml; the card has {texts}"
                yield view.declared(f"published.accuracy[{index}].{name}", message, f"{value:g}", texts)


def _with_digits(number: float) -> tuple[float, int]:
    """A number, and how many decimal places it has."""
    return number, len(f"{number:.9g}".partition(".")[2])


@rule(
    "accuracy-order",
    "AP and AP75 are at most AP50, and AP is at most AP with flip: these values are easily swapped.",
    "value: 0.722, and value: 0.710 with flip: true",
)
def accuracy_order(view: ModelView) -> Iterator[RuleViolation]:
    for variant in view.variants:
        for index, claim in enumerate(variant.published.accuracy):
            for title, value, limit_title, limit in _ordered_values(claim, variant.published.accuracy):
                if claim.metric == "AP" and value and limit and value > limit:
                    message = f"{title} is {value:g}, and {limit_title} only {limit:g}"
                    location = view.variant_location(variant, "published", "accuracy", index, "value")
                    field, texts = "published.accuracy", (f"{value:g}", f"{limit:g}")
                    yield RuleViolation(location, message, field, *texts)
                    break


def _ordered_values(
    claim: PublishedAccuracy, claims: Iterable[PublishedAccuracy]
) -> Iterator[tuple[str, float | None, str, float | None]]:
    """Pairs of values with their titles, of which the first is at most the second."""
    yield "AP", claim.value, "the highest possible AP is", 1.0
    yield "AP", claim.value, "AP50 is", claim.ap50
    yield "AP75", claim.ap75, "AP50 is", claim.ap50
    for other in claims:
        if other.flip and not claim.flip and other.dataset == claim.dataset:
            yield "AP", claim.value, "AP with flip is", other.value


@rule(
    "missing-figures",
    "A card states GFLOPs, or operations of another kind, and MParams, as numbers without a comma.",
    "a specification without GFLOPs",
)
def missing_figures(view: ModelView) -> Iterator[RuleViolation]:
    if view.spec is None or view.card is None or not view.claims.titles:
        return
    for kind, title in TITLES.items():
        on_card = view.claims.metrics.get(kind)
        if on_card is not None and (match := _COMMA.fullmatch(on_card.value.strip())):
            message = f"{title} are {on_card.value}: is {match[1]}.{match[2]} or {match[1]}{match[2]} meant?"
            yield view.quote(on_card, message, f"figures.{kind}")
        if on_card is not None and parse_numbers(on_card.value):
            continue
        has_other_operations = kind == "gflops" and any("ops" in label for label in view.claims.labels)
        # Markdown takes a table without its rule line for text.
        is_in_text = any(line.lower().startswith(f"| {title.lower()} ") for _, line in view.own_lines)
        if on_card is not None or not (has_other_operations or is_in_text):
            location = view.card_line(on_card.line if on_card else 1)
            actual = on_card.value if on_card else ""
            yield RuleViolation(location, f"the card does not state {title}", f"figures.{kind}", actual)


@rule(
    "plausible-figures",
    "GFLOPs fit MParams and the size of the input: a network uses most parameters at least once, and few of "
    "them more than once for each pixel.",
    "GFLOPs 0.0081 and MParams 28.6, where 8.1 GFLOPs are meant",
)
def plausible_figures(view: ModelView) -> Iterator[RuleViolation]:
    published = view.spec.published if view.spec is not None else None
    declared = (published.gflops, published.mparams) if published is not None else ()
    on_card = _read_figures(view)
    shapes = [port.shape.value for port in view.claims.ports_on("input", "", "original") if port.shape]
    shapes = shapes or [port.shape for port in view.inputs]
    sizes = [size for shape in shapes for size in shape]
    # A model of text uses only a few rows of its table of embeddings.
    is_image = any(len(shape) > 3 for shape in shapes)
    if not is_image or not all(isinstance(size, int) and size > 0 for size in sizes):
        return
    elements = sum(math.prod(size for size in shape if isinstance(size, int)) for shape in shapes)
    for figures in (declared, on_card):
        gflops, mparams = figures or (None, None)
        if gflops and mparams and not mparams / 1e3 < gflops < MOST_USES * mparams / 1e3 * elements:
            message = f"{gflops:g} GFLOPs cannot be right for {mparams:g} MParams and {elements} input values"
            cell = view.claims.metrics["gflops"] if figures is on_card else None
            key = "published.gflops"
            yield view.quote(cell, message, key) if cell else view.declared(key, message, f"{gflops:g}")
            return


@rule(
    "index-figures",
    "GFLOPs and MParams are the same on the card and in the index; a difference in the last digits is only "
    "a warning.",
    "GFLOPs 0.037 on the card, 0.0758 in the index",
)
def index_figures(view: ModelView) -> Iterator[RuleViolation]:
    for row in view.zoo.index.get(view.name, ()):
        for kind, title in TITLES.items():
            on_card, in_index = view.claims.metrics.get(kind), row.cells.get(kind)
            if on_card is None or in_index is None:
                continue
            own, others = parse_numbers(on_card.value), parse_numbers(in_index.value)
            if len(own) != 1 or not others or any(equals_rounded(own[0], other) for other in others):
                continue
            number = own[0][0]
            if "~" in in_index.value and len(others) == 2 and min(others)[0] <= number <= max(others)[0]:
                continue
            is_rounding = any(abs(value - number) <= ROUNDING * number for value, _ in others)
            card, index = view.card_location(on_card), FileLocation(row.file, row.line)
            message = f"{title} are {on_card.value} on the card and {in_index.value} in the index"
            severity = Severity.WARNING if is_rounding else None
            field, texts = f"figures.{kind}", (on_card.value, in_index.value)
            # model.yml or the size of the files shows that the card is right.
            size, published = _read_size(view), getattr(view.spec.published, kind) if view.spec else None
            counted = size.millions if size is not None and size.is_exact and kind == "mparams" else None
            fact = counted or published
            if fact and all(2 * abs(fact - number) < abs(value - number) for value, _ in others):
                message += f"; {'the files have' if counted else 'model.yml has'} {fact:.6g}"
                yield RuleViolation(index, message, field, *texts[::-1], severity)
            else:
                message += f" ({index.file}:{index.line})"
                yield RuleViolation(card, message, field, *texts, severity)


@rule(
    "index-accuracy",
    "Every accuracy in the index is also on the card; a difference in the last digits is only a warning.",
    "69.04% on the card, 96.04% in the index",
)
def index_accuracy(view: ModelView) -> Iterator[RuleViolation]:
    on_card = [(metric.value, len(metric.text.partition(".")[2])) for metric in view.claims.accuracy]
    texts = ", ".join(dict.fromkeys(metric.text for metric in view.claims.accuracy))
    for row in view.zoo.index.get(view.name, ()):
        in_index = row.cells.get("accuracy")
        if in_index is None or not on_card:
            continue
        missing = [
            number
            for number in parse_numbers(in_index.value)
            if not any(equals_rounded(number, own) for own in on_card)
        ]
        if not missing:
            continue
        is_rounding = all(
            any(abs(value - own) <= ACCURACY_ROUNDING * value for own, _ in on_card) for value, _ in missing
        )
        location, severity = FileLocation(row.file, row.line), Severity.WARNING if is_rounding else None
        message = f"the accuracy is {in_index.value} in the index and {texts} on the card"
        yield RuleViolation(location, message, "accuracy", in_index.value, texts, severity)


RULES = defined_rules(globals())
