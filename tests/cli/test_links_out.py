"""A link in a folder of models never leads what is written or removed out of the folder."""

import pytest

from fakes.command import assert_success, posezoo, refusal
from fakes.network import network
from fakes.when_used import needs
from fakes.zoo import declared_file, onnx_yml, write_model

MINE = b"my own bytes\n"
LINKS = ["out/public", "out/public/net", "out/public/net/FP16"]


class Zoo:
    """A registry of a network, and a folder of models in which one folder can be a link."""

    def __init__(self, root):
        self.root = root
        self.outside = root / "home"
        self.outside.mkdir()
        published = root / "net.onnx"
        published.write_bytes(network("onnx"))
        write_model(root / "models", "net", onnx_yml(declared_file(published)))

    def link(self, name, target):
        link = self.root / name
        link.parent.mkdir(parents=True, exist_ok=True)
        if link.is_dir():
            link.rename(target)
        target.mkdir(exist_ok=True)
        link.symlink_to(target)

    def run(self, verb, *words):
        flags = ["--models_dir", "models", "--weights_dir", "out"]
        return posezoo(*verb.split(), "net", *words, *flags, cwd=self.root)

    def state(self):
        return {path: path.read_bytes() for path in self.outside.rglob("*") if path.is_file()}


@pytest.fixture
def zoo(tmp_path):
    needs("openvino")
    return Zoo(tmp_path)


@pytest.mark.parametrize("name", LINKS)
def test_nothing_is_written_through_a_link_out_of_the_folder(zoo, name):
    outside = zoo.outside / "x"
    zoo.link(name, outside)
    for file in ("net.onnx", "net.xml", "net.bin", "README.md", "card.json"):
        (outside / file).write_bytes(MINE)
    before = zoo.state()
    refused = refusal(zoo.run("get", "--precisions", "FP16"))
    (error,) = [line for line in refused.splitlines() if line.startswith("error: ")]
    assert f"{name} is a link that leads out of the folder, to {outside}" in error
    assert "hint: replace the link by a folder" in refused
    assert zoo.state() == before


@pytest.mark.parametrize("name", LINKS)
def test_a_folder_behind_a_link_is_read_but_not_removed(zoo, name):
    assert_success(zoo.run("get", "--precisions", "FP16"))
    zoo.link(name, zoo.outside / "x")
    before = zoo.state()
    ended = zoo.run("get", "--precisions", "FP16")
    assert_success(ended)
    ended = zoo.run("cache remove")
    assert ended.returncode == 1
    assert "behind one that leads out of the folder" in ended.stdout
    assert zoo.state() == before


def test_the_folder_itself_and_a_link_inside_may_be_links(zoo):
    zoo.link("out", zoo.outside)
    zoo.link("out/public/net/FP16", zoo.outside / "disk")
    ended = zoo.run("get", "--precisions", "FP16")
    assert_success(ended)
    assert (zoo.outside / "disk" / "net.xml").is_file()
    ended = zoo.run("cache remove")
    assert "kept: out/public/net/FP16 (it is a link" in ended.stdout
    assert [*zoo.outside.rglob("net.*")] == []


def test_no_manifest_is_written_through_a_link(zoo):
    mine = zoo.outside / "provenance.json"
    mine.write_bytes(MINE)
    link = zoo.root / "out/public/net/provenance.json"
    link.parent.mkdir(parents=True)
    link.symlink_to(mine)
    ended = zoo.run("get", "--precisions", "FP16")
    assert_success(ended)
    assert zoo.state() == {mine: MINE}


def test_a_link_in_place_of_a_file_is_replaced_but_not_its_target(zoo):
    mine = zoo.outside / "mine"
    mine.write_bytes(MINE)
    folder = zoo.root / "out" / "public" / "net"
    for name in ("net.onnx", "FP16/net.xml", "FP16/net.bin", "README.md", "provenance.json"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).symlink_to(mine)
    ended = zoo.run("get", "--precisions", "FP16")
    assert_success(ended)
    assert zoo.state() == {mine: MINE}
    assert not (folder / "net.onnx").is_symlink()
    ended = zoo.run("cache remove")
    assert zoo.state() == {mine: MINE}
