"""The flags that quantize and Open Model Zoo's quantizer share."""

from __future__ import annotations

from pathlib import Path

from posezoo.cli.flags import Flag
from posezoo.cli.parsers import Args

#: The allowed target devices, as NNCF names them.
TARGET_DEVICES = ("ANY", "CPU", "GPU", "NPU", "CPU_SPR")

#: The help text of the flag that names the photos.
PHOTOS = (
    "folder of photos with people, or with the objects of the model: every third photo, by name, is"
    " used to compare INT8 with FP32, the others for calibration"
)
QUANTIZATION_FLAGS = (
    Flag(
        "--target_device",
        "the device that the INT8 IR are optimized for (default: ANY)",
        # The name that Open Model Zoo's quantizer took.
        lambda name: "NPU" if name == "VPU" else name,
        choices=TARGET_DEVICES,
        default="ANY",
    ),
    Flag("--force", "quantize again, even if the INT8 IR is up to date"),
)


class QuantizationArgs(Args):
    """The values of ``QUANTIZATION_FLAGS``, and the folder of the photos."""

    dataset_dir: Path | None
    target_device: str


def require_dataset_dir(args: QuantizationArgs, flag: str) -> Path:
    """The folder of the photos; if its flag is missing, exit with code 2."""
    if args.dataset_dir is None:
        args.parser.error(f"the following arguments are required: {flag}")
    return args.dataset_dir
