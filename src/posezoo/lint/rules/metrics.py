"""GFLOPs, MParams and accuracy: the card against the sizes of files, other cards, and what is published."""

from __future__ import annotations

from collections.abc import Iterator

from posezoo.errors import SpecError
from posezoo.lint.card_claims import CardValue
from posezoo.lint.finding import FileLocation, RuleViolation, Severity
from posezoo.lint.registry_view import ModelView
from posezoo.lint.rule import Rule
from posezoo.lint.text_comparison import parse_numbers
from posezoo.measured import load_measurements
from posezoo.spec.model import Precision

TITLES = {"gflops": "GFLOPs", "mparams": "MParams"}
#: Files that hold a network's weights; of the archives nobody knows what else they hold.
PLAIN = (".bin", ".caffemodel", ".onnx", ".pb", ".pth", ".pt", ".params", ".h5", ".safetensors", ".tflite")
ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz")
#: Weights compress to no less than this share of themselves.
COMPRESSED = 0.85
#: A network that uses weights in several places may count them in each.
SHARED = 0.7
#: Recurrent layers' weights were not always counted.
UNCOUNTED = 3.0
#: Publishers count by rules that differ a little from ours.
COUNTED = 0.02
MIB = 2**20 / 1e6


def _is_told_to_differ(view: ModelView) -> bool:
    """Whether model.yml says that a published figure is not what the weights have, and why."""
    return view.spec is not None and bool(view.spec.published.known_difference)


def _figure(view: ModelView, kind: str) -> tuple[CardValue[str], float] | None:
    said = view.claims.figures.get(kind)
    found = parse_numbers(said.value) if said is not None else []
    return (said, found[0][0]) if said is not None and len(found) == 1 and found[0][0] > 0 else None


def _weights(view: ModelView) -> tuple[float, bool, bool] | None:
    """Millions of parameters that the files may hold, whether exactly so many, and whether they are an IR's.

    None where the files do not tell.
    """
    spec = view.spec
    if spec is None:
        return None
    sizes = {file.name: file.size or 0 for file in spec.files}
    if spec.is_ir:
        for folder, width in (("FP32/", 4), ("FP16/", 2)):
            size = sum(
                size for name, size in sizes.items() if name.startswith(folder) and name.endswith(".bin")
            )
            if size:
                return size / width / 1e6, True, True
        return None
    plain = [size for name, size in sizes.items() if name.endswith(PLAIN)]
    packed = [size for name, size in sizes.items() if name.endswith(ARCHIVES)]
    if not (plain or packed) or any(file.size is None for file in spec.files):
        return None
    return sum(plain) / 4e6 + sum(packed) / COMPRESSED / 4e6, not packed and len(plain) == 1, False


def _size(view: ModelView) -> Iterator[RuleViolation]:
    """So many parameters fit into the files: four bytes each."""
    mparams, weights = _figure(view, "mparams"), _weights(view)
    if mparams is None or weights is None or _is_told_to_differ(view):
        return
    (said, value), (held, exact, is_ir) = mparams, weights
    digits = parse_numbers(said.value)[0][1]
    if exact and 10**-digits < 0.005 * value and abs(held / value / MIB - 1) < 0.0015:
        reason = f"{value:g} Mi of 4 bytes each; in millions that is {held:.4g}"
    elif held / value < SHARED:
        reason = f"at 4 bytes each the files hold {held:.4g} million at most"
    elif is_ir and held / value > UNCOUNTED:
        reason = f"at 4 bytes each the files hold {held:.4g} million"
    else:
        return
    yield RuleViolation(
        view.card_location(said),
        f"the card's MParams are {said.value}: {reason}",
        "figures.mparams",
        said.value,
        f"{held:.4g}",
    )


def _copied(view: ModelView) -> Iterator[RuleViolation]:
    """No two networks of quite different sizes have the same GFLOPs and MParams."""
    own, weights = _both(view), _weights(view)
    if own is None or weights is None:
        return
    for name in view.zoo.models_by_metrics.get(own, ()):
        other = view.zoo.models[name]
        held = _weights(other)
        if name == view.name or held is None or held[1] != weights[1]:
            continue
        if not 1 / 1.5 < held[0] / weights[0] < 1.5 and _misfit(view) > _misfit(other):
            said = view.claims.figures["mparams"]
            yield RuleViolation(
                view.card_location(said),
                f"the card has the GFLOPs and MParams of {name}, whose files are "
                f"{'smaller' if held[0] < weights[0] else 'larger'} by a factor of "
                f"{max(held[0] / weights[0], weights[0] / held[0]):.1f}",
                "figures",
                f"{own[0]} / {own[1]}",
            )
            return


def _both(view: ModelView) -> tuple[str, str] | None:
    metrics = view.claims.figures
    return (metrics["gflops"].value, metrics["mparams"].value) if TITLES.keys() <= metrics.keys() else None


def _misfit(view: ModelView) -> float:
    """By what factor a card's MParams are not those of its files."""
    mparams, weights = _figure(view, "mparams"), _weights(view)
    if mparams is None or weights is None:
        return 1.0
    return max(mparams[1] / weights[0], weights[0] / mparams[1])


