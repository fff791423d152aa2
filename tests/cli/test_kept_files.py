"""What a command writes into a folder of models never costs a file of the user there."""

import io
import zipfile

import pytest

from fakes.command import assert_success, omz_tool, posezoo
from fakes.network import network
from fakes.when_used import needs
from fakes.zoo import declared_file, model_yml, onnx_yml, write_model
from posezoo.core.declarations.model import SourceFile
from posezoo.core.declarations.sources import FileSource
from posezoo.core.files.verified_files import compute_digest
from posezoo.measure import published_datasets
from posezoo.measure.published_datasets import DatasetArchive, PublishedDataset

MINE = b"my own text\n"
MEMBERS = {"net.prototxt": b"layer { old }\n", "weights/net.bin": b"weights"}
REPLACED = {
    "$type": "regex_replace",
    "file": "net.prototxt",
    "pattern": "old",
    "replacement": "new",
}
UNPACKED = {"$type": "unpack_archive", "file": "net.zip", "format": "zip"}


def zipped(members):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return packed.getvalue()


class Zoo:
    """A registry with a model whose archive is unpacked, and one of whose texts is changed."""

    def __init__(self, root):
        self.root = root
        self.folder = root / "out" / "public" / "net"
        self.publish(MEMBERS)

    def publish(self, members):
        archive = self.root / "published" / "net.zip"
        archive.parent.mkdir(exist_ok=True)
        archive.write_bytes(zipped(members))
        steps = [UNPACKED, REPLACED]
        declared = model_yml(files=[declared_file(archive)], postprocessing=steps)
        write_model(self.root / "models", "net", declared)

    def download(self):
        """What it says."""
        ended = omz_tool(
            "downloader", "--name", "net", "-o", "out", "--models_dir", "models", cwd=self.root
        )
        assert_success(ended)
        return ended.stdout + ended.stderr

    def kept(self):
        found = self.folder.rglob("*.bak*")
        return {path.relative_to(self.folder).as_posix(): path.read_bytes() for path in found}


@pytest.fixture
def zoo(tmp_path):
    return Zoo(tmp_path)


def test_what_posezoo_wrote_is_replaced_without_a_word(zoo):
    zoo.download()
    zoo.publish({name: content + b"more" for name, content in MEMBERS.items()})
    assert "kept as" not in zoo.download()
    assert (zoo.folder / "net.prototxt").read_bytes() == b"layer { new }\nmore"
    assert (zoo.folder / "weights/net.bin").read_bytes() == b"weightsmore"
    assert zoo.kept() == {}


@pytest.mark.parametrize(
    "name", ["net.prototxt", "net.prototxt.orig", "weights/net.bin", "net.zip", "provenance.json"]
)
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_file_of_the_user_is_kept_under_another_name(zoo, name, when):
    if when == "after":
        zoo.download()
    path = zoo.folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(MINE)
    said = zoo.download()
    assert f"{name}: is not as posezoo wrote it: kept as {path.name}.bak1" in said
    assert zoo.kept() == {f"{name}.bak1": MINE}
    assert path.read_bytes() != MINE
    assert "kept as" not in zoo.download()
    assert zoo.kept() == {f"{name}.bak1": MINE}


def test_a_run_that_was_killed_before_it_recorded_its_files_leaves_no_copies(zoo):
    zoo.download()
    (zoo.folder / "provenance.json").unlink()
    assert "kept as" not in zoo.download()
    assert zoo.kept() == {}


