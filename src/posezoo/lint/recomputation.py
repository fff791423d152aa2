"""What files and IR are, recomputed, against what is declared, recorded and measured of them.

Whatever lies in a folder laid out as downloads and conversions leave it is looked at; what is not there is
no finding. Every byte is read again, and every IR opened.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from posezoo.ir.complexity import compute_complexity
from posezoo.ir.ir_writer import SECTION, build_rt_info
from posezoo.ir.openvino_import import error_text, import_openvino
from posezoo.layout import ModelLayout
from posezoo.lint.finding import FileLocation, Finding, RuleViolation, Severity, create_finding
from posezoo.lint.registry_view import ModelView, RegistryView
from posezoo.lint.rule import RuleInfo
from posezoo.measured import load_measurements
from posezoo.registry import Registry
from posezoo.spec.model import Input, ModelSpec, Output, Precision
from posezoo.verify.artifact_check import check_artifacts

#: What must hold of artifacts.
_DEMANDS = (
    (
        "artifact-digest",
        "Files and IR have the size and the digest that was declared or recorded.",
        "a download that changed on disk",
    ),
    ("artifact-readable", "An IR can be read.", "a .bin that was cut"),
    (
        "artifact-names",
        "An IR's inputs and outputs have the declared names.",
        "outputs: heatmaps, and the IR's output is maps",
    ),
    (
        "artifact-shape",
        "An IR's inputs and outputs have the declared shapes.",
        "shape: [1, 3, 256, 448], and the IR takes 1, 3, 256, 456",
    ),
    (
        "artifact-complexity",
        "GFLOPs and MParams that are measured, or published, are what is counted on the IR.",
        "gflops: 6.0, and 60.1 are counted",
    ),
    (
        "artifact-precision",
        "An IR's weights are stored in the precision that its folder says.",
        "FP32 weights in FP16/",
    ),
    (
        "artifact-preprocessing",
        "The arguments that an IR's rt_info tells of are those that model.yml declares.",
        "mean_values in rt_info that are not the declared ones",
    ),
)
ARTIFACT_RULES = {id: RuleInfo(id, Severity.ERROR, why, example) for id, why, example in _DEMANDS}
#: Of fewer bytes of constants, most may be no weights.
TELLING_BYTES = 1024
_TOO_WIDE = {
    Precision.FP16: ("f32", "f64"),
    Precision.FP16_INT8: ("f16", "f32", "f64"),
    Precision.FP32_INT8: ("f16", "f32", "f64"),
}
#: What an IR says of itself that another model.yml would not change.
FIXED = ("decoder",)
#: Publishers count by rules that differ a little from ours.
PUBLISHED_SHARE = 0.02
#: Digits of measured.yml that are rounded away.
MEASURED_SHARE = 1e-4


def recompute_artifacts(registry: Registry, names: Collection[str] | None, folder: Path) -> Iterator[Finding]:
    """Every finding in the files and IR below a folder.

    Raises:
        MissingPackageError: OpenVINO is not installed, or too old.
    """
    core = import_openvino().Core()
    layout = ModelLayout(folder, folder)
    for name, view in RegistryView(registry).models.items():
        if names is not None and name not in names:
            continue
        for spec in view.variants:
            for rule, found in _check(view, spec, layout, core):
                yield create_finding(rule, Severity.ERROR, name, found)


def _check(
    view: ModelView, spec: ModelSpec, layout: ModelLayout, core: Any
) -> Iterator[tuple[str, RuleViolation]]:
    yield from _digests(view, spec, layout)
    for precision in Precision:
        xml = layout.ir_path(spec, precision)
        if not xml.is_file():
            continue
        try:
            network = core.read_model(xml)
        except RuntimeError as error:
            message = f"{xml}: cannot be read: {error_text(error)}"
            yield "artifact-readable", RuleViolation(view.location("files"), message, str(precision))
            continue
        yield from _ports(view, spec.inputs, list(network.inputs), "inputs", xml)
        yield from _ports(view, spec.outputs, list(network.outputs), "outputs", xml)
        yield from _complexity(view, spec, precision, network, xml)
        yield from _precision(view, precision, network, xml)
        yield from _described(view, spec, network, xml)


def _digests(view: ModelView, spec: ModelSpec, layout: ModelLayout) -> Iterator[tuple[str, RuleViolation]]:
    indices = {file.name: index for index, file in enumerate(spec.files)}
    for artifact in check_artifacts(spec, layout):
        if artifact.state == "changed":
            at = (
                view.location("files", indices[artifact.artifact])
                if artifact.artifact in indices
                else FileLocation(str(artifact.path))
            )
            message = f"{artifact.path} is not what was {'recorded' if artifact.converted else 'declared'}"
            yield (
                "artifact-digest",
                RuleViolation(at, message, artifact.artifact, "changed", artifact.expected),
            )


def _ports(
    view: ModelView, declared: Collection[Input | Output], ports: list[Any], key: str, xml: Path
) -> Iterator[tuple[str, RuleViolation]]:
    by_name = {name: port for port in ports for name in port.get_names()}
    for index, each in enumerate(declared):
        at = (
            view.location(key, index) if view.node(key) is not None else view.location("model_optimizer_args")
        )
        port = by_name.get(each.name) if each.name else (ports[0] if len(ports) == 1 else None)
        if port is None:
            if each.name:
                there = ", ".join(sorted(by_name))
                message = f"{xml} has no {key[:-1]} {each.name}; it has {there}"
                yield "artifact-names", RuleViolation(at, message, f"{key}[{index}].name", each.name, there)
            continue
        requested = each.ir_shape if isinstance(each, Input) else each.shape
        shape = port.get_partial_shape()
        sizes = (
            [size.get_length() if size.is_static else -1 for size in shape] if shape.rank.is_static else []
        )
        if requested and sizes and not _fits(requested, sizes):
            told = ", ".join(map(str, sizes))
            message = (
                f"{xml}: {each.name} has the shape {told}, model.yml says {', '.join(map(str, requested))}"
            )
            yield (
                "artifact-shape",
                RuleViolation(at, message, f"{key}[{index}].shape", ", ".join(map(str, requested)), told),
            )


def _fits(declared: Collection[int], sizes: list[int]) -> bool:
    return len(declared) == len(sizes) and all(
        -1 in (one, other) or one == other for one, other in zip(declared, sizes, strict=True)
    )


def _complexity(
    view: ModelView, spec: ModelSpec, precision: Precision, network: Any, xml: Path
) -> Iterator[tuple[str, RuleViolation]]:
    cost = compute_complexity(network)
    if cost is None:
        return
    recorded = [
        measurement
        for measurement in load_measurements(spec)
        if measurement.kind == "complexity"
        and measurement.precision is precision
        and not measurement.settings
    ]
    claims = [
        (f"measured.yml's {name}", each.figures.get(name), name, MEASURED_SHARE)
        for each in recorded
        for name in ("gflops", "mparams")
    ]
    if not spec.published.known_difference and precision is Precision.FP32:
        claims += [
            ("published.gflops", spec.published.gflops, "gflops", PUBLISHED_SHARE),
            ("published.mparams", spec.published.mparams, "mparams", PUBLISHED_SHARE),
        ]
    for what, claimed, name, share in claims:
        counted = getattr(cost, name)
        if (
            isinstance(claimed, (int, float))
            and abs(claimed - counted) > share * max(claimed, counted) + 1e-6
        ):
            at = view.location("published", name) if what.startswith("published") else view.location()
            message = f"{what} is {claimed:g}; on {xml} {counted:g} are counted"
            yield "artifact-complexity", RuleViolation(at, message, what, f"{claimed:g}", f"{counted:g}")


def _precision(
    view: ModelView, precision: Precision, network: Any, xml: Path
) -> Iterator[tuple[str, RuleViolation]]:
    held: dict[str, int] = {}
    for operation in network.get_ordered_ops():
        if operation.get_type_name() == "Constant":
            kind = operation.get_element_type().get_type_name()
            held[kind] = held.get(kind, 0) + operation.get_byte_size()
    widest = max(held, key=lambda kind: held[kind], default="")
    # In FP32/ lie weights as they were published, which may be half of it or less.
    if sum(held.values()) > TELLING_BYTES and widest in _TOO_WIDE.get(precision, ()):
        message = f"{xml}: most of its weights are stored as {widest}"
        yield "artifact-precision", RuleViolation(view.location("files"), message, str(precision), widest)


def _described(
    view: ModelView, spec: ModelSpec, network: Any, xml: Path
) -> Iterator[tuple[str, RuleViolation]]:
    """What an IR of ours says of itself; of another's nothing is known."""
    if not network.has_rt_info([SECTION]):
        return
    for key, requested in build_rt_info(spec, spec.decoder).items():
        if key in FIXED or not network.has_rt_info([SECTION, key]):
            continue
        told = str(network.get_rt_info([SECTION, key]).astype(str))
        if told != requested:
            message = f"{xml} says {key}: {told}; model.yml makes it {requested}"
            yield (
                "artifact-preprocessing",
                RuleViolation(view.location("inputs"), message, f"rt_info.{key}", told, requested),
            )
