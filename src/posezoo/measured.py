"""What was measured of a model: measured.yml beside its model.yml, written by ``posezoo record`` alone.

Each measurement answers one question: what, of which variant and precision, how, and on which machine. A
newer answer takes the older one's place, and all stand in one order, so that a diff shows what changed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from posezoo.files.verified_files import write_atomically
from posezoo.spec.field_types import read_line, read_matching
from posezoo.spec.model import CompositeSpec, ModelSpec, Precision
from posezoo.spec.model_yml import TAG
from posezoo.spec.yaml_nodes import YamlNode, read_yaml

NAME = "measured.yml"

NOTE = "# written by `posezoo record`: measured, never typed"

Scalar = str | int | float | bool


@dataclass(frozen=True, slots=True)
class MeasurementKind:
    """A kind of measurement.

    Attributes:
        figures: the largest value that can be meant, by name; a name ends with its unit, where it has one.
        by_machine: whether the figures are those of one machine.
        any_weights: whether they do not depend on the weights' values, so that generated ones will do.
    """

    figures: Mapping[str, float]
    by_machine: bool = False
    any_weights: bool = False


_COCO = ("AP", "AP50", "AP75", "APm", "APl", "AR", "AR50", "AR75", "ARm", "ARl")

KINDS: Mapping[str, MeasurementKind] = {
    # 10^9 operations for one inference at the declared size; 10^6 weights.
    "complexity": MeasurementKind({"gflops": 1e9, "mparams": 1e9}, any_weights=True),
    # COCO's ten figures, as shares, and two more of boxes; the mean error of 3D joints.
    "accuracy": MeasurementKind({**dict.fromkeys((*_COCO, "APs", "ARs"), 1.0), "MPJPE_mm": 1e4}),
    # How far INT8 lies from FP32, in pixels of the input, and how many people either found.
    "quantization": MeasurementKind(
        {
            "shift_p50_px": 1e4,
            "shift_p90_px": 1e4,
            "found_fp32": 1e6,
            "found_int8": 1e6,
            "agreement": 1.0,
            "bin_share": 1.0,
        }
    ),
    "speed": MeasurementKind(
        dict.fromkeys(
            (
                "throughput_fps",
                "throughput_min_fps",
                "throughput_max_fps",
                "latency_p50_ms",
                "latency_p90_ms",
                "latency_p99_ms",
                "compile_s",
                "memory_mib",
                "rounds",
            ),
            1e9,
        ),
        by_machine=True,
        any_weights=True,
    ),
}

#: Whose weights were measured: the publisher's, or ones that we made since those are not to be had here.
WEIGHTS = ("published", "generated")

_KEYS = ("tag", "precision", "machine", "settings", "weights", "figures", "tools", "date")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


@dataclass(frozen=True, slots=True)
class Measurement:
    """What came out when something was measured.

    Attributes:
        kind: a name of ``KINDS``.
        precision: of the IR.
        figures: by name; what they are and their units, ``KINDS`` says.
        tag: of the variant; empty where a model has none.
        machine: processor, cores and system in one line; empty where figures do not depend on it.
        settings: what figures depend on besides: device, batch, data set, and the like.
        weights: one of ``WEIGHTS``.
        tools: versions of what took part, by package.
        date: year-month-day; empty where nothing changes with time.
    """

    kind: str
    precision: Precision
    figures: Mapping[str, float]
    tag: str = ""
    machine: str = ""
    settings: Mapping[str, Scalar] = field(default_factory=dict)
    weights: str = "published"
    tools: Mapping[str, str] = field(default_factory=dict)
    date: str = ""

    @property
    def key(self) -> tuple[int, str, int, str, str]:
        """What it answers, which also is its place: kind, variant, precision, machine, settings."""
        settings = json.dumps(dict(self.settings), sort_keys=True)
        return list(KINDS).index(self.kind), self.tag, _ORDER.index(self.precision), self.machine, settings


_ORDER = tuple(Precision)


def load_measurements(spec: ModelSpec | CompositeSpec) -> tuple[Measurement, ...]:
    """What was measured of a composite, or of a model, this variant of it; nothing without a measured.yml.

    Raises:
        SpecError: the file says something that cannot be meant.
    """
    tag = spec.tag if isinstance(spec, ModelSpec) else ""
    return tuple(each for each in read_measured(spec.path.with_name(NAME)) if each.tag == tag)


def read_measured(path: Path) -> tuple[Measurement, ...]:
    """All measurements of a measured.yml; none where it is not there.

    Raises:
        SpecError: the first thing in the file that cannot be meant, with its place.
    """
    if not path.is_file():
        return ()
    kinds = read_yaml(path).as_mapping(KINDS)
    return tuple(_measurement(node, kind) for kind, nodes in kinds for node in nodes.as_list())


def read_measurement_file(path: Path) -> tuple[tuple[str, Measurement], ...]:
    """The measurements in a tool's file, each with the model's name (``name@tag`` for a variant).

    Args:
        path: JSON of one measurement or a list of them: the keys of measured.yml, and ``model`` and ``kind``;
            the tag stands in the name.

    Raises:
        SpecError: the first thing in the file that cannot be meant, with its place.
    """
    node = read_yaml(path)  # YAML's reader takes JSON, and tells where a mistake stands
    found = []
    for each in node.as_list() if isinstance(node.value, list) else (node,):
        fields = each.as_mapping(("model", "kind", *_KEYS[1:]))
        model, kind = fields["model"].text(), fields["kind"].choice(KINDS)
        found.append((model, _measurement(each, kind, ("model", "kind"))))
    return tuple(found)


def measurement_to_json(model: str, each: Measurement) -> dict[str, object]:
    """A measurement as ``read_measurement_file`` takes it: plain values, for a tool's file of JSON.

    Args:
        model: its name, ``name@tag`` for a variant.
        each: what was measured of it.
    """
    values: dict[str, object] = {
        "machine": each.machine,
        "settings": dict(each.settings),
        "weights": each.weights,
        "figures": _rounded(each),
        "tools": dict(each.tools),
        "date": each.date,
    }
    said = {key: value for key, value in values.items() if value not in ("", {})}
    return {"model": model, "kind": each.kind, "precision": each.precision.value, **said}


def update_measured_yml(path: Path, found: Iterable[Measurement]) -> bool:
    """Take measurements into a measured.yml: in the place of those that answered the same, else beside them.

    Returns:
        Whether the file is another now.

    Raises:
        SpecError: the file that is there says something that cannot be meant.
        OutputError: it cannot be written.
    """
    answers = {each.key: each for each in (*read_measured(path), *found)}
    content = format_measured_yml([answers[question] for question in sorted(answers)]).encode()
    if path.is_file() and path.read_bytes() == content:
        return False
    write_atomically(path, content)
    return True


def format_measured_yml(measurements: Collection[Measurement]) -> str:
    """The text of a measured.yml; the same measurements give the same text."""
    lines = [NOTE]
    for kind in KINDS:
        if rows := [measurement for measurement in measurements if measurement.kind == kind]:
            lines.append(f"{kind}:")
            lines += [text for row in rows for text in _item(row)]
    return "\n".join(lines) + "\n"


def _item(each: Measurement) -> Iterator[str]:
    values: Mapping[str, Scalar | Mapping[str, Scalar]] = {
        "tag": each.tag,
        "precision": each.precision.value,
        "machine": each.machine,
        "settings": dict(sorted(each.settings.items())),
        "weights": "" if each.weights == WEIGHTS[0] else each.weights,
        "figures": _rounded(each),
        "tools": dict(sorted(each.tools.items())),
        "date": each.date,
    }
    said = [f"{key}: {_format_item(value)}" for key, value in values.items() if value not in ("", {})]
    yield from (f"{'    ' if index else '  - '}{text}" for index, text in enumerate(said))


def _rounded(each: Measurement) -> dict[str, float]:
    """The figures in their kind's order, with six digits, as cards have them: more is noise."""
    known = [name for name in KINDS[each.kind].figures if name in each.figures]
    return {name: float(f"{each.figures[name]:.6g}") for name in known}