def test_an_ir_and_a_record_that_the_user_changed_are_kept(tmp_path):
    needs("openvino")
    (tmp_path / "net.onnx").write_bytes(network("onnx"))
    write_model(tmp_path / "models", "net", onnx_yml(declared_file(tmp_path / "net.onnx")))
    words = ["get", "net", "--precisions", "FP16", "--models_dir", "models", "--weights_dir", "out"]
    folder = tmp_path / "out" / "public" / "net" / "FP16"
    folder.mkdir(parents=True)
    mine = [folder.parent / "net.onnx", folder / "net.xml", folder / "net.bin"]
    for path in mine:  # before posezoo wrote anything there
        path.write_bytes(MINE)
    first = posezoo(*words, cwd=tmp_path)
    assert_success(first)
    for path in mine:
        kept = path.with_name(f"{path.name}.bak1")
        assert f"{path.name}: is not as posezoo wrote it: kept as {kept.name}" in first.stderr
        assert kept.read_bytes() == MINE
        kept.unlink()
    for name in ("net.xml", "net.bin", "provenance.json"):
        made = (folder / name).read_bytes()
        (folder / name).write_bytes(MINE)
        ended = posezoo(*words, cwd=tmp_path)
        assert_success(ended)
        assert f"{name}: is not as posezoo wrote it: kept as {name}.bak1" in ended.stderr
        assert (folder / f"{name}.bak1").read_bytes() == MINE
        assert name == "provenance.json" or (folder / name).read_bytes() == made
        for kept in folder.glob("*.bak*"):
            kept.unlink()


def test_drafting_a_model_keeps_a_file_of_that_name(tmp_path):
    published = tmp_path / "published" / "net.onnx"
    published.parent.mkdir()
    published.write_bytes(network("onnx"))
    mine = tmp_path / "out" / "public" / "mine" / "net.onnx"
    mine.parent.mkdir(parents=True)
    mine.write_bytes(MINE)
    words = f"new mine --from {published} --license MIT --models_dir models --weights_dir out"
    ended = posezoo(*words.split(), cwd=tmp_path)
    assert_success(ended)
    assert "net.onnx: is not as posezoo wrote it: kept as net.onnx.bak1" in ended.stderr
    assert mine.with_name("net.onnx.bak1").read_bytes() == MINE


def test_a_mirror_keeps_a_declaration_that_the_user_wrote_there(zoo):
    words = ["mirror", "create", "m", "net", "--models_dir", "models"]
    ended = posezoo(*words, cwd=zoo.root)
    assert ended.returncode == 0 and "kept as" not in ended.stderr
    copy = zoo.root / "m" / "models" / "public" / "net" / "model.yml"
    zoo.publish({**MEMBERS, "more": b"more"})
    ended = posezoo(*words, cwd=zoo.root)
    assert ended.returncode == 0 and "kept as" not in ended.stderr
    copy.write_bytes(MINE)
    ended = posezoo(*words, cwd=zoo.root)
    assert "model.yml: is not as posezoo wrote it: kept as model.yml.bak1" in ended.stderr
    assert copy.with_name("model.yml.bak1").read_bytes() == MINE


def test_a_photo_of_the_user_in_the_folder_of_a_data_set_is_kept(tmp_path, monkeypatch):
    (tmp_path / "set.zip").write_bytes(zipped({"val/1.jpg": b"photo", "val/2.jpg": b"another"}))
    content = (tmp_path / "set.zip").read_bytes()
    digest = compute_digest(tmp_path / "set.zip", "sha256")
    file = SourceFile("set.zip", len(content), digest, (FileSource(tmp_path / "set.zip"),))
    dataset = PublishedDataset((DatasetArchive(file, "val/"),), ("terms",))
    monkeypatch.setattr(published_datasets, "DATASETS", {"photos": dataset})
    mine = tmp_path / "coco" / "val" / "1.jpg"
    mine.parent.mkdir(parents=True)
    mine.write_bytes(MINE)
    words = ["dataset", "get", "photos", "--accept_terms", "--output", "coco"]
    ended = posezoo(*words, cwd=tmp_path)
    assert_success(ended)
    assert "1.jpg: is not as posezoo wrote it: kept as 1.jpg.bak1" in ended.stderr
    assert mine.with_name("1.jpg.bak1").read_bytes() == MINE
    assert mine.read_bytes() == b"photo"
    ended = posezoo(*words, cwd=tmp_path)
    assert ended.returncode == 0 and "kept as" not in ended.stderr
