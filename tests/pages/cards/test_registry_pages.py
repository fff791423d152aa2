"""The pages of a registry: complete, linked, and reported if they are stale."""

import re
import shutil
import sys
from pathlib import Path
from urllib.parse import unquote

import pytest

from fakes.command import run_process, succeeded
from fakes.zoo import model_yml, omz_yml, write_composite, write_model
from posezoo.core.errors import SpecError
from posezoo.pages.cards.card_reader import parse_card
from posezoo.pages.cards.registry_pages import render_pages

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def checkout(tmp_path):
    """What `make docs` needs of a checkout, with a small zoo."""
    (tmp_path / "docs").mkdir()
    shutil.copy(ROOT / "docs" / "draw.py", tmp_path / "docs")
    write_model(tmp_path / "models", "alone", model_yml())
    write_composite(tmp_path / "models", "whole", ["second", "first"])
    write_model(tmp_path / "models", "whole/first", model_yml())
    write_model(tmp_path / "models", "whole/second", model_yml(license="https://terms.invalid/"))
    return tmp_path


def draw(checkout, *args):
    return run_process([sys.executable, checkout / "docs" / "draw.py", *args])


def test_every_model_and_composite_has_a_page_and_the_index_names_them_all(checkout):
    pages = render_pages(checkout / "models")
    assert sorted(pages) == [
        "index.md",
        "public/alone/README.md",
        "public/alone/card.json",
        "public/whole/README.md",
        "public/whole/card.json",
        "public/whole/first/README.md",
        "public/whole/first/card.json",
        "public/whole/second/README.md",
        "public/whole/second/card.json",
    ]
    rows = [line for line in pages["index.md"].splitlines() if line.startswith("| ")][2:]
    assert [re.findall(r"\[([^]]+)\]", row)[0] for row in rows] == [
        "alone",
        "whole",
        "second",
        "first",
    ]
    assert rows[0] == (
        "| [alone](public/alone/README.md) | 0.0 MB | [Apache-2.0](../licenses/Apache-2.0-Tests.txt) |  |"
    )


def test_each_task_has_a_table_and_costs_have_their_own(checkout):
    write_model(checkout / "models", "finder", omz_yml(task_type="detection"))
    write_model(checkout / "models", "known", model_yml(published={"gflops": 15.4}))
    index = render_pages(checkout / "models")["index.md"]
    sections = {
        part.partition("\n")[0]: re.findall(r"\| (?:↳ )?\[(\w+)\]", part)
        for part in index.split("## ")
    }
    assert sections["Human pose estimation"] == ["alone", "known", "whole", "second", "first"]
    assert sections["Detection"] == ["finder"]
    assert sections["Costs"] == ["known"]


def test_a_registry_with_a_mistake_is_not_drawn(checkout):
    write_model(checkout / "models", "bad", "files: [")
    with pytest.raises(SpecError, match="bad"):
        render_pages(checkout / "models")


def test_a_stale_page_is_named_with_the_command_that_redraws_it(checkout):
    succeeded(draw(checkout, "models"))
    assert draw(checkout, "models", "--check").stderr == ""
    write_model(checkout / "models", "alone", model_yml(description="Another."))
    ended = draw(checkout, "models", "--check")
    assert (ended.returncode, ended.stderr) == (
        1,
        "stale: models/public/alone/README.md; `make docs` redraws it\n"
        "stale: models/public/alone/card.json; `make docs` redraws it\n",
    )
    assert draw(checkout, "models").stdout == (
        "drew models/public/alone/README.md\ndrew models/public/alone/card.json\n"
    )
    succeeded(draw(checkout, "models", "--check"))


def test_the_card_of_a_removed_model_is_removed_but_no_page_written_by_hand(checkout):
    draw(checkout, "models")
    (checkout / "models" / "public" / "alone" / "model.yml").unlink()
    (checkout / "models" / "public" / "whole" / "notes.md").write_text("# Notes\n")
    assert "stale: models/public/alone/README.md" in draw(checkout, "models", "--check").stderr
    succeeded(draw(checkout, "models"))
    assert not (checkout / "models" / "public" / "alone" / "README.md").exists()
    assert not (checkout / "models" / "public" / "alone" / "card.json").exists()
    assert (checkout / "models" / "public" / "whole" / "notes.md").exists()


def test_the_pages_of_our_zoo_are_up_to_date_and_their_links_lead_somewhere():
    pages = render_pages(ROOT / "models")
    links = 0
    for name, text in pages.items():
        page = ROOT / "models" / name
        assert page.read_bytes() == text.encode(), f"{page} is stale: make docs"
        for link in parse_card(text).links if name.endswith(".md") else ():
            if not link.target.startswith("https://"):
                assert (page.parent / unquote(link.target)).is_file(), (
                    f"{name}:{link.line}: {link.target}"
                )
                links += 1
    assert links > 2 * len(pages)


