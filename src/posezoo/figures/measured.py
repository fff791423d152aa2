"""The measurements of a model: measured.yml next to its model.yml, written only by ``posezoo
record``.

The key of a measurement, by which the file is sorted, is its kind, variant, precision, machine and
settings; a new measurement replaces that with its key.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from posezoo.core.declarations.field_types import (
    LINE,
    SCALAR,
    FieldType,
    Key,
    hex_digits,
    mapping_of,
    matching,
    names_of,
    one_of,
    read_keys,
    required_key,
)
from posezoo.core.declarations.model import ITSELF, Model, Precision, PublishedAccuracy
from posezoo.core.declarations.safe_names import TAG
from posezoo.core.regular_files import read_regular_bytes
from posezoo.core.values import frozen

if TYPE_CHECKING:
    from posezoo.core.declarations.yaml_nodes import YamlNode

NAME = "measured.yml"

NOTE = "# written by posezoo: measured, never typed"
_LEFT_OUT = (("tag", ""), ("weights", "published"))

Scalar = str | int | float | bool


@frozen
class MeasurementKind:
    """A kind of measurement."""

    #: Each metric's largest valid value; a name ends with the unit, if any.
    figures: Mapping[str, float]
    by_machine: bool = False  # whether the values depend on the machine
    #: Whether the values do not depend on the weights, which may be random.
    any_weights: bool = False


_COCO = ("AP", "AP50", "AP75", "APm", "APl", "AR", "AR50", "AR75", "ARm", "ARl")
_TURNED = ("found_upright", "found_tilted", "found_lying", "found_upside_down")
_SPEED = (
    *("throughput_fps", "throughput_min_fps", "throughput_max_fps"),
    *("latency_p50_ms", "latency_p90_ms", "latency_p99_ms"),
    *("cpu_ms", "compile_s", "memory_mib", "rounds"),
)

KINDS: Mapping[str, MeasurementKind] = {
    # gflops: 10^9 operations of one inference at the declared size; mparams: 10^6 weights.
    "complexity": MeasurementKind({"gflops": 1e9, "mparams": 1e9}, any_weights=True),
    # COCO's ten metrics and two more for boxes, as shares; the share of people found in images of
    # one, and of two or more; PCK@0.2; the share of images in which a person has two poses; people
    # found per image without people, and those of a score of 0.3 or more; the mean error of 3D
    # joints.
    "accuracy": MeasurementKind(
        {
            **dict.fromkeys((*_COCO, "APs", "ARs", "AR50_single", "AR50_several", "PCK"), 1.0),
            "duplicates": 1.0,
            **dict.fromkeys(("ghosts", "sure_ghosts"), 1e3),
            "MPJPE_mm": 1e4,
        }
    ),
    # The displacement of INT8 from FP32, in pixels of the input, and how many people each detects.
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
    # The shares of people found, each alone on a picture that is turned (``benchmarks/
    # measure_situations.py``) and in a video; people found per picture without people, the share of
    # these pictures that show one; and how often a person of a video gets another number.
    "situations": MeasurementKind(
        {
            **dict.fromkeys((*_TURNED, "found_in_video", "ghost_pictures"), 1.0),
            **dict.fromkeys(("ghosts", "other_numbers"), 1e3),
        }
    ),
    "speed": MeasurementKind(dict.fromkeys(_SPEED, 1e9), by_machine=True, any_weights=True),
}

#: The largest spread of a speed that is recorded: if it is larger, other work disturbed the
#: measurement.
MAX_SPREAD = 0.15

#: The settings of a pipeline's speed: the number of people in its image (0 for the user's own
#: image), how many of them are found, and how many crops the network of keypoints saw (0 if it sees
#: the whole image).
SHOWN = "shown"
USUALLY_SHOWN = 4
FOUND = "people"
CROPS = "crops"

#: The setting of a pipeline whose images get another size than the model declares, in pixels.
TARGET_SIZE = "target_size"

#: The number of images in COCO's val2017.
VAL2017_IMAGES = 5000

#: An AP that was measured as the published one was differs from it by at most this much.
MAX_DIFFERENCE = 0.02

#: The setting that states the precision of the detector's IR, unless it is FP16.
DETECTOR_PRECISION = "detector_precision"

#: The setting ``people_from`` of an accuracy that was measured on the annotated boxes of people.
ANNOTATED_BOXES = "the annotated boxes"

#: The weights that were measured: the publisher's, or random ones if the publisher's are not
#: available.
WEIGHTS = ("published", "generated")

#: Where a record comes from: measured.yml of the registry, what ``posezoo benchmark`` kept for this
#: user on this machine, or a file that ``--figures`` names.
REGISTRY = "the registry"
THIS_MACHINE = "this machine"
FIGURES_FILE = "--figures"
#: Of these, the records of the user; the last one is preferred.
OWN_RECORDS = (THIS_MACHINE, FIGURES_FILE)

_KEYS = (
    Key("tag", matching(TAG, "a tag")),
    required_key("precision", one_of(Precision)),
    Key("machine", LINE),
    Key("settings", mapping_of(SCALAR)),
    Key("weights", one_of(WEIGHTS)),
    # Their limits depend on the kind.
    required_key("figures", FieldType(lambda node: node, {})),
    Key("intervals", FieldType(lambda node: node, {})),
    Key("irs", hex_digits(16, label="16 hexadecimal digits")),
    Key("tools", mapping_of(LINE)),
    Key("date", matching(re.compile(r"\d{4}-\d{2}-\d{2}"), "a date such as 2026-01-31")),
)
_NAMES = names_of(_KEYS)
_PRECISIONS = tuple(Precision)


def people_settings(people_from: str, detector_precision: str) -> dict[str, str]:
    """The settings of a measurement that state how people are found, as an ``Estimator``
    names it.
    """
    settings = {} if people_from == ITSELF else {"people_from": people_from}
    if detector_precision not in ("", Precision.FP16):
        settings[DETECTOR_PRECISION] = detector_precision
    return settings


def read_detector_precision(*settings: Mapping[str, Scalar]) -> Precision:
    """The precision of the detector's IR in some measurements, as ``people_settings`` states it."""
    stated = [each.get(DETECTOR_PRECISION) for each in settings]
    return next((each for each in Precision if each in stated), Precision.FP16)


