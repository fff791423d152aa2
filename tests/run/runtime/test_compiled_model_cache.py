"""Compiled networks are cached; a damaged cache costs only time."""

import os

import numpy as np
import pytest

from fakes.irs import write_ir
from posezoo.run.runtime import compiled_network
from posezoo.run.runtime.compiled_network import CompiledNetwork
from posezoo.run.runtime.graph import Graph, Preprocessing
from posezoo.run.runtime.runtime_config import RuntimeConfig

SHAPES = {"sums": (1, 17, 8, 12)}
IMAGE = {"image": np.full((1, 3, 64, 96), 51, np.float32)}


@pytest.fixture
def ir(tmp_path):
    pytest.importorskip("openvino")
    return write_ir(tmp_path / "net.xml", SHAPES)


def loaded(ir, folder, **said):
    return CompiledNetwork(ir, RuntimeConfig(cache_dir=folder, **said))


def stamps(folder):
    return {path: path.stat().st_mtime_ns for path in folder.glob("*")}


def answer(network):
    return float(network(IMAGE)["sums"].mean())


def test_the_second_start_loads_the_network_that_the_first_one_stored(ir, tmp_path, monkeypatch):
    first = loaded(ir, tmp_path / "cache")
    written = stamps(tmp_path / "cache")
    assert len(written) == 1

    def compiles(*args):
        raise AssertionError("compiled again")

    monkeypatch.setattr("openvino.Core.compile_model", compiles)
    again = loaded(ir, tmp_path / "cache")
    assert stamps(tmp_path / "cache") == written
    assert answer(first) == answer(again) == pytest.approx(0.2)
    assert (again.executed_precision, again.device) == (first.executed_precision, "CPU")


def test_a_cached_network_is_of_one_ir_with_its_changes_and_runtime(ir, tmp_path):
    folder = tmp_path / "cache"
    loaded(ir, folder)
    loaded(ir, folder, requests=2, streams="2")
    graph = Graph(ir)
    graph.keep_outputs(["sums"])
    CompiledNetwork(graph, RuntimeConfig(cache_dir=folder))
    graph = Graph(ir)
    graph.embed_preprocessing("image", Preprocessing(scale=(2.0,)))
    halved = CompiledNetwork(graph, RuntimeConfig(cache_dir=folder))
    assert len(stamps(folder)) == 4
    pixels = {"image": np.full((1, 64, 96, 3), 51, np.uint8)}
    assert float(halved(pixels)["sums"].mean()) == pytest.approx(0.1)
    write_ir(ir, {"sums": (1, 17, 9, 12)})
    assert loaded(ir, folder).outputs == {"sums": (1, 17, 9, 12)}


def test_other_weights_of_the_same_size_and_date_are_another_network(ir, tmp_path):
    loaded(ir, tmp_path / "cache")
    before = {file: file.stat() for file in (ir, ir.with_suffix(".bin"))}
    weights = ir.with_suffix(".bin").read_bytes()
    scale, other = (np.float32(value).tobytes() for value in (255, 127.5))
    assert weights.count(scale) == 1
    ir.with_suffix(".bin").write_bytes(weights.replace(scale, other))
    for file, state in before.items():
        os.utime(file, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert answer(loaded(ir, tmp_path / "cache")) == pytest.approx(0.4)


def test_a_folder_that_was_moved_keeps_its_compiled_network(ir, tmp_path):
    loaded(ir, tmp_path / "cache")
    written = stamps(tmp_path / "cache")
    (tmp_path / "moved").mkdir()
    for file in (ir, ir.with_suffix(".bin")):
        file.rename(tmp_path / "moved" / file.name)
    loaded(tmp_path / "moved" / ir.name, tmp_path / "cache")
    assert stamps(tmp_path / "cache") == written


DAMAGES = {
    "half": lambda data: data[: len(data) // 2],
    "one bit": lambda data: data[:900] + bytes([data[900] ^ 1]) + data[901:],
    "another file": lambda data: b"<html>404</html>" * 100,
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_made_again(ir, tmp_path, damage):
    folder = tmp_path / "cache"
    loaded(ir, folder)
    (file,) = folder.iterdir()
    damaged = DAMAGES[damage](file.read_bytes())
    file.write_bytes(damaged)
    assert answer(loaded(ir, folder)) == pytest.approx(0.2)
    assert file.read_bytes() != damaged
    again = loaded(ir, folder)
    assert answer(again) == pytest.approx(0.2)


def test_a_whole_file_of_another_openvino_is_made_again(ir, tmp_path):
    """What OpenVINO itself refuses: a digest that fits, but no network behind it."""
    import hashlib

    folder = tmp_path / "cache"
    loaded(ir, folder)
    (file,) = folder.iterdir()
    foreign = b"a network of the year 2040"
    file.write_bytes(hashlib.sha256(foreign).hexdigest().encode() + foreign)
    assert answer(loaded(ir, folder)) == pytest.approx(0.2)
    assert len(file.read_bytes()) > 1000


def test_a_folder_that_cannot_be_written_costs_nothing(ir, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    assert answer(loaded(ir, tmp_path / "file" / "cache")) == pytest.approx(0.2)


def test_the_oldest_go_when_there_is_too_much(ir, tmp_path, monkeypatch):
    folder = tmp_path / "cache"
    loaded(ir, folder)
    (oldest,) = folder.iterdir()
    os.utime(oldest, ns=(1, 1))
    monkeypatch.setattr(compiled_network, "_MAX_BYTES", oldest.stat().st_size * 3 // 2)
    loaded(ir, folder, streams="2")
    assert len(stamps(folder)) == 1 and not oldest.exists()


@pytest.mark.parametrize("error", [RuntimeError, TypeError, OSError])
def test_a_copy_that_openvino_does_not_import_costs_only_time(ir, tmp_path, monkeypatch, error):
    loaded(ir, tmp_path / "cache")

    def refuse(*_args):
        raise error("incompatible")

    monkeypatch.setattr("openvino.Core.import_model", refuse)
    assert answer(loaded(ir, tmp_path / "cache")) == pytest.approx(0.2)
