"""The table of rehearsals has a row for each model, and its page says which of them were declared again."""

import re
import subprocess
import sys
from pathlib import Path

import rehearsal_table
from fakes.own_registry import own_registry
from rehearsal_table import COLUMNS, ROOT, STEPS, declared_digest, read_table

MODELS = own_registry().select(None).models
PATHS = {spec.name: spec.path for spec in MODELS}
PAGE = ROOT / "docs" / "explanations" / "how_it_was_made.md"


def test_each_model_of_the_registry_has_a_row():
    rows = read_table()
    assert [*rows] == [spec.name for spec in MODELS], (
        "make rehearse REHEARSE=--dry_run writes in models/rehearsed.tsv the rows of new models, and"
        " removes those of others"
    )
    for row in rows.values():
        assert [*row] == [*COLUMNS] and len({bool(row[step]) for step in STEPS}) == 1, row


def test_the_page_says_of_which_models_the_declaration_has_changed_since():
    (stated,) = re.findall(r"<!-- drawn: changed -->(.*?)<!-- end -->", PAGE.read_text("utf-8"))
    for name, row in read_table().items():
        has_changed = row["declared"] not in ("", declared_digest(PATHS[name]))
        assert (f"`{name}`" in stated) == has_changed, "make docs redraws it"


def test_a_declaration_that_changes_is_marked(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "docs")
    import how_it_was_made_page

    row = next(row for row in read_table().values() if row["declared"])
    assert not how_it_was_made_page.is_changed({**row, "declared": ""})
    assert how_it_was_made_page.is_changed({**row, "declared": "0" * 12})


def test_a_model_comes_as_far_as_the_table_says(shared, tmp_path):
    script = Path(rehearsal_table.__file__).with_name("rehearse.py")
    words = ["--check", "--photos", shared / "data/photos", "--mirror", shared / "data/mirror"]
    ended = subprocess.run(
        [sys.executable, script, *map(str, words), "yolox-tiny-coco"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.count("\tyes") == len(STEPS)
