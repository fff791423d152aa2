"""The model.yml that ``posezoo new`` writes beside a network of the user's."""

from collections.abc import Iterable
from pathlib import Path

from fakes.command import posezoo, succeeded


def declare(file: Path, *flags: object, labels: Iterable[str] = ()) -> tuple[str, Path]:
    """Write it with what flags say, and the names of classes; the flag that reads it."""
    succeeded(posezoo("new", file, *flags))
    yml = Path(file).with_suffix(".yml")
    if names := " ".join(labels):
        yml.write_text(f"{yml.read_text('utf-8')}model_info: {{labels: {names}}}\n", "utf-8")
    return "--as", yml
