"""The files of a model on its card: the published files, and the IR made from them."""

from __future__ import annotations

from dataclasses import astuple

from posezoo.core.declarations.model import Digest, SourceFile
from posezoo.core.events import format_noise
from posezoo.core.ir.provenance import OutputRounding
from posezoo.pages.cards.markdown import (
    Markdown,
    Paragraphs,
    escape,
    format_code,
    format_link,
    format_table,
    render_compact_table,
)
from posezoo.pages.cards.measurement_tables import SHIFT_LEGEND
from posezoo.pages.facts.model_facts import ModelFacts


def render_files_section(facts: ModelFacts) -> Paragraphs:
    """The section Files: size, digest and sources of each file, with variants."""
    models = facts.parts_and_variants
    files = [(model, file) for model in models for file in model.files]
    yield "## Files"
    rows = []
    for model, file in files:
        sources = Markdown(", else ".join(map(format_link, file.addresses)))
        size = f"unknown, at most {file.read_limit:,}" if file.size is None else f"{file.size:,}"
        names = format_code("" if len(models) == 1 else model.full_name), format_code(file.name)
        rows.append((*names, size, _pin(file), sources))
    yield render_compact_table(("Model", "File", "Bytes", "Digest", "From"), rows)
    if not all(file.is_pinned for _, file in files):
        yield (
            "A file without a checksum is downloaded only with `--trust_on_first_use`;"
            " `posezoo.lock` then records its checksum."
        )
    runtimes = sorted(
        {model.recorded_outputs.runtime for model in models if model.recorded_outputs}
    )
    if runtimes:
        yield (
            "Where no other runtime is installed, conversions are compared with recorded outputs"
            f" of {escape(' and '.join(runtimes))}."
        )


def _pin(file: SourceFile) -> Markdown:
    checksum = file.declared_checksum
    if checksum:
        pin = f"{_algorithm(checksum)} {format_code(checksum.value)}"
        return Markdown(f"{pin}, of the first download (weak)" if file.first_use else pin)
    members = ", ".join(
        f"{_algorithm(digest)} {format_code(digest.value)} of {format_code(member)}"
        for member, digest in file.contains.items()
    )
    if not file.is_pinned:
        return Markdown(f"no checksum; {members}".removesuffix("; "))
    return Markdown(f"{members} (weak)" if file.is_weakly_pinned else members)


def _algorithm(digest: Digest) -> str:
    return digest.algorithm.upper().replace("SHA", "SHA-")


def _format_rounding(rounding: OutputRounding | None) -> str:
    if rounding is None:
        return ""
    in_unit = ""
    if rounding.unit:
        in_unit = f" ({rounding.absolute:.2g} {rounding.unit})"
    return f"{rounding.relative:.1e}{in_unit}" if rounding.relative else "none"


def render_ir_section(facts: ModelFacts) -> Paragraphs:
    """The section on the IR beside the card: digests, complexity, self-checks and INT8 accuracy."""
    files: list[tuple[str, ...]] = []
    costs: dict[str, tuple[str, ...]] = {}
    shifts = []
    openvino = set()
    for part, precision, record in facts.ir_records():
        openvino.add(str(record.key.get("openvino")))
        ir = (part.full_name, precision.value)
        for suffix, content in record.contents.items():
            files.append((*ir, suffix, f"{content.size:,}", format_code(content.digest.value)))
        if record.complexity:
            gflops = record.complexity["gflops"]
            mparams = record.complexity["mparams"]
            costs[part.name] = (part.name, f"{gflops:.4g}", f"{mparams:.4g}")
        shift = record.shift
        if shift:
            moved = (f"{shift[name]:.2f}" for name in ("shift_p50_px", "shift_p90_px"))
            people = (f"{shift[name]:.0f}" for name in ("found_fp32", "found_int8"))
            photos = (f"{shift[name]:.0f}" for name in ("measured_photos", "calibration_photos"))
            shifts.append((*ir, *moved, *people, f"{shift['agreement']:.0%}", *photos))
    if files:
        yield "## Converted Files"
        versions = escape(", ".join(sorted(openvino)))
        yield f"Converted by OpenVINO {versions}. Each conversion gives the same bytes."
        yield format_table(("Model", "Precision", "File", "Bytes", "SHA-384"), files)
    if costs:
        yield "## Complexity"
        yield (
            "Counted on the IR by the rule of Open Model Zoo's cards; the same in every precision."
        )
        yield format_table(("Model", "GFLOPs", "MParams"), list(costs.values()))
    yield from _render_checks(facts)
    if shifts:
        yield "## Quantization"
        yield SHIFT_LEGEND
        yield format_table(
            (
                "Model",
                "Precision",
                "Median shift",
                "90th percentile",
                "People, FP32",
                "People, INT8",
                "Agreement",
                "Photos",
                "Calibration photos",
            ),
            shifts,
        )
        for part, _, record in facts.ir_records():
            # The accuracy and the speed of INT8, and the layers in floating point.
            for measured in filter(None, (record.accuracy, record.speed, record.in_float)):
                yield f"{part.full_name}: {escape(str(measured))}."


def _render_checks(facts: ModelFacts) -> Paragraphs:
    checks: list[tuple[str, ...]] = []
    nodes: list[tuple[str, ...]] = []
    deviations: list[tuple[str, ...]] = []  # of INT8 with declared ranges
    remarks: dict[str, None] = {}
    unproven = []
    for part, precision, record in facts.ir_records():
        ir = (part.full_name, precision.value)
        for check in record.checks:
            values = (f"{check.difference:.1e}", f"{check.tolerance:g}")
            checks.append(
                (*ir, check.output, *values, _format_rounding(check.rounding), check.reference)
            )
        for remark in filter(None, (record.dependence, record.reduction)):
            remarks[f"{part.full_name} {precision}: {remark}."] = None
        if record.nodes:
            nodes.append((*ir, *map(str, astuple(record.nodes))))
        if record.int8:
            limits = (f"{record.int8.limit:.0%}", f"{record.int8.photos}")
            for output, deviation in record.int8.deviation.items():
                deviations.append((*ir, output, format_noise(deviation), *limits))
            if not record.int8.photos:
                unproven.append(f"{part.full_name}: {record.int8}.")
    if checks or remarks:
        yield "## Self-Check"
    if checks:
        yield (
            "The difference of each output from the original's, and how far the rounding of the"
            " constants to FP16 moves it. Both are relative to its largest value."
        )
        yield format_table(
            (
                "Model",
                "Precision",
                "Output",
                "Difference",
                "Allowed",
                "Rounding to FP16",
                "Original run by",
            ),
            checks,
        )
    yield from map(escape, remarks)
    yield from unproven
    if deviations:
        yield (
            "How far INT8, made with the declared ranges, is from FP16 on photos: the root mean"
            " square of the differences, as a share of the standard deviation of FP16's values."
        )
        yield format_table(
            ("Model", "Precision", "Output", "Deviation", "Allowed", "Photos"), deviations
        )
    if nodes:
        yield (
            "The tensors inside of the IR. Equal are those within 1e-5 of their largest value."
            " Those without a partner have none in the original. As recorded are those of the"
            " original that its publisher's runtime computes, too. All are 0 if nothing gives the"
            " tensors of the original."
        )
        yield format_table(
            (
                "Model",
                "Precision",
                "Equal",
                "Within noise",
                "Prove nothing",
                "No partner",
                "As recorded",
            ),
            nodes,
        )