SPEED = """\
speed:
  - precision: FP16
    machine: M
    settings: {pipeline: all, shown: 1}
    weights: %s
    figures: {throughput_fps: 9, latency_p50_ms: %g}
"""


def write_timed(checkout, name, ap, ms, *, weights="published", measured=False, precision="FP16"):
    claim = {"accuracy": [{"metric": "AP", "value": ap, "dataset": "COCO"}]}
    path = write_model(checkout / "models", name, model_yml(published={} if measured else claim))
    accuracy = (
        f"accuracy: [{{precision: {precision}, settings: {{images: 17}}, figures: {{AP: {ap}}}}}]\n"
    )
    speed = SPEED % (weights, ms) if ms else ""
    path.with_name("measured.yml").write_text(accuracy * measured + speed or "{}")


def test_measured_and_published_models_are_in_one_table_by_their_ap(checkout):
    write_timed(checkout, "a_measured", 0.5, 20, measured=True)
    write_timed(checkout, "exact", 0.45, 0, measured=True, precision="FP32")
    write_timed(checkout, "fast", 0.7, 10)
    write_timed(checkout, "slow", 0.4, 250, weights="generated")
    write_timed(checkout, "unknown", 0.6, 0)
    index = render_pages(checkout / "models")["index.md"]
    (table,) = [each for each in parse_card(index).tables if "AP" in each.headers]
    rows = {row.cells[0]: row.cells[3:] for row in table.rows}
    assert [*rows][:5] == ["a_measured", "exact (FP32)", "fast", "unknown", "slow"]
    assert rows["fast"] == ("0.700 published: COCO", "10")
    assert rows["a_measured"] == ("0.500", "20")
    assert rows["slow"][1] == "~250"


def test_a_picture_never_mixes_measured_and_published_ap(checkout):
    def drawn():
        picture = render_pages(checkout / "models")["accuracy-speed.svg"]
        title = re.findall(r">(AP[^<:]+)<", picture)[0]
        return title, re.findall(r">([^<>]+): AP ([\d.]+), ([\d.]+)/s<", picture)

    write_timed(checkout, "a_measured", 0.5, 20, measured=True)
    write_timed(checkout, "fast", 0.7, 10)
    write_timed(checkout, "slow", 0.4, 250, weights="generated")
    of_publishers = [("fast", "0.700", "100"), ("slow", "0.400", "4")]
    assert drawn() == ("AP of networks, as published", of_publishers)
    write_timed(checkout, "b_measured", 0.3, 40, measured=True)
    of_ours = [("a_measured", "0.500", "50"), ("b_measured", "0.300", "25")]
    assert drawn() == ("AP, measured by posezoo", of_ours)


def test_no_mark_of_a_picture_covers_another_and_a_moved_one_has_a_dot_at_its_place(checkout):
    for name, ap, ms in (("far", 0.3, 200), ("one", 0.7, 20), ("other", 0.701, 19.6)):
        write_timed(checkout, name, ap, ms)
    picture = render_pages(checkout / "models")["accuracy-speed.svg"]
    sides = 'x="([\\d.]+)" y="([\\d.]+)" width="%d" height="%d"'
    marks = [(float(x), float(y)) for x, y in re.findall(sides % (18, 14), picture)]
    (other_x, other_y), (one_x, one_y), _ = (mark for mark in marks if mark[1] < 420)
    assert abs(one_x - other_x) < 18 and abs(one_y - other_y) > 14
    ((dot_x, dot_y),) = re.findall(sides % (4, 4), picture)
    assert float(dot_x) + 2 == pytest.approx(one_x + 9, abs=0.1)
    assert abs(float(dot_y) - other_y) < 14


def test_a_zoo_without_gluoncv_models_has_no_such_tables(checkout):
    assert "GluonCV" not in render_pages(checkout / "models")["index.md"]


def test_a_deprecated_model_is_marked_on_its_card_and_in_the_index(checkout):
    write_model(
        checkout / "models",
        "alone",
        model_yml(deprecated={"since": "1.0", "use": "whole"}, revision=2),
    )
    pages = render_pages(checkout / "models")
    assert (
        "\n> **This model is deprecated since 1.0; use whole.**\n"
        in pages["public/alone/README.md"]
    )
    assert "[alone](public/alone/README.md) (deprecated) |" in pages["index.md"]
