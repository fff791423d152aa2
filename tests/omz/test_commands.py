"""Compares Open Model Zoo's own tools with posezoo's, for each row of the table.

What Open Model Zoo's tools did is kept beside the tests.
"""

import json
import subprocess
from dataclasses import asdict

import pytest

from fakes.command import assert_success, run_process
from fakes.model_optimizer import needs_mo
from fakes.server import Server
from omz.runs import MO_ENV, Ours, Theirs, known, ours, run, theirs
from omz.table import ASPECTS, REASONS, ROWS
from omz.zoo import bad_zoo, small_zoo


@pytest.fixture(scope="session")
def zoos(tmp_path_factory):
    """The folders of the zoos, by the words of the table."""
    folder = tmp_path_factory.mktemp("omz")
    zoos = {"good": folder / "good", "bad": folder / "bad"}
    with Server() as server:
        small_zoo(zoos["good"], server)
        bad_zoo(zoos["bad"], server)
        yield zoos


@pytest.fixture(scope="session")
def them(zoos, recorded, tmp_path_factory):
    """The results of Open Model Zoo's tools, by the names of the rows."""
    folder = tmp_path_factory.mktemp("theirs")

    def ask():
        if not (MO_ENV / "bin" / "omz_downloader").exists():
            pytest.skip("needs make build/mo-env")
        (folder / "home").mkdir()
        with Theirs(folder / "home") as tools:
            return {
                row.name: stated(row, run(row, tools, zoo, folder / str(number)), zoo)
                for number, row in enumerate(ROWS)
                for zoo in [zoos[row.zoo]]
            }

    return recorded.value("open-model-zoo/commands", ask)


@pytest.fixture(scope="session")
def our_tools(tmp_path_factory):
    return Ours(tmp_path_factory.mktemp("home"))


def stated(row, came, zoo):
    """A result as JSON has it: without the text, which names folders, but for whether it says what both must say."""
    content = {**asdict(came), "said": row.says in came.said}
    if row.tool == "converter":  # the bytes of an IR are those of a version of OpenVINO
        irs = {path: "IR" for path in came.files if path.endswith((".xml", ".bin"))}
        content["files"] = {**came.files, **irs}
    return json.loads(json.dumps(content).replace(str(zoo), "{zoo}"))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_posezoos_tool_does_what_open_model_zoos_does(row, them, zoos, our_tools, tmp_path):
    zoo = zoos[row.zoo]
    came = run(row, our_tools, zoo, tmp_path / "ours")
    reference, us = them[row.name], stated(row, came, zoo)
    for aspect in ASPECTS:
        if aspect in row.differs:
            assert reference[aspect] != us[aspect], (
                f"{aspect} no longer differs ({REASONS[row.differs[aspect]]})"
            )
        else:
            assert reference[aspect] == us[aspect], f"{aspect} differs\nours: {came.said}"
    if row.differs.get("files") == "records":
        assert set(reference["files"]) < set(us["files"])
    assert reference["said"] and us["said"]
    assert "Traceback" not in came.said


@needs_mo
def test_all_models_of_open_model_zoo_are_described_alike():
    zoo = next((MO_ENV / "lib").glob("python*/site-packages/omz_tools/models"))
    them = json.loads(
        subprocess.run(
            theirs("info_dumper", zoo, ["--all"]), stdout=subprocess.PIPE, check=True
        ).stdout
    )
    ended = run_process(ours("info_dumper", zoo, ["--all"]))
    us = {load["name"]: comparable(load) for load in json.loads(ended.stdout)}
    flat = [part for each in them for part in (each["model_stages"] or [each])]
    differing = {}
    for each in map(comparable, flat):
        told = us.get(each["name"], {})
        if keys := [key for key, value in each.items() if told.get(key) != value]:
            differing[each["name"]] = keys
    assert differing == {}
    assert len(us) == len(flat) == 264
    assert_success(ended)
    # The one misspelt key, which the other tools do not mention.
    (warnings,) = ended.stderr.splitlines()
    assert (
        "modnet-webcam-portrait-matting/model.yml:44:5: files[4].oroginal_source: unknown key"
        in warnings
    )


def comparable(facts):
    """The keys that both have; posezoo joins the lines of a description."""
    return {**known(facts), "description": " ".join(facts["description"].split())}
