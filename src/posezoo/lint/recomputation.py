"""Check downloaded files and IR against the declared, recorded and measured values: each file in a
folder is read in full, each IR opened, and a missing file is not a finding.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from math import isclose
from pathlib import Path
from typing import TYPE_CHECKING, Any

from posezoo.core.declarations.model import (
    WHOLE_IMAGE,
    Input,
    ModelSpec,
    Output,
    Precision,
    fits,
)
from posezoo.core.ir.complexity import compute_complexity
from posezoo.core.ir.ir_writer import SECTION, build_rt_info
from posezoo.core.ir.openvino_import import error_text, import_openvino, static_sizes
from posezoo.core.layout import ModelLayout
from posezoo.core.pipeline.artifact_states import check_artifacts
from posezoo.core.registry import Registry
from posezoo.core.versions import package_version
from posezoo.figures.measured import (
    ANNOTATED_BOXES,
    NAME,
    counted_figures,
    digest_irs,
    load_measurements,
    read_detector_precision,
)
from posezoo.lint.finding import FileLocation, Finding, RuleViolation, Severity, create_finding
from posezoo.lint.registry_view import ModelView, RegistryView
from posezoo.lint.rule import RuleInfo

if TYPE_CHECKING:
    from openvino import Core, Model

_RULES = (
    ("artifact-digest", "Files and IR have the declared or recorded size and digest.",
     "a download that changed on disk"),
    ("artifact-readable", "An IR can be read.", "a .bin that was cut"),
    ("artifact-names", "An IR's inputs and outputs have the declared names.",
     "outputs: heatmaps, and the IR's output is maps"),
    ("artifact-shape", "An IR's inputs and outputs have the declared shapes.",
     "shape: [1, 3, 256, 448], and the IR takes 1, 3, 256, 456"),
    ("artifact-complexity",
     "Measured and published GFLOPs and MParams are those that are counted on the IR.",
     "gflops: 6.0, and 60.1 are counted"),
    ("artifact-measured",
     "An AP was measured on the IR that are here, if OpenVINO has the same version; a speed on"
     " another IR is only a warning.",
     "irs: 3681ec0a5f3f339c in measured.yml, and the IR has 1ee00072cf7c4b93"),
    ("artifact-precision", "An IR's weights are stored in the precision that its folder names.",
     "FP32 weights in FP16/"),
    ("artifact-preprocessing",
     "The arguments in an IR's rt_info are those that model.yml declares.",
     "mean_values in rt_info that differ from the declared ones"),
)  # fmt: skip
ARTIFACT_RULES = {id: RuleInfo(id, Severity.ERROR, *texts) for id, *texts in _RULES}
#: The id of each rule with a violation of it.
Artifacts = Iterator[tuple[str, RuleViolation]]
#: If there are fewer bytes of constants, most of them may not be weights.
MIN_WEIGHT_BYTES = 1024
_TOO_WIDE = {
    Precision.FP16: ("f32", "f64"),
    Precision.FP16_INT8: ("f16", "f32", "f64"),
    Precision.FP32_INT8: ("f16", "f32", "f64"),
}
#: Keys of rt_info that do not depend on model.yml alone.
IGNORED_KEYS = ("decoder",)
#: Publishers' counting rules differ a little from ours: the results differ at most by this share.
PUBLISHED_TOLERANCE = 0.02
#: The values in measured.yml are rounded.
MEASURED_TOLERANCE = 1e-4


def recompute_artifacts(
    registry: Registry, names: Collection[str] | None, folder: Path
) -> Iterator[Finding]:
    """Every finding in the files and IR of these models (None: all) below a folder of downloads and
    IR.
    """
    core = import_openvino().Core()
    layout = ModelLayout(folder, folder)
    for view in RegistryView(registry).select(names):
        for spec in view.variants:
            for rule, violation in _check_variant(view, spec, layout, core):
                yield create_finding(rule, Severity.ERROR, view.name, violation)


def _check_variant(view: ModelView, spec: ModelSpec, layout: ModelLayout, core: Core) -> Artifacts:
    nodes = {file.name: view.node("files", index) for index, file in enumerate(spec.files)}
    for artifact in check_artifacts(spec, layout):
        if artifact.state == "changed":
            name = artifact.artifact
            place = nodes.get(name) or FileLocation(artifact.path)
            origin = "recorded" if artifact.converted else "declared"
            message = f"{artifact.path} differs from what was {origin}"
            violation = RuleViolation(place, message, name, "changed", expected=artifact.expected)
            yield "artifact-digest", violation
    for precision in Precision:
        xml = layout.ir_path(spec, precision)
        if not xml.is_file():
            continue
        try:
            network = core.read_model(xml)
        except RuntimeError as error:
            message = f"{xml}: cannot be read: {error_text(error)}"
            violation = RuleViolation(view.location("files"), message, str(precision))
            yield "artifact-readable", violation
            continue
        yield from _check_ports(view, spec.inputs, network.inputs, "inputs", xml=xml)
        yield from _check_ports(view, spec.outputs, network.outputs, "outputs", xml=xml)
        yield from _check_complexity(view, spec, precision, network, xml=xml)
        yield from _check_measured(view, spec, precision, layout)
        yield from _check_precision(view, precision, network, xml)
        yield from _check_rt_info(view, spec, network, xml)


def _check_ports(
    view: ModelView, declared: Collection[Input | Output], ports: list[Any], key: str, xml: Path
) -> Artifacts:
    by_name = {name: port for port in ports for name in port.get_names()}
    if len(ports) == 1:
        by_name[""] = ports[0]  # the only one is not named in model.yml
    for index, expected in enumerate(declared):
        place = view.node(key, index) or view.location("model_optimizer_args")
        field = f"{key}[{index}]"
        port = by_name.get(expected.name)
        if port is not None:
            shape = expected.ir_shape if isinstance(expected, Input) else expected.shape
            partial = port.get_partial_shape()
            sizes = static_sizes(partial) if partial.rank.is_static else ()
            if shape and sizes and not fits(shape, sizes):
                wanted = ", ".join(map(str, shape))
                actual = ", ".join(map(str, sizes))
                message = f"{xml}: {expected.name} has the shape {actual}, model.yml says {wanted}"
                violation = RuleViolation(place, message, f"{field}.shape", wanted, expected=actual)
                yield "artifact-shape", violation
        elif expected.name:
            names = ", ".join(sorted(filter(None, by_name)))
            message = f"{xml} has no {key[:-1]} {expected.name}; it has {names}"
            violation = RuleViolation(
                place, message, f"{field}.name", expected.name, expected=names
            )
            yield "artifact-names", violation


def _check_complexity(
    view: ModelView, spec: ModelSpec, precision: Precision, network: Model, xml: Path
) -> Artifacts:
    cost = compute_complexity(network)
    if cost is None:
        return
    claims: list[tuple[str, Mapping[str, float | None], float]] = [
        ("measured.yml's ", figures, MEASURED_TOLERANCE)
        for figures in counted_figures(spec, precision)
    ]
    if not spec.published.known_difference and precision is Precision.FP32:
        published = {"gflops": spec.published.gflops, "mparams": spec.published.mparams}
        claims.append(("published.", published, PUBLISHED_TOLERANCE))
    for origin, figures, tolerance in claims:
        for name in ("gflops", "mparams"):
            counted = getattr(cost, name)
            claimed = figures.get(name)
            if claimed is None or isclose(claimed, counted, rel_tol=tolerance, abs_tol=1e-6):
                continue
            field = f"{origin}{name}"
            message = f"{field} is {claimed:g}; {counted:g} are counted on {xml}"
            violation = view.declared(field, message, f"{claimed:g}", f"{counted:g}")
            yield "artifact-complexity", violation


def _check_measured(
    view: ModelView, spec: ModelSpec, precision: Precision, layout: ModelLayout
) -> Artifacts:
    registry = view.zoo.registry
    version = package_version("openvino")
    file = spec.path.with_name(NAME)
    for row in load_measurements(spec):
        irs = [layout.ir_path(spec, precision)]
        people = str(row.settings.get("people_from", WHOLE_IMAGE))
        if people in registry.entries:
            detector = registry.parts(registry.find(people))
            detected_in = read_detector_precision(row.settings)
            irs += [layout.ir_path(part, detected_in) for part in detector]
        elif people not in (WHOLE_IMAGE, ANNOTATED_BOXES):
            continue
        is_comparable = row.precision is precision and row.tools.get("openvino") == version
        is_judged = row.irs and row.kind in ("accuracy", "speed") and is_comparable
        if is_judged and all(xml.is_file() for xml in irs) and row.irs != digest_irs(irs):
            of_here = " and ".join(map(str, irs))
            message = f"{file}: {row.kind}: was measured on the IR {row.irs}, and not on {of_here}"
            severity = Severity.WARNING if row.kind == "speed" else None
            violation = RuleViolation(
                FileLocation(file), message, "irs", row.irs, severity=severity
            )
            yield "artifact-measured", violation


def _check_precision(view: ModelView, precision: Precision, network: Model, xml: Path) -> Artifacts:
    sizes: Counter[str] = Counter()
    for operation in network.get_ordered_ops():
        if operation.get_type_name() == "Constant":
            sizes[operation.get_element_type().get_type_name()] += operation.get_byte_size()
    most = max(sizes, key=sizes.__getitem__, default="")
    # FP32/ contains the weights as published, which may be FP16 or smaller.
    if sum(sizes.values()) > MIN_WEIGHT_BYTES and most in _TOO_WIDE.get(precision, ()):
        message = f"{xml}: most of its weights are stored as {most}"
        violation = RuleViolation(view.location("files"), message, str(precision), most)
        yield "artifact-precision", violation


def _check_rt_info(view: ModelView, spec: ModelSpec, network: Model, xml: Path) -> Artifacts:
    """Check what posezoo wrote into an IR; an IR from another tool has no such section."""
    if not network.has_rt_info([SECTION]):
        return
    for key, expected in build_rt_info(spec, spec.decoder).items():
        if key in IGNORED_KEYS or not network.has_rt_info([SECTION, key]):
            continue
        actual = str(network.get_rt_info([SECTION, key]).astype(str))
        if actual != expected:
            message = f"{xml} has {key}: {actual}; model.yml makes it {expected}"
            violation = RuleViolation(
                view.location("inputs"), message, f"rt_info.{key}", actual, expected=expected
            )
            yield "artifact-preprocessing", violation