# Words that some YAML readers parse as a boolean or as null.
_YAML_WORDS = ("true", "false", "null", "yes", "off")


@frozen
class Measurement:
    """The result of a measurement."""

    kind: str  # one of the names in ``KINDS``
    precision: Precision
    figures: Mapping[str, float]  # the values by name; ``KINDS`` defines the names and units
    tag: str = ""  # the tag of the variant; empty if the model has no variants
    #: Processor, cores and system on one line; empty if the values do not depend on it.
    machine: str = ""
    #: Other conditions: device, batch, data set.
    settings: Mapping[str, Scalar] = field(default_factory=dict)
    weights: str = "published"  # one of ``WEIGHTS``
    #: Versions of the packages that were used, by name.
    tools: Mapping[str, str] = field(default_factory=dict)
    date: str = ""  # year-month-day; empty if the values do not change with time
    #: 95 % bounds of figures.
    intervals: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    #: ``digest_irs`` of the measured IR; empty if it is unknown or its weights are generated.
    irs: str = ""
    #: ``REGISTRY``, ``THIS_MACHINE`` or ``FIGURES_FILE``. No file states it: it follows from which
    #: file was read.
    record: str = REGISTRY

    @property
    def spread(self) -> float:
        """The range of the throughput over all rounds, relative to its median; 0 if it was not
        measured.
        """
        least = self.figures.get("throughput_min_fps", 0.0)
        median = self.figures.get("throughput_fps", 0.0)
        greatest = self.figures.get("throughput_max_fps", 0.0)
        return (greatest - least) / median if median and least else 0.0

    @property
    def key(self) -> tuple[int, str, int, str, str]:
        """The key that measurements are sorted by: kind, variant, precision, machine, settings."""
        settings = json.dumps(dict(self.settings), sort_keys=True)
        kind = list(KINDS).index(self.kind)
        precision = _PRECISIONS.index(self.precision)
        return kind, self.tag, precision, self.machine, settings


def load_measurements(spec: Model) -> tuple[Measurement, ...]:
    """The measurements of a composite, or of this variant of a model; empty if there is no
    measured.yml.
    """
    measurements = read_measured(spec.path.with_name(NAME))
    return tuple(measurement for measurement in measurements if measurement.tag == spec.tag)


def counted_figures(spec: Model, precision: Precision) -> list[Mapping[str, float]]:
    """GFLOPs and MParams, as counted on the IR of a precision with the declared sizes."""
    return [
        each.figures
        for each in load_measurements(spec)
        if each.kind == "complexity" and not each.settings and each.precision is precision
    ]


def read_measured(path: Path) -> tuple[Measurement, ...]:
    """All measurements of a measured.yml, empty if there is none; a SpecError at the first invalid
    value.
    """
    if not path.is_file():
        return ()
    from posezoo.core.declarations.yaml_nodes import read_yaml_bytes

    return _parse_measured(read_yaml_bytes(path), str(path))


