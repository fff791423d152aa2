"""Compares Open Model Zoo's own tools with posezoo's, for each row of the table."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from fakes.server import Server
from omz.runs import MO_ENV, Came, Ours, Theirs, known, ours, run, theirs
from omz.table import ASPECTS, REASONS, ROWS
from omz.zoo import bad_zoo, small_zoo

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (MO_ENV / "bin" / "omz_downloader").exists(), reason="needs make mo-env"
    ),
]


@pytest.fixture(scope="session")
def came(tmp_path_factory) -> Iterator[dict[str, tuple[Came, Came]]]:
    """The results of each row: Open Model Zoo's and posezoo's."""
    folder = tmp_path_factory.mktemp("omz")
    (folder / "home").mkdir()
    zoos = {"good": folder / "good", "bad": folder / "bad"}
    with Server() as server, Theirs(folder / "home") as their_tools:
        small_zoo(zoos["good"], server)
        bad_zoo(zoos["bad"], server)
        our_tools = Ours(folder / "home")
        results = {}
        for number, row in enumerate(ROWS):
            results[row.name] = (
                run(row, their_tools, zoos[row.zoo], folder / f"theirs-{number}"),
                run(row, our_tools, zoos[row.zoo], folder / f"ours-{number}"),
            )
        yield results


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_posezoos_tool_does_what_open_model_zoos_does(row, came):
    them, us = came[row.name]
    for aspect in ASPECTS:
        reference, ours = getattr(them, aspect), getattr(us, aspect)
        if aspect in row.differs:
            assert reference != ours, f"{aspect} no longer differs ({REASONS[row.differs[aspect]]})"
        else:
            assert reference == ours, f"{aspect} differs\ntheirs: {them.said}\nours: {us.said}"
    if row.differs.get("files") == "records":
        assert set(them.files) < set(us.files)
    assert row.says in them.said
    assert row.says in us.said
    assert "Traceback" not in us.said


def test_all_models_of_open_model_zoo_are_described_alike():
    zoo = next((MO_ENV / "lib").glob("python*/site-packages/omz_tools/models"))
    them = json.loads(
        subprocess.run(
            theirs("info_dumper", zoo, ["--all"]), stdout=subprocess.PIPE, check=True
        ).stdout
    )
    ended = subprocess.run(
        ours("info_dumper", zoo, ["--all"]), capture_output=True, text=True, check=False
    )
    us = {load["name"]: comparable(load) for load in json.loads(ended.stdout)}
    flat = [part for each in them for part in (each["model_stages"] or [each])]
    differing = {}
    for each in map(comparable, flat):
        told = us.get(each["name"], {})
        if keys := [key for key, value in each.items() if told.get(key) != value]:
            differing[each["name"]] = keys
    # Ours knows a shape from --input_shape, and that an input which is frozen is none of the IR's.
    assert differing == {"gpt-2": ["input_info"], "facenet-20180408-102900": ["input_info"]}
    assert len(us) == len(flat) == 264
    assert ended.returncode == 0
    # The one misspelt key, which the other tools do not mention.
    (warnings,) = ended.stderr.splitlines()
    assert (
        "modnet-webcam-portrait-matting/model.yml:44:5: files[4].oroginal_source: unknown key"
        in warnings
    )


def comparable(facts: dict[str, Any]) -> dict[str, Any]:
    """The keys that both have; posezoo joins the lines of a description."""
    return {**known(facts), "description": " ".join(facts["description"].split())}


def test_the_ids_of_the_table_are_unique():
    assert len({row.name for row in ROWS}) == len(ROWS) >= 60
    assert {reason for row in ROWS for reason in row.differs.values()} == set(REASONS)
    assert {aspect for row in ROWS for aspect in row.differs} <= set(ASPECTS)
