"""What every stage needs besides the model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from posezoo.core.registry import Registry
from posezoo.core.settings import Settings
from posezoo.core.values import frozen

if TYPE_CHECKING:  # importing these takes 30 ms, which commands that only list models do not need
    from posezoo.core.download.options import DownloadOptions
    from posezoo.core.layout import ModelLayout
    from posezoo.core.lockfile import LockFile


@frozen
class Context:
    """What the settings name, opened; ``core.pipeline.zoo_context`` opens it."""

    settings: Settings
    registry: Registry  # the declared models
    layout: ModelLayout  # the folders of their files and IR
    #: The pins of first use. A strict lock refuses models and files that it does not list.
    lock: LockFile
    download_options: DownloadOptions  # how files may be downloaded
    mo: Path | None = None  # the Model Optimizer of the settings, unless it is posezoo's stand-in
    mo_python: Path | None = None  # starts the Model Optimizer; None: the Python in the same folder
    #: The usual layout of images in a framework's files; empty if there is none.
    image_layout: Callable[[str], str] = field(kw_only=True)

    def with_output_dir(self, folder: Path | None) -> Context:
        """The context with another folder of the IR; the same one for None."""
        if folder is None:
            return self
        return replace(self, layout=replace(self.layout, output_dir=folder))

    @property
    def has_model_optimizer(self) -> bool:
        """Whether the user named a Model Optimizer."""
        return self.mo is not None or self.mo_python is not None