def _format_item(value: Scalar | Mapping[str, Scalar]) -> str:
    if isinstance(value, Mapping):
        return (
            "{" + ", ".join(f"{_format_item(key)}: {_format_item(each)}" for key, each in value.items()) + "}"
        )
    if isinstance(value, str):
        # What other readers of YAML could take for anything else is quoted.
        is_plain = re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]{2,}", value) and value.lower() not in _GUESSED
        return value if is_plain else json.dumps(value, ensure_ascii=False)
    return json.dumps(value)


_GUESSED = ("true", "false", "null", "yes", "off")


def _measurement(node: YamlNode, kind: str, besides: Collection[str] = ()) -> Measurement:
    fields = node.as_mapping((*_KEYS, *besides))
    of = KINDS[kind]
    weights, machine, tag, date = (fields.get(key) for key in ("weights", "machine", "tag", "date"))
    if weights is not None and weights.choice(WEIGHTS) == "generated" and not of.any_weights:
        raise weights.make_error(f"{kind} depends on the weights: on generated ones it tells nothing")
    if of.by_machine and machine is None:
        raise node.make_error(f"{kind} is that of one machine: the key machine is missing")
    settings, tools = fields.get("settings"), fields.get("tools")
    return Measurement(
        kind=kind,
        precision=Precision(fields["precision"].choice(Precision)),
        figures=dict(_figure(name, each, of) for name, each in _wrap_lines(fields["figures"], of.figures)),
        tag=read_matching(tag, TAG, "a tag") if tag is not None else "",
        machine=read_line(machine) if machine is not None else "",
        settings={key: each.scalar() for key, each in settings.as_mapping()} if settings is not None else {},
        weights=weights.choice(WEIGHTS) if weights is not None else WEIGHTS[0],
        tools={key: read_line(each) for key, each in tools.as_mapping()} if tools is not None else {},
        date=read_matching(date, _DATE, "a date such as 2026-01-31") if date is not None else "",
    )


def _wrap_lines(node: YamlNode, known: Collection[str]) -> Iterable[tuple[str, YamlNode]]:
    found = list(node.as_mapping(known))
    if not found:
        raise node.make_error("is empty: a measurement has at least one figure")
    return found


def _figure(name: str, node: YamlNode, kind: MeasurementKind) -> tuple[str, float]:
    value = node.number()
    if not 0 <= value <= kind.figures[name]:
        raise node.make_error(f"expected 0 to {kind.figures[name]:g}, got {value:g}")
    return name, value
