"""Rules on GFLOPs, MParams and accuracy of a card, compared with files, other cards, model.yml and
index.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from posezoo.lint.card_claims import CardValue
from posezoo.lint.finding import RuleViolation
from posezoo.lint.registry_view import ModelView
from posezoo.lint.rule import defined_rules, rule
from posezoo.lint.text_comparison import parse_numbers
from posezoo.spec.model import PublishedAccuracy

TITLES = {"gflops": "GFLOPs", "mparams": "MParams"}
#: Files that contain only weights, and archives, which may also contain other files.
PLAIN = (
    ".bin",
    ".caffemodel",
    ".onnx",
    ".pb",
    ".pth",
    ".pt",
    ".params",
    ".h5",
    ".safetensors",
    ".tflite",
)
ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".task")
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
#: A network that makes an image 16 times as large uses each parameter 32 times for each number of
#: its input.
MOST_USES = 40
#: A number whose comma may be a decimal point or separate thousands.
_COMMA = re.compile(r"([0-9]{1,3}),([0-9]{1,6})")


@dataclass(frozen=True, slots=True)
class FileSize:
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


def read_size(view: ModelView) -> FileSize | None:
    """None if the card does not state one positive number, or the sizes of the files do not show
    theirs.
    """
    spec, on_card = view.spec, view.claims.metrics.get("mparams")
    numbers = parse_numbers(on_card.value) if on_card is not None else []
    if spec is None or on_card is None or len(numbers) != 1 or not numbers[0][0]:
        return None
    sizes = {file.name: file.size or 0 for file in spec.files}
    if spec.is_ir:
        for folder, width in (("FP32/", 4), ("FP16/", 2)):
            names = [name for name in sizes if name.startswith(folder) and name.endswith(".bin")]
            if size := sum(sizes[name] for name in names):
                return FileSize(
                    on_card, numbers[0][0], size / width / 1e6, is_exact=True, is_ir=True
                )
        return None
    plain = [size for name, size in sizes.items() if name.endswith(PLAIN)]
    packed = [size for name, size in sizes.items() if name.endswith(ARCHIVES)]
    if not (plain or packed) or any(file.size is None for file in spec.files):
        return None
    millions = sum(plain) / 4e6 + sum(packed) / COMPRESSED / 4e6
    return FileSize(
        on_card, numbers[0][0], millions, is_exact=not packed and len(plain) == 1, is_ir=False
    )


def _has_known_difference(view: ModelView) -> bool:
    return view.spec is not None and bool(view.spec.published.known_difference)


@rule(
    "mparams-size",
    "The files contain the card's number of parameters: four bytes each in FP32, in millions and"
    " not in Mi.",
    "MParams 48.3, and FP32/net.bin of 202,580,400 bytes: 50.6 million",
)
def mparams_size(view: ModelView) -> Iterator[RuleViolation]:
    size = read_size(view)
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
    size, gflops = read_size(view), view.claims.metrics.get("gflops")
    if size is None or gflops is None:
        return
    own = (gflops.value, size.on_card.value)
    for name in view.zoo.models_by_metrics.get(own, ()):
        other = read_size(view.zoo.models[name])
        if name == view.name or other is None or other.is_exact != size.is_exact:
            continue
        ratio = other.millions / size.millions
        if not 1 / 1.5 < ratio < 1.5 and size.misfit > other.misfit:
            difference = (
                f"{'smaller' if ratio < 1 else 'larger'} by a factor of {max(ratio, 1 / ratio):.1f}"
            )
            message = f"the card has the GFLOPs and MParams of {name}, whose files are {difference}"
            yield RuleViolation(
                view.card_location(size.on_card), message, "figures", " / ".join(own)
            )
            return


def _read_figures(view: ModelView) -> tuple[float, ...]:
    """The GFLOPs and the MParams of a card; empty if it does not state one positive number each."""
    cells = [view.claims.metrics.get(kind) for kind in TITLES]
    numbers = [parse_numbers(cell.value) if cell is not None else [] for cell in cells]
    return (
        tuple(each[0][0] for each in numbers)
        if all(len(n) == 1 and n[0][0] for n in numbers)
        else ()
    )


@rule(
    "accuracy-order",
    "AP and AP75 are at most AP50, and AP is at most AP with flip: these values are easily"
    " swapped.",
    "value: 0.722, and value: 0.710 with flip: true",
)
def accuracy_order(view: ModelView) -> Iterator[RuleViolation]:
    for variant in view.variants:
        for index, claim in enumerate(variant.published.accuracy):
            for title, value, limit_title, limit in _ordered_values(
                claim, variant.published.accuracy
            ):
                if claim.metric == "AP" and value and limit and value > limit:
                    message = f"{title} is {value:g}, and {limit_title} only {limit:g}"
                    location = view.variant_location(
                        variant, "published", "accuracy", index, "value"
                    )
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
            message = (
                f"{title} are {on_card.value}: is {match[1]}.{match[2]} or {match[1]}{match[2]}"
                " meant?"
            )
            yield view.quote(on_card, message, f"figures.{kind}")
        if on_card is not None and parse_numbers(on_card.value):
            continue
        has_other_operations = kind == "gflops" and any(
            "ops" in label for label in view.claims.labels
        )
        # Markdown takes a table without its rule line for text.
        is_in_text = any(
            line.lower().startswith(f"| {title.lower()} ") for _, line in view.own_lines
        )
        if on_card is not None or not (has_other_operations or is_in_text):
            location = view.card_line(on_card.line if on_card else 1)
            actual = on_card.value if on_card else ""
            yield RuleViolation(
                location, f"the card does not state {title}", f"figures.{kind}", actual
            )


@rule(
    "plausible-figures",
    "GFLOPs fit MParams and the size of the input: a network uses most parameters at least once,"
    " and few of them more than once for each pixel.",
    "GFLOPs 0.0081 and MParams 28.6, where 8.1 GFLOPs are meant",
)
def plausible_figures(view: ModelView) -> Iterator[RuleViolation]:
    shapes = [
        port.shape.value for port in view.claims.ports_on("input", "", "original") if port.shape
    ]
    shapes = shapes or [port.shape for port in view.inputs]
    sizes = [size for shape in shapes for size in shape if isinstance(size, int) and size > 0]
    is_known = len(sizes) == sum(map(len, shapes))
    # A model of text uses only a few rows of its table of embeddings.
    is_image = any(len(shape) > 3 for shape in shapes)
    if not is_image or not is_known:
        return
    elements = sum(math.prod(size for size in shape if isinstance(size, int)) for shape in shapes)
    for gflops, mparams, violation in _list_figures(view):
        if not mparams / 1e3 < gflops < MOST_USES * mparams / 1e3 * elements:
            reason = (
                f"{gflops:g} GFLOPs cannot be right for {mparams:g} MParams and {elements} input"
                " values"
            )
            yield replace(violation, message=reason)
            return


def _list_figures(view: ModelView) -> Iterator[tuple[float, float, RuleViolation]]:
    """The GFLOPs and MParams of model.yml and of the card, with a violation at the former."""
    published = view.spec.published if view.spec is not None else None
    if published is not None and published.gflops and published.mparams:
        violation = view.declared("published.gflops", "", f"{published.gflops:g}")
        yield published.gflops, published.mparams, violation
    if figures := _read_figures(view):
        yield (
            figures[0],
            figures[1],
            view.quote(view.claims.metrics["gflops"], "", "figures.gflops"),
        )


RULES = defined_rules(globals())
