"""Models that a registry does not have, for comparison: its outside_references.yml."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from posezoo.console.json_projection import project
from posezoo.core.declarations.field_types import (
    LINE,
    MODEL_NAME,
    Key,
    list_of,
    positive,
    record,
    required_key,
)
from posezoo.core.declarations.sources import WEB_URL
from posezoo.core.declarations.yaml_nodes import read_yaml
from posezoo.core.values import frozen

NAME = "outside_references.yml"


@frozen
class OutsideModel:
    """A model and what its publisher states: AP as a share, GFLOPs, millions of parameters."""

    name: str
    published_AP: float  # noqa: N815 - the names of comparison.COLUMNS
    gflops: float | None = None
    mparams: float | None = None

    @property
    def figures(self) -> Mapping[str, float]:
        """The known values by the names of ``comparison.COLUMNS``."""
        figures = project(self, "published_AP gflops mparams")
        return {key: value for key, value in figures.items() if value is not None}


@frozen
class OutsideReference:
    """Models of one publisher, whose page is the ``source`` of their values."""

    license: str
    source: str
    protocol: str
    models: tuple[OutsideModel, ...]

    @property
    def publisher(self) -> str:
        """The host of the publisher's page."""
        return urlsplit(self.source).hostname or ""


_REFERENCES = list_of(
    record(
        OutsideReference,
        required_key("license", LINE),
        required_key("source", WEB_URL),
        required_key("protocol", LINE),
        required_key(
            "models",
            list_of(
                record(
                    OutsideModel,
                    required_key("name", MODEL_NAME),
                    required_key("published_AP", positive(1)),
                    Key("gflops", positive(1e6)),
                    Key("mparams", positive(1e6)),
                )
            ),
        ),
    )
)


def read_outside_references(root: Path) -> tuple[OutsideReference, ...]:
    """Those of a registry's root; none if it has no such file.

    Raises:
        SpecError: the file has a mistake.
    """
    path = root / NAME
    if not path.is_file():
        return ()
    return _REFERENCES.read(read_yaml(path))
