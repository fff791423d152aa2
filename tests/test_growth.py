"""The work of a command grows with the number of models, files or members, and not with its square.

Calls and lines are counted, not seconds, each apart: what is done for each pair of models is seen among few models, too,
where it takes no time yet.
"""

import itertools
import re
import tarfile
import zipfile
from io import BytesIO
from pathlib import Path

import pytest

from fakes.command import posezoo
from fakes.counted_run import CallCounter, count_calls
from fakes.soak import soak_repeated
from fakes.zoo import declared_file, model_yml, write_composite, write_model
from posezoo.core.download.archive import unpack_archive

#: What is done once is left out: it is counted with one model.
ONE, FEW, MANY = 1, 15, 60
#: The most growth of all calls, and of those of one function: sorting grows 6 times from 15 to 60, and what is done
#: for each pair 16 times.
LIMIT, LIMIT_OF_ONE = 6, 9
#: It depends on a cache how many patterns are compiled again.
REGULAR_EXPRESSIONS = str(Path(re.__file__).parent)
#: MANY make 1,770 pairs: what is called less often for them is not called for each pair.
RARE = 20 * MANY


def grown_too_much(one, few, many):
    """The functions whose calls grow more than the number of things, with their calls."""
    grown = [
        f"{name}: {one[name]}, {few[name]}, {calls}"
        for name, calls in many.items()
        if not name.startswith(REGULAR_EXPRESSIONS)
        and calls - one[name] > max(RARE, LIMIT_OF_ONE * (few[name] - one[name]))
    ]
    once, some, all_ = one.total(), few.total(), many.total()
    if all_ - once > LIMIT * (some - once):
        grown.append(f"all: {once}, {some}, {all_}")
    return grown


def write_zoo(folder, count):
    """So many models with files and cards, each tenth a composite of two parts."""
    root = folder / "models"
    (folder / "files").mkdir(parents=True)
    for number in range(count):
        names = [f"net{number}"]
        if number % 10 == 9:
            names = [f"whole{number}/first{number}", f"whole{number}/second{number}"]
            write_composite(root, f"whole{number}", [name.partition("/")[2] for name in names])
        for name in names:
            path = folder / "files" / f"{name.rpartition('/')[2]}.tflite"
            path.write_bytes(name.encode())
            content = model_yml(
                description=f"Finds people, as {name}.", files=[declared_file(path)]
            )
            model = write_model(root, name, content)
            model.with_name("README.md").write_text(f"# {name}\n\nFinds people.\n")
    return folder


@pytest.fixture(scope="module")
def zoos(tmp_path_factory):
    """Zoos of ONE, FEW and MANY models; all are downloaded and in a lock."""
    folders = []
    for count in (ONE, FEW, MANY):
        folder = write_zoo(tmp_path_factory.mktemp("zoo"), count)
        for words in (["download"], ["lock"], ["mirror", "create", "full"]):
            places = ["--models_dir", "models", "--weights_dir", "out"]
            posezoo(*words, "--all", *places[: 2 if words[0] == "mirror" else 4], cwd=folder)
        folders.append(folder)
    return folders


#: The command lines; of those of one verb, the first is tried each time.
LINES = [
    ["list"],
    ["info", "--all"],
    ["download", "--all", "--weights_dir", "new"],
    ["download", "--all", "--weights_dir", "out"],
    ["get", "--all", "--weights_dir", "new", "--dry_run"],
    ["get", "--all", "--weights_dir", "out", "--dry_run"],
    ["convert", "--all", "--weights_dir", "out", "--dry_run"],
    ["verify", "--all", "--weights_dir", "out"],
    ["lint"],
    ["lock", "--all", "--weights_dir", "out", "--lock", "new.lock"],
    ["lock", "--all", "--weights_dir", "out"],
    ["lock", "--all", "--weights_dir", "out", "--check"],
    ["mirror", "create", "mirror", "--all"],
    ["mirror", "create", "mirror", "--all", "--dry_run"],
    ["mirror", "check", "full"],
    ["prove", "--all", "--dry_run"],
    ["card", "--all"],
    ["info", "--licenses", "--weights_dir", "out"],
    ["export", "--all", "--to", "folder", "exported", "--weights_dir", "out", "--dry_run"],
    ["card", "--all", "--html", "--output", "page.html"],
    ["cache", "list"],
]


def verb_of(words):
    names = itertools.takewhile(lambda word: not word.startswith("-"), words)
    return (*names,)


@pytest.mark.parametrize(
    "words",
    soak_repeated([pytest.param(words, id=" ".join(words)) for words in LINES], verb_of),
)
def test_a_verb_does_not_compare_each_model_with_each_other_one(zoos, words):
    runs = [count_calls(*words, "--models_dir", "models", cwd=folder) for folder in zoos]
    assert grown_too_much(*runs) == []


def pack_tar(path, count):
    with tarfile.open(path, "w") as archive:
        for number in range(count):
            archive.addfile(tarfile.TarInfo(f"folder{number % 7}/file{number}"), BytesIO())


def pack_zip(path, count):
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(count):
            archive.writestr(f"folder{number % 7}/file{number}", b"")


@pytest.mark.parametrize(("pack", "format"), [(pack_tar, "tar"), (pack_zip, "zip")])
def test_unpacking_does_not_compare_each_member_with_each_other_one(tmp_path, pack, format):
    runs = []
    for count in (ONE, FEW, MANY):
        folder = tmp_path / f"{count}"
        folder.mkdir()
        pack(folder / "packed", count)
        with CallCounter() as counter:
            unpacked = unpack_archive(folder / "packed", format, folder.joinpath)
        assert len(unpacked) == count
        runs.append(counter.calls)
    assert grown_too_much(*runs) == []
