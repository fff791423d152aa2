"""Whatever a model.yml can name as a source can be opened."""

from __future__ import annotations

from typing import get_args

from posezoo.download.source_types import SOURCES
from posezoo.spec.model import Source


def test_every_kind_of_source_has_an_opener():
    assert set(SOURCES) == set(get_args(Source))
