"""Rules on GFLOPs, MParams and accuracy of a card, compared with files, other cards, model.yml and
index.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from posezoo.lint.card_claims import CardClaims, CardValue
from posezoo.lint.finding import RuleViolation, Violations
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
    spec = view.spec
    on_card = view.claims.metrics.get("mparams")
    if spec is None or on_card is None:
        return None
    numbers = parse_numbers(on_card.value)
    if len(numbers) != 1 or not numbers[0][0]:
        return None
    mparams = numbers[0][0]
    sizes = {file.name: file.size for file in spec.files}
    if spec.is_ir:
        millions = _count_ir_millions(sizes)
        return FileSize(on_card, mparams, millions, is_exact=True, is_ir=True) if millions else None
    if None in sizes.values():
        return None
    plain = _sum_sizes(sizes, PLAIN)
    packed = _sum_sizes(sizes, ARCHIVES)
    if not plain and not packed:
        return None
    is_exact = not packed and sum(name.endswith(PLAIN) for name in sizes) == 1
    millions = (plain + packed / COMPRESSED) / 4e6
    return FileSize(on_card, mparams, millions, is_exact=is_exact, is_ir=False)


def _sum_sizes(sizes: Mapping[str, int | None], suffixes: tuple[str, ...]) -> int:
    return sum(size or 0 for name, size in sizes.items() if name.endswith(suffixes))


def _count_ir_millions(sizes: Mapping[str, int | None]) -> float:
    """The parameters that a published IR can contain; 0 if no size is known."""
    for folder, width in (("FP32/", 4), ("FP16/", 2)):
        weights = [name for name in sizes if name.startswith(folder) and name.endswith(".bin")]
        if size := sum(sizes[name] or 0 for name in weights):
            return size / width / 1e6
    return 0.0


def _has_known_difference(view: ModelView) -> bool:
    return view.spec is not None and bool(view.spec.published.known_difference)


@rule()
def mparams_size(view: ModelView) -> Violations:
    """The files contain the card's number of parameters: four bytes each in FP32, in millions and
    not in Mi.

    Example: MParams 48.3, and FP32/net.bin of 202,580,400 bytes: 50.6 million
    """
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


@rule()
def copied_figures(view: ModelView) -> Violations:
    """Networks of different sizes do not have the same GFLOPs and MParams.

    Example: a card with the values of the card that it was copied from
    """
    size, gflops = read_size(view), view.claims.metrics.get("gflops")
    if size is None or gflops is None:
        return
    own = (gflops.value, size.on_card.value)
    for name in view.zoo.group(_read_metric_texts)[own]:
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


def _read_metric_texts(view: ModelView) -> Iterator[tuple[tuple[str, ...], str]]:
    cells = [view.claims.metrics.get(kind) for kind in TITLES]
    yield tuple(cell.value for cell in cells if cell is not None), view.name


@rule()
def accuracy_order(view: ModelView) -> Violations:
    """AP and AP75 are at most AP50, and AP is at most AP with flip: these values are easily
    swapped.

    Example: value: 0.722, and value: 0.710 with flip: true
    """
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


@rule()
def missing_figures(view: ModelView) -> Violations:
    """A card states GFLOPs, or operations of another kind, and MParams, as numbers without a comma.

    Example: a specification without GFLOPs
    """
    metrics = view.claims.metrics
    if view.spec is None or view.claims == CardClaims():
        return
    for kind, title in TITLES.items():
        on_card = metrics.get(kind)
        text = on_card.value if on_card is not None else ""
        if on_card is not None and (match := _COMMA.fullmatch(text.strip())):
            message = f"{title} are {text}: is {match[1]}.{match[2]} or {match[1]}{match[2]} meant?"
            yield view.quote(on_card, message, f"figures.{kind}")
        has_others = kind == "gflops" and "operations" in metrics
        if parse_numbers(text) or (on_card is None and (has_others or _is_in_text(view, title))):
            continue
        location = view.card_line(on_card.line if on_card else 1)
        yield RuleViolation(location, f"the card does not state {title}", f"figures.{kind}", text)


def _is_in_text(view: ModelView, title: str) -> bool:
    """Whether a line is a row of a table without its rule line, which Markdown takes for text."""
    return any(line.lower().startswith(f"| {title.lower()} ") for _, line in view.own_lines)


RULES = defined_rules(globals())