# Cached, because each card compares its model with all others, and so reads all files.
@lru_cache(maxsize=1024)
def _parse_measured(content: bytes, file: str) -> tuple[Measurement, ...]:
    from posezoo.core.declarations.yaml_nodes import parse_yaml

    return tuple(
        _read_measurement(node, kind)
        for kind, nodes in parse_yaml(content, file).as_mapping(KINDS).items()
        for node in nodes.as_list()
    )


def read_measurement_file(path: Path) -> tuple[tuple[str, Measurement], ...]:
    """The measurements in a tool's file, each with the model's name (``name@tag`` for a variant).

    Args:
        path: JSON of one measurement or a list of them, with the keys of measured.yml except the
            tag, and ``model`` and ``kind``.

    Raises:
        SpecError: the first invalid value, with its place in the file.
    """
    from posezoo.core.declarations.yaml_nodes import read_yaml

    root = read_yaml(path)  # the YAML reader also reads JSON, and reports the place of an error
    measurements = []
    for node in root.as_list() if isinstance(root.value, list) else (root,):
        fields = node.as_mapping(("model", "kind", *_NAMES[1:]))
        model = fields["model"].text()
        kind = fields["kind"].choice(KINDS)
        measurements.append((model, _read_measurement(node, kind, ("model", "kind"))))
    return tuple(measurements)


def measurement_to_json(model: str, measurement: Measurement) -> dict[str, object]:
    """A measurement of a model (``name@tag`` for a variant), as ``read_measurement_file`` reads
    it.
    """
    return {"model": model, "kind": measurement.kind, **_to_fields(measurement)}


def digest_irs(xmls: Iterable[Path]) -> str:
    """16 hexadecimal digits that depend on the bytes of some IR, in any order: each .xml and its
    .bin, or what an original that OpenVINO reads consists of. How the IR say that people are found
    does not matter: a measurement states it itself.
    """
    from hashlib import sha256  # lists, which only read measured.yml, import neither

    from posezoo.core.files.verified_files import compute_digest
    from posezoo.core.ir.people_metadata import digest_network
    from posezoo.run.runtime.graph import network_files

    files = [file for xml in xmls for file in network_files(xml)]
    digests = sorted(
        digest_network(file) if file.suffix == ".xml" else compute_digest(file).value
        for file in files
    )
    joined = " ".join(digests)
    return sha256(joined.encode()).hexdigest()[:16]


def update_measured_yml(
    path: Path,
    measurements: Iterable[Measurement],
    *,
    note: str = NOTE,
    most: int | None = None,
) -> bool:
    """Add measurements to a measured.yml, which replace those with the same key, up to the ``most``
    newest ones; return whether it changed. Other processes wait.

    Raises:
        OutputError: the file cannot be written.
        SpecError: the existing file is not valid; it stays as it is.
    """
    from posezoo.core.files.file_lock import exclusive
    from posezoo.core.files.verified_files import write_atomically, writing

    with writing(path), exclusive(path):
        by_key = {each.key: each for each in (*read_measured(path), *measurements)}
        oldest_first = sorted(by_key, key=lambda key: by_key[key].date)
        ordered = [by_key[key] for key in sorted(oldest_first[-most:] if most else by_key)]
        content = format_measured_yml(ordered, note).encode()
        if path.is_file() and read_regular_bytes(path) == content:
            return False
        write_atomically(path, content)
        return True


def format_measured_yml(measurements: Collection[Measurement], note: str = NOTE) -> str:
    """The text of a measured.yml; the same measurements give the same text."""
    lines = [note]
    for kind in KINDS:
        rows = [measurement for measurement in measurements if measurement.kind == kind]
        if rows:
            lines.append(f"{kind}:")
        for row in rows:
            values = {"tag": row.tag, **_to_fields(row)}.items()
            first, *others = (
                f"{key}: {_format_value(value)}"
                for key, value in values
                if (key, value) not in _LEFT_OUT
            )
            lines.append(f"  - {first}")
            lines += [f"    {item}" for item in others]
    return "\n".join(lines) + "\n"


def _to_fields(measurement: Measurement) -> dict[str, Any]:
    # In the order of KINDS, rounded to six digits, as cards show them.
    figures = {}
    intervals = {}
    for name in KINDS[measurement.kind].figures:
        if name in measurement.figures:
            figures[name] = _round(measurement.figures[name])
        if name in measurement.intervals:
            intervals[name] = [*map(_round, measurement.intervals[name])]
    values: dict[str, Any] = {
        "precision": measurement.precision.value,
        "machine": measurement.machine,
        "settings": dict(sorted(measurement.settings.items())),
        "weights": measurement.weights,
        "figures": figures,
        "intervals": intervals,
        "irs": measurement.irs,
        "tools": dict(sorted(measurement.tools.items())),
        "date": measurement.date,
    }
    return {key: value for key, value in values.items() if value not in ("", {})}


