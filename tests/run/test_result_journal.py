"""The file with which a run that ended early continues."""

from posezoo.run.result_journal import open_journal


def test_an_incomplete_line_takes_no_other_with_it(tmp_path):
    path = tmp_path / "new" / "results.jsonl"
    with open_journal(path, {"model": "a"}) as journal:
        journal.add("first", [1], {"poses": []})
    with open(path, "ab") as stream:
        stream.write(b'\n{"id": "second", "file": [2], "resu')  # killed while it wrote
    with open_journal(path, {"model": "a"}) as journal:
        assert "second" not in journal
        journal.add("third", [3], {"poses": [1.25]})
    with open_journal(path, {"model": "a"}) as journal:
        assert journal.has("first", [1]) and not journal.has("first", [2])
        assert journal.read("third") == {"poses": [1.25]}


def test_another_heading_begins_anew(tmp_path):
    with open_journal(tmp_path / "results.jsonl", {"model": "a"}) as journal:
        journal.add("first", [], {})
    with open_journal(tmp_path / "results.jsonl", {"model": "b"}) as journal:
        assert "first" not in journal
