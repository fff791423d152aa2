"""The flags that quantize and Open Model Zoo's quantizer share."""

from __future__ import annotations

from pathlib import Path

from posezoo.cli.flags import Flag
from posezoo.cli.parsers import Args

#: The help text of the flag that names the photos.
PHOTOS = (
    "folder of photos with people, or with the objects of the model: every third photo, by name, is"
    " used to compare INT8 with FP32, the others for calibration"
)
FORCE = Flag("--force", "quantize again, even if the INT8 IR is up to date")


class QuantizationArgs(Args):
    """The folder of the photos, and whether up-to-date IR are made again."""

    dataset_dir: Path | None
    force: bool


def require_dataset_dir(args: QuantizationArgs, flag: str) -> Path:
    """The folder of the photos; if its flag is missing, exit with code 2."""
    if args.dataset_dir is None:
        args.parser.error(f"the following arguments are required: {flag}")
    return args.dataset_dir
