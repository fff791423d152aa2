"""posezoo cache remove: what posezoo wrote of a model goes, and nothing else."""

import json
import shlex
from pathlib import Path

import pytest

from fakes.command import (
    assert_quiet_success,
    assert_success,
    posezoo,
    printed_alone,
    refusal,
)
from fakes.zoo import declared_file, model_yml, write_model

BODIES = {"one": b"1" * 2000, "two": b"2" * 3000}


@pytest.fixture
def zoo(tmp_path):
    """A folder with the files of two models, and their cache."""
    for name, body in BODIES.items():
        source = tmp_path / f"{name}.tflite"
        source.write_bytes(body)
        write_model(tmp_path / "zoo", name, model_yml(files=[declared_file(source)]))
    assert_success(posezoo("download", "--all", *places(tmp_path)))
    return tmp_path


def places(folder):
    names = {"--models_dir": "zoo", "--weights_dir": "weights", "--cache_dir": "cache"}
    return tuple(word for flag, name in names.items() for word in (flag, f"{folder / name}"))


def remove(zoo, *words):
    return posezoo("cache", "remove", *words, *places(zoo))


def files_in(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}


def test_the_files_of_a_model_go_with_their_records_and_others_stay(zoo):
    before = files_in(zoo / "weights")
    output = printed_alone(remove(zoo, "one"))
    left = files_in(zoo / "weights")
    assert left == {name for name in before if not name.startswith("public/one")}
    assert "public/two/two.tflite" in left
    assert str(zoo / "weights" / "public" / "one" / "one.tflite") in output
    assert "the cache keeps 1 file of these models, 0.0 MB" in output
    assert (zoo / "cache").is_dir() and (zoo / "zoo" / "public" / "one" / "model.yml").is_file()
    assert_success(posezoo("verify", "two", *places(zoo)[:4]))
    again = remove(zoo, "one", "--format", "json")
    assert (again.returncode, json.loads(again.stdout)["removed"]) == (0, [])


def test_after_it_the_cache_gives_the_files_again(zoo):
    for source in zoo.glob("*.tflite"):
        source.unlink()
    remove(zoo, "*")
    assert not (zoo / "weights" / "public").exists()
    assert_success(posezoo("download", "--all", *places(zoo)))
    assert (zoo / "weights" / "public" / "one" / "one.tflite").read_bytes() == BODIES["one"]


def test_an_invalid_lock_is_noticed_before_anything_is_removed(zoo):
    file = {**declared_file(zoo / "one.tflite"), "size": "unknown", "checksum": "unknown"}
    write_model(zoo / "zoo", "pinned", model_yml(files=[{**file, "max_size": 9999}]))
    names = ("one", "pinned")
    trusting = posezoo("download", *names, *places(zoo), "--trust_on_first_use", cwd=zoo)
    assert_success(trusting)
    (zoo / "posezoo.lock").write_text("<<<<<<< HEAD\n")
    before = files_in(zoo / "weights")
    assert "posezoo.lock" in refusal(posezoo("cache", "remove", *names, *places(zoo), cwd=zoo))
    assert files_in(zoo / "weights") == before


def test_a_dry_run_removes_nothing(zoo):
    before = files_in(zoo)
    ended = remove(zoo, "*", "--dry_run", "--format", "json")
    report = json.loads(ended.stdout)
    assert_success(ended)
    assert {Path(path).name for path in report["removed"]} >= {"one.tflite", "two.tflite"}
    assert report["kept"] == []
    assert report["bytes"] >= 5000
    assert report["cache"]["bytes"] == 5000
    assert files_in(zoo) == before


def test_a_changed_file_and_a_strangers_file_stay(zoo):
    folder = zoo / "weights" / "public" / "one"
    (folder / "one.tflite").write_bytes(b"trained for a week")
    (folder / "notes.txt").write_text("mine")
    (folder / ".one.tflite.mine.part").write_text("mine")
    (folder / ".one.tflite.part").write_text("of a download")
    (folder / "README.md").write_text("mine, too")
    ended = remove(zoo, "one", "two")
    assert ended.returncode == 1
    assert f"kept: {folder}/one.tflite (it was changed since posezoo wrote it)" in ended.stdout
    assert f"kept: {folder}/notes.txt (posezoo did not write it)" in ended.stdout
    assert (folder / ".one.tflite.mine.part").read_text() == "mine"
    assert not (folder / ".one.tflite.part").exists()
    assert (folder / "one.tflite").read_bytes() == b"trained for a week"
    assert {"notes.txt", "README.md"} <= files_in(folder)
    assert not (zoo / "weights" / "public" / "two").exists()


def test_the_files_of_a_model_that_was_renamed_or_trained_again_can_be_removed(zoo):
    models = zoo / "zoo" / "public"
    (models / "one").rename(models / "first")
    (zoo / "two.tflite").rename(zoo / "two-2.tflite")
    again = model_yml(files=[declared_file(zoo / "two-2.tflite")])
    write_model(zoo / "zoo", "two", again)
    assert posezoo("download", "two", *places(zoo)).returncode == 0
    verified = posezoo("verify", "--all", *places(zoo)[:4])
    assert "1 model in " in verified.stdout
    command = shlex.split(verified.stdout.rpartition(": posezoo ")[2])
    notes = zoo / "weights" / "public" / "one" / "notes.txt"
    notes.write_text("mine")
    assert posezoo(*command).returncode == 0
    assert files_in(notes.parent) == {"notes.txt"}
    assert (zoo / "weights" / "public" / "two" / "two.tflite").exists()
    assert remove(zoo, "two").returncode == 0
    assert not (zoo / "weights" / "public" / "two").exists()


def test_a_card_that_posezoo_drew_goes_with_its_facts_and_a_changed_one_stays(zoo):
    for name in BODIES:
        command = ("card", name, "--output", zoo / "weights", *places(zoo)[:2])
        assert_success(posezoo(*command))
    folder = zoo / "weights" / "public"
    assert (folder / "one" / "card.json").is_file()
    (folder / "two" / "README.md").write_text("mine")
    assert_quiet_success(remove(zoo, "one"))
    assert not (folder / "one").exists()
    ended = remove(zoo, "two")
    assert ended.returncode == 1
    kept = f"kept: {folder}/two/README.md (it was changed since posezoo wrote it)"
    assert kept in ended.stdout
    assert files_in(folder / "two") == {"README.md"}


def test_a_link_is_neither_followed_nor_removed(zoo):
    path = zoo / "weights" / "public" / "one" / "one.tflite"
    path.rename(zoo / "elsewhere.tflite")
    path.symlink_to(zoo / "elsewhere.tflite")
    ended = remove(zoo, "one")
    assert ended.returncode == 1
    assert f"kept: {path} (it is a link" in ended.stdout
    assert path.is_symlink() and (zoo / "elsewhere.tflite").read_bytes() == BODIES["one"]


def test_an_unknown_name_and_no_name_are_errors(zoo):
    ended = remove(zoo)
    assert ended.returncode == 2 and "remove needs the names of models" in ended.stderr
    ended = remove(zoo, "onne")
    assert (ended.returncode, "did you mean one?" in ended.stderr) == (1, True)
