"""The file with which a run that ended early continues."""

from fakes import scaling_irs
from fakes.loaded_irs import load_ir
from posezoo.run.result_journal import describe_estimator, open_journal
from posezoo.run.runtime.runtime_config import LoadOptions


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


def test_a_line_that_this_user_did_not_write_is_no_result(tmp_path):
    path = tmp_path / "results.jsonl"
    with open_journal(path, {"model": "a"}) as journal:
        journal.add("first", [1], {"poses": []})
        journal.add("second", [2], {"poses": []})
    heading, first, second = path.read_bytes().splitlines()
    forged = b'{"id": "third", "file": [3], "result": {"poses": [1]}}'
    coded = b'{"code": "%b", "id": "fourth", "file": [4], "result": {}}' % (b"0" * 64)
    path.write_bytes(b"\n".join([heading, first.replace(b"[]", b"[7]"), second, forged, coded]))
    with open_journal(path, {"model": "a"}) as journal:
        assert [key for key in ("first", "second", "third", "fourth") if key in journal] == [
            "second"
        ]


def test_lines_of_another_heading_are_no_results_below_this_one(tmp_path):
    with open_journal(tmp_path / "a.jsonl", {"model": "a"}) as journal:
        journal.add("first", [1], {})
    with open_journal(tmp_path / "b.jsonl", {"model": "b"}):
        pass
    line = (tmp_path / "a.jsonl").read_bytes().splitlines()[1]
    with open(tmp_path / "b.jsonl", "ab") as stream:
        stream.write(b"\n" + line)
    with open_journal(tmp_path / "b.jsonl", {"model": "b"}) as journal:
        assert "first" not in journal


def test_with_another_key_the_images_are_done_again(tmp_path, monkeypatch):
    path = tmp_path / "results.jsonl"
    with open_journal(path, {"model": "a"}) as journal:
        journal.add("first", [1], {})
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "other"))
    with open_journal(path, {"model": "a"}) as journal:
        assert "first" not in journal


def test_a_heading_tells_other_files_on_which_poses_depend(tmp_path):
    network = scaling_irs.write_ir(tmp_path / "one_person.xml", {"heatmaps": 17})
    estimator = load_ir(network, "heatmap")
    boxes = tmp_path / "boxes.json"
    headings = [describe_estimator(estimator, LoadOptions())]
    for content in ("[]", "[1]"):
        boxes.write_text(content)
        headings.append(describe_estimator(estimator, LoadOptions(), boxes))
    assert all(one != other for one in headings for other in headings if one is not other)
    others = [heading.pop("others") for heading in headings]
    assert headings[0] == headings[1] == headings[2] and others[0] == []