def _swapped(view: ModelView) -> Iterator[RuleViolation]:
    """Where two models' files fit each other's figures and not their own, the figures changed places."""
    mparams, weights = _figure(view, "mparams"), _weights(view)
    if mparams is None or weights is None or not weights[1] or _misfit(view) < 1.1:
        return
    for other in view.zoo.models.values():
        reference, held = _figure(other, "mparams"), _weights(other)
        if other is view or reference is None or held is None or not held[1] or _misfit(other) < 1.1:
            continue
        if abs(reference[1] / weights[0] - 1) < 0.01 and abs(mparams[1] / held[0] - 1) < 0.01:
            yield RuleViolation(
                view.card_location(mparams[0]),
                f"the card's MParams are {mparams[0].value}, which fit the files of {other.name}; its card's "
                f"{reference[0].value} fit the files here",
                "figures.mparams",
                mparams[0].value,
                reference[0].value,
            )
            return


def _published(view: ModelView) -> Iterator[RuleViolation]:
    """What model.yml says was published is what the card says, and about what was counted."""
    spec = view.spec
    for kind, title in TITLES.items() if spec is not None else ():
        value = getattr(spec.published, kind) if spec is not None else None
        said = view.claims.figures.get(f"published {kind}")
        found = parse_numbers(said.value) if said is not None else []
        if value and said is not None and len(found) == 1 and abs(found[0][0] - value) > _step(found[0]):
            message = f"model.yml publishes {value:g} {title}, the card tells {said.value}"
            yield RuleViolation(
                view.location("published", kind), message, f"published.{kind}", f"{value:g}", said.value
            )
        counted = _counted(view, kind)
        if value and counted and not _is_told_to_differ(view) and abs(counted / value - 1) > COUNTED:
            message = f"model.yml publishes {value:g} {title}, and {counted:g} were counted"
            yield RuleViolation(
                view.location("published", kind), message, f"published.{kind}", f"{value:g}", f"{counted:g}"
            )


def _step(number: tuple[float, int]) -> float:
    return float(0.6 * 10.0 ** -number[1])


def _counted(view: ModelView, kind: str) -> float | None:
    """What measured.yml says was counted on the FP32 IR."""
    try:
        measured = load_measurements(view.spec) if view.spec is not None else ()
    except SpecError:
        return None
    found = (each for each in measured if each.kind == "complexity" and each.precision is Precision.FP32)
    value = next((each.figures.get(kind) for each in found if not each.settings), None)
    return float(value) if value else None


def _published_accuracy(view: ModelView) -> Iterator[RuleViolation]:
    """What model.yml says was published of a model's accuracy stands on its card."""
    told = [said.value for said in view.claims.accuracy]
    for index, each in enumerate(view.spec.published.accuracy if view.spec is not None and told else ()):
        units = (1.0, 100.0) if each.metric == "AP" else (1.0, 0.1)
        if not any(abs(value - each.value * unit) <= 0.06 for value in told for unit in units):
            texts = ", ".join(dict.fromkeys(said.text for said in view.claims.accuracy))
            message = f"model.yml publishes {each.metric} {each.value:g}, the card tells {texts}"
            at = view.location("published", "accuracy", index, "value")
            yield RuleViolation(at, message, f"published.accuracy[{index}].value", f"{each.value:g}", texts)


def _missing(view: ModelView) -> Iterator[RuleViolation]:
    """A card tells GFLOPs and MParams, or operations of another kind."""
    spec = view.spec
    if spec is None or view.card is None or not view.claims.titles:
        return
    for kind, title in TITLES.items():
        said = view.claims.figures.get(kind)
        if said is not None and parse_numbers(said.value):
            continue
        labels = [label for label in view.claims.labels if "ops" in label]
        if said is not None or kind != "gflops" or not labels:
            location = FileLocation(str(view.card_path), said.line if said else 1)
            yield RuleViolation(
                location, f"the card tells no {title}", f"figures.{kind}", said.value if said else ""
            )


RULES: tuple[Rule, ...] = (
    Rule(
        "mparams-size",
        Severity.ERROR,
        "So many parameters are in the files: four bytes each in FP32, in millions and not in MiB.",
        "MParams 48.3, and FP32/net.bin of 202,580,400 bytes: 50.6 million",
        _size,
    ),
    Rule(
        "copied-figures",
        Severity.ERROR,
        "No two networks of quite different sizes have the same GFLOPs and MParams.",
        "a card with the figures of the card that it was copied from",
        _copied,
    ),
    Rule(
        "swapped-figures",
        Severity.ERROR,
        "Each card's MParams fit its own files, not each other's.",
        "two cards whose figures changed places",
        _swapped,
    ),
    Rule(
        "published-figures",
        Severity.ERROR,
        "GFLOPs and MParams that model.yml publishes are the card's, and about what was counted.",
        "gflops: 9.9, and GFLOPs 5.9206 on the card",
        _published,
    ),
    Rule(
        "published-accuracy",
        Severity.ERROR,
        "What model.yml publishes of a model's accuracy stands on its card.",
        "value: 0.6464, and 46.46% on the card",
        _published_accuracy,
    ),
    Rule(
        "missing-figures",
        Severity.ERROR,
        "A card tells GFLOPs and MParams.",
        "a specification without GFLOPs",
        _missing,
    ),
)