def _round(value: float) -> float:
    return float(f"{value:.6g}")


def _format_value(value: Any) -> str:
    if isinstance(value, Mapping):
        items = [f"{_format_value(key)}: {_format_value(item)}" for key, item in value.items()]
        return f"{{{', '.join(items)}}}"
    if not isinstance(value, str):
        return json.dumps(value)
    # Text is quoted if another YAML reader could parse it as another type.
    is_word = re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]{2,}", value)
    if is_word and value.lower() not in _YAML_WORDS:
        return value
    return json.dumps(value, ensure_ascii=False)


def _read_measurement(node: YamlNode, kind: str, more_keys: Collection[str] = ()) -> Measurement:
    fields = node.as_mapping((*_NAMES, *more_keys))
    definition = KINDS[kind]
    values = read_keys(fields, _KEYS)
    if values.get("weights") == "generated" and not definition.any_weights:
        raise fields["weights"].make_error(
            f"{kind} depends on the weights: generated ones are not valid for it"
        )
    if definition.by_machine and "machine" not in fields:
        raise node.make_error(f"{kind} belongs to one machine: the key machine is missing")

    limits = definition.figures
    figure_nodes = values.pop("figures").as_mapping(limits)
    figures = {name: _read_figure(each, limits[name]) for name, each in figure_nodes.items()}
    if not figures:
        raise fields["figures"].make_error("is empty: a measurement has at least one value")
    if figures.get("AP", 0.0) > figures.get("AP50", 1.0):
        problem = f"AP is {figures['AP']:g}, and AP50 only {figures['AP50']:g}"
        raise fields["figures"].make_error(problem)
    intervals = {}
    if "intervals" in values:
        for name, node in values.pop("intervals").as_mapping(figures).items():
            bounds = tuple(_read_figure(each, limits[name]) for each in node.as_list())
            if len(bounds) != 2 or bounds[0] > bounds[1]:
                raise node.make_error("expected a lower and an upper bound")
            if not bounds[0] <= figures[name] <= bounds[1]:
                raise node.make_error(f"does not contain {name}, which is {figures[name]:g}")
            intervals[name] = bounds
    return Measurement(kind=kind, figures=figures, intervals=intervals, **values)


def _read_figure(node: YamlNode, largest: float) -> float:
    value = node.number()
    if not 0 <= value <= largest:
        raise node.make_error(f"expected 0 to {largest:g}, got {value:g}")
    return value


def measurements_of(model: Model, kind: str) -> list[Measurement]:
    """The measurements of a model or composite, of one kind or of all; SpecError as
    ``load_measurements``.
    """
    return [each for each in load_measurements(model) if kind in ("", each.kind)]


def explain_difference(
    published: PublishedAccuracy,
    model: Model,
    measured: Measurement,
    unannotated: Sequence[str] = (),
) -> list[str]:
    """The reasons why a measured accuracy may differ from a published one of the same model, whose
    keypoints the annotations may lack.
    """
    settings = measured.settings
    dataset = settings.get("dataset", "")
    images = settings.get("images")
    executed = settings.get("arithmetic")
    people_from = settings.get("people_from", ITSELF)
    size = settings.get(TARGET_SIZE, model.target_size)
    scales = str(settings.get("scales", ""))
    is_val2017 = "val2017" in str(dataset) and images == VAL2017_IMAGES
    is_of_size = size == model.target_size or f" {size}" in published.protocol
    known = model.published.known_difference
    differences = (
        (
            not is_val2017,
            f"measured on {images} images of {dataset}, published for"
            f" {published.dataset or 'another set'}",
        ),
        (unannotated, f"measured without {', '.join(unannotated)}"),
        (
            published.flip != settings.get("flip", False),
            f"{'published' if published.flip else 'measured'} with flip: image and mirror image"
            " averaged",
        ),
        (not is_of_size, f"measured with images of another size, {size}"),
        (scales, f"measured at {len(scales.split())} scales"),
        (
            people_from != ITSELF,
            f"people are from {people_from}; published with another detector",
        ),
        (
            measured.precision not in (Precision.FP32, Precision.FP16),
            f"measured on the {measured.precision} IR",
        ),
        (executed in ("bf16", "f16"), f"run in {executed}"),
        (known, known),
    )
    return [text for applies, text in differences if applies]
