"""``posezoo verify NAME --device DEVICE``: proves models on a device, and prints the result."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from posezoo.cli import flags
from posezoo.cli.flags import Flag, FlagGroup
from posezoo.console.report import print_result
from posezoo.core.declarations.model import Precision
from posezoo.core.errors import import_cv2

if TYPE_CHECKING:
    from posezoo.measure.devices.device_proof import DeviceProof

DEVICE_FLAGS = FlagGroup(
    *flags.shared("device", needs="models"),
    *flags.shared("inference_precision precision", needs="device"),
    Flag(
        "--inputs FILE",
        "with --device: your photos (default: two sample photos)",
        nargs="+",
        needs="device",
    ),
    Flag(
        "--nodes DIR",
        "with --device: if an output differs, name the first operation that differs, and write"
        " the smallest IR that shows it, with its inputs, to this folder, for a bug report",
        needs="device",
    ),
    title="proof on a device",
    description="With --device, each MODEL is the name of a model, an .xml or an .onnx. It runs on"
    " random images and photos: on the device as in posezoo run, and on the CPU in f32. The"
    " outputs may differ by five times the change that they get if the model's constants are"
    " rounded to the device's precision.",
)


class DeviceArgs(flags.ModelsArgs, flags.FormatArgs, flags.DescriptionArgs):
    """The values of ``DEVICE_FLAGS``, and of posezoo verify's flags for models."""

    device: str | None
    precision: Precision | None
    inputs: list[Path] | None
    nodes: Path | None


def run_device_check(args: DeviceArgs) -> int:
    """Compare each model on the device with the CPU, print the result; 1 if any differs."""
    from posezoo.measure.devices.device_comparison import DIFFERS
    from posezoo.measure.devices.device_proof import prove, write_first_differences
    from posezoo.run.images import SAMPLE_PHOTOS
    from posezoo.run.load import Loader
    from posezoo.run.runtime.runtime_config import require_device
    from posezoo.run.subject import find_subject
    from posezoo.run.verbs.run_flags import statement_from_args

    context = flags.context_from_args(args)
    said = statement_from_args(args)
    import_cv2()
    require_device(context.settings.device)
    rows = []
    lines: list[str] = []
    with flags.console_from_args(args) as console:
        loader = Loader(context, listener=console)
        subjects = [find_subject(name, context, said) for name in args.models]
        for prepared in map(loader.prepare, subjects):
            proof = prove(prepared, args.inputs or SAMPLE_PHOTOS)
            row = proof.to_json()
            lines += _describe_proof(proof)
            if args.nodes:
                row["nodes"] = write_first_differences(proof, args.nodes, console)
                lines += map(_describe_node, row["nodes"])
            rows.append(row)
    print_result(args.format, {"models": rows}, *lines)
    return int(any(row["verdict"] == DIFFERS for row in rows))


def _describe_proof(proof: DeviceProof) -> Iterator[str]:
    facts = ", ".join(proof.facts.values())
    yield (
        f"{proof.model} {proof.verdict}: on {proof.devices} in {proof.precision} (OpenVINO {facts})"
    )
    for network, outputs in proof.networks.items():
        for name, output in outputs.items():
            yield (
                f"  {network}: {name} {output.verdict}: differs by {output.difference:.1e} of its"
                f" largest value, {output.limit:.1e} is allowed"
            )
    for photo in proof.photos:
        yield (
            f"  {photo.photo}: finds {photo.found} of {photo.expected}, OKS {photo.oks:.3f},"
            f" keypoints within {photo.distance:.1f} px"
        )


def _describe_node(row: dict[str, Any]) -> str:
    tensor = row["tensor"]
    alone = "" if row["is_shown"] else ", but not without the operations before it"
    return (
        f"  {row['network']}: differs first in {row['name']} ({row['kind']}){alone}:"
        f" {tensor['actual']} instead of {tensor['expected']} at {tensor['index']}: {row['path']}"
    )
