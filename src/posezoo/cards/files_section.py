"""The files of a model on its card: what is published, and what was made of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from posezoo.cards.markdown import Markdown, escape, format_code, format_link, format_table
from posezoo.cards.measurement_tables import draw_compact_table
from posezoo.ir import provenance
from posezoo.layout import ModelLayout
from posezoo.spec.model import Digest, ModelSpec, Precision, SourceFile


def draw_files_section(parts: Sequence[ModelSpec]) -> Iterator[str]:
    """The section Files: each with its size, its digest and where it comes from, those of variants too."""
    everyone = [model for part in parts for model in (part, *part.variants)]
    files = [(model, file) for model in everyone for file in model.files]
    yield "## Files"
    rows = [_file_row("" if len(everyone) == 1 else model.full_name, file) for model, file in files]
    yield draw_compact_table(("Model", "File", "Bytes", "Digest", "From"), rows)
    if not all(file.is_pinned for _, file in files):
        yield (
            "A file without a pin is downloaded only with `--trust_on_first_use`; `posezoo.lock` holds it "
            "from then on."
        )


def _file_row(model: str, file: SourceFile) -> tuple[str, ...]:
    sources = Markdown(", else ".join(format_link(str(source)) for source in file.sources))
    size = f"unknown, at most {file.read_limit:,}" if file.size is None else f"{file.size:,}"
    return format_code(model), format_code(file.name), size, _pin(file), sources


def _pin(file: SourceFile) -> Markdown:
    """What a file's bytes are held against."""
    if file.checksum is not None and not file.by_lock:
        pin = f"{_algorithm(file.checksum)} {format_code(file.checksum.value)}"
        return Markdown(f"{pin}, of the first download (weak)" if file.first_use else pin)
    members = ", ".join(
        f"{_algorithm(digest)} {format_code(digest.value)} of {format_code(member)}"
        for member, digest in file.contains.items()
    )
    return Markdown(f"{members} (weak)" if file.is_pinned else f"no pin; {members}".removesuffix("; "))


def _algorithm(digest: Digest) -> str:
    return digest.algorithm.upper().replace("SHA", "SHA-")


def read_ir_records(
    parts: Sequence[ModelSpec], layout: ModelLayout
) -> Iterator[tuple[ModelSpec, Precision, provenance.Provenance]]:
    """The records of the IR of some models that lie here, each with its model and precision."""
    for part in parts:
        for precision in Precision:
            if (record := provenance.read_provenance(layout.provenance_path(part, precision))) is not None:
                yield part, precision, record


def draw_ir_section(parts: Sequence[ModelSpec], layout: ModelLayout) -> Iterator[str]:
    """What lies beside the card: the IR with their digests, their complexity, and how they were proven."""
    files: list[tuple[str, ...]] = []
    costs: dict[str, tuple[str, ...]] = {}
    checks: list[tuple[str, ...]] = []
    shifts: list[tuple[str, ...]] = []
    openvino: set[str] = set()
    for part, precision, record in read_ir_records(parts, layout):
        openvino.add(str(record.key.get("openvino")))
        whose = (part.full_name, precision.value)
        for suffix, content in record.contents.items():
            files.append((*whose, suffix, f"{content.size:,}", format_code(content.digest.value)))
        if record.complexity:
            gflops, mparams = record.complexity["gflops"], record.complexity["mparams"]
            costs[part.name] = (part.name, f"{gflops:.4g}", f"{mparams:.4g}")
        if shift := record.shift:
            shifts.append((*whose, *_shift_row(shift)))
        for check in record.checks:
            metrics = (f"{check.difference:.1e}", f"{check.tolerance:g}")
            checks.append((*whose, check.output, *metrics, check.reference))
    if files:
        yield "## Converted Files"
        yield f"Made by OpenVINO {escape(', '.join(sorted(openvino)))}; the same bytes at every run."
        yield format_table(("Model", "Precision", "File", "Bytes", "SHA-384"), files)
    if costs:
        yield "## Complexity"
        yield "Counted on the IR, as Open Model Zoo's cards do; the same in every precision."
        yield format_table(("Model", "GFLOPs", "MParams"), list(costs.values()))
    if checks:
        yield "## Self-Check"
        yield "How far each output is from the original's, as a share of its largest value."
        yield format_table(
            ("Model", "Precision", "Output", "Difference", "Allowed", "Original run by"), checks
        )
    if shifts:
        yield "## Quantization"
        yield (
            "How far what INT8 finds lies from what FP32 finds, in pixels of the network's input, on photos "
            "that it was not calibrated on; agreement is the share that both found of all that either did."
        )
        yield format_table(
            (
                "Model",
                "Precision",
                "Median",
                "90 %",
                "People FP32",
                "INT8",
                "Agreement",
                "Photos",
                "Calibrated on",
            ),
            shifts,
        )


def _shift_row(shift: Mapping[str, float]) -> tuple[str, ...]:
    people = (f"{shift[name]:.0f}" for name in ("found_fp32", "found_int8"))
    photos = (f"{shift[name]:.0f}" for name in ("measured_photos", "calibration_photos"))
    moved = (f"{shift[name]:.2f}" for name in ("shift_p50_px", "shift_p90_px"))
    return *moved, *people, f"{shift['agreement']:.0%}", *photos
