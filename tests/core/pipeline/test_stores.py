"""Models whose folders are in a store, from the command line: S3 by moto's server behind a proxy that fails."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import pytest

from fakes.command import posezoo, posezoo_process
from fakes.network import HEIGHT, WIDTH, network
from fakes.stores import S3
from fakes.when_used import require_installed
from fakes.zoo import declared_file, model_yml, write_model
from posezoo.core.declarations.model import Precision
from posezoo.core.files.verified_files import compute_digest
from posezoo.core.pipeline.get import get
from posezoo.core.pipeline.plan import make_plan
from posezoo.core.pipeline.zoo_context import open_context
from posezoo.core.resolve.resolution import resolve_model
from posezoo.core.settings import read_settings, to_settings

require_installed("s3fs", "moto", "openvino")

INPUTS = [{"name": "image", "shape": [1, HEIGHT, WIDTH, 3], "layout": "NHWC", "color": "RGB"}]


@pytest.fixture
def s3(monkeypatch):
    with S3() as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        yield server


@pytest.fixture
def zoo(tmp_path) -> Path:
    """A registry of one small model, whose file is on this machine."""
    origin = tmp_path / "origin" / "net.tflite"
    origin.parent.mkdir()
    origin.write_bytes(network())
    content = model_yml(files=[declared_file(origin)], inputs=INPUTS, outputs=None)
    write_model(tmp_path / "zoo" / "models", "net", content)
    return tmp_path / "zoo" / "models"


@pytest.fixture
def machine(tmp_path_factory, monkeypatch, tmp_path):
    """``machine()`` goes on as another machine, without the files of the last one."""

    def move() -> None:
        monkeypatch.setenv("HOME", str(tmp_path_factory.mktemp("machine")))
        monkeypatch.chdir(tmp_path_factory.mktemp("working"))

    move()
    return move


def succeed(*words: object) -> str:
    done = posezoo(*words)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def contents(folder: Path) -> dict[str, bytes]:
    """The files that runs on different machines make equal: not the records, which have times and addresses."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "provenance.json" and ".posezoo" not in path.parts
    }


def stored(s3: S3, prefix: str) -> dict[str, bytes]:
    names = [name for name in s3.names(prefix) if not name.endswith("provenance.json")]
    return {name.removeprefix(prefix): s3.read(name) for name in names}


@pytest.mark.slow
def test_a_model_is_made_on_one_machine_and_used_on_another(s3, zoo, machine, tmp_path):
    get = (
        "get",
        "net",
        "--models_dir",
        zoo,
        "--output_dir",
        "s3://zoo/out",
        "--cache_dir",
        "s3://zoo/cache",
    )
    assert "s3://zoo/out/public/net/FP16/net.xml" in succeed(*get).splitlines()
    succeed("get", "net", "--models_dir", zoo, "--output_dir", tmp_path / "local")
    assert stored(s3, "out/") == contents(tmp_path / "local")
    digest = hashlib.sha384(network()).hexdigest()
    assert s3.names("cache/") == [f"cache/1/{digest[:2]}/{digest[2:]}"]
    machine()
    (tmp_path / "origin" / "net.tflite").unlink()
    before = stored(s3, "")
    plan = json.loads(succeed("plan", *get[1:], "--format", "json"))
    assert [ir["since"] for ir in plan["models"][0]["irs"]] == [None, None]
    assert plan["models"][0]["irs"][0]["path"] == "s3://zoo/out/public/net/FP32/net.xml"
    assert not list(Path.home().rglob("*.bin"))  # a plan transfers no weights
    assert "is up to date: s3://zoo/out" in succeed(*get, "--dry_run")
    succeed(*get)
    assert "changed" not in succeed(
        "verify", "net", "--models_dir", zoo, "--output_dir", "s3://zoo/out"
    )
    assert stored(s3, "") == before
    convert = ("convert", "net", "--models_dir", zoo, "--download_dir", "s3://zoo/out")
    assert "would convert to FP16" in succeed(*convert, "--output_dir", "s3://zoo/ir", "--dry_run")
    succeed(*convert, "--output_dir", "s3://zoo/ir")
    same = "public/net/FP16/net.xml"
    assert s3.read(f"ir/{same}") == s3.read(f"out/{same}")
    none = posezoo_process(
        "convert", "net", "--models_dir", zoo, "--download_dir", "s3://zoo/none", "-o", "s3://zoo/x"
    )
    assert none.returncode == 1
    assert "s3://zoo/none/public/net/net.tflite: does not exist" in none.stderr
    assert "posezoo download net" in none.stderr
    assert "--weights_dir s3://zoo/none" in none.stderr


@pytest.mark.slow
def test_a_dry_run_asks_a_store_only_for_lists_xml_files_and_records(s3, zoo, machine, tmp_path):
    places = ("--models_dir", zoo, "--weights_dir", "s3://zoo/out", "--cache_dir", "s3://zoo/cache")
    succeed("get", "net", *places)
    before = {name: s3.read(name) for name in s3.names()}
    machine()
    s3.proxy.requests.clear()
    succeed("get", "net", *places, "--dry_run")
    succeed("download", "net", *places, "--dry_run")
    succeed("mirror", "create", "s3://zoo/mirror", "net", "--models_dir", zoo, "--dry_run")
    succeed("export", "net", *places, "--to", "ovms", tmp_path / "served", "--dry_run")

    requests = s3.proxy.requests
    assert {method for method, _ in requests} <= {"GET", "HEAD"}
    fetched = {
        path.partition("?")[0]
        for method, path in requests
        if method == "GET" and "list-type" not in path
    }
    assert {Path(path).name for path in fetched} == {"net.xml", "provenance.json"}
    assert {name: s3.read(name) for name in s3.names()} == before
    assert not (tmp_path / "served").exists()


@pytest.mark.slow
def test_a_plan_transfers_no_weights_and_get_brings_them(s3, zoo, machine):
    values = {"models_dir": str(zoo), "weights_dir": "s3://zoo/out"}
    succeed("get", "net", "--models_dir", zoo, "--weights_dir", "s3://zoo/out")
    machine()
    context = open_context(to_settings(read_settings(values)))
    resolved = resolve_model(context.registry.find("net"), (Precision.FP16,), context)
    plan = make_plan(resolved, context)
    assert plan.precisions_to_bring == [Precision.FP16]
    assert not list(Path.home().rglob("*.bin"))
    xml = get(resolved, context).irs[Precision.FP16]
    assert type(xml) is type(Path())
    assert s3.read("out/public/net/FP16/net.bin") == xml.with_suffix(".bin").read_bytes()
    assert make_plan(resolved, context).precisions_to_bring == []


@pytest.mark.slow
def test_damage_in_a_store_is_found_and_repaired(s3, zoo, machine):
    places = (
        "net",
        "--models_dir",
        zoo,
        "--output_dir",
        "s3://zoo/out",
        "--cache_dir",
        "s3://zoo/cache",
    )
    succeed("get", *places)
    (entry,) = s3.names("cache/")
    for name in ("out/public/net/FP16/net.bin", "out/public/net/net.tflite", entry):
        good = s3.read(name)
        s3.write(name, bytes(len(good)))
    s3.write("out/public/net/evil.pb", b"!")
    machine()
    verified = posezoo_process("verify", "net", "--models_dir", zoo, "--output_dir", "s3://zoo/out")
    assert verified.returncode == 1
    assert "changed  net: FP16/net.bin (s3://zoo/out/public/net/FP16/net.bin)" in verified.stdout
    assert "changed  net: net.tflite" in verified.stdout
    assert "extra    net: evil.pb" in verified.stdout
    s3.client().delete_object(Bucket="zoo", Key="out/public/net/evil.pb")
    machine()
    succeed("get", *places)
    succeed("verify", "net", "--models_dir", zoo, "--output_dir", "s3://zoo/out")
    assert s3.read(entry) == network()


@pytest.mark.slow
def test_a_mirror_in_a_store_is_filled_checked_and_used(s3, zoo, machine, tmp_path):
    create = (
        "mirror",
        "create",
        "s3://zoo/mirror",
        "net",
        "--models_dir",
        zoo,
        "--cache_dir",
        tmp_path / "c",
    )
    assert "would download net.tflite" in succeed(*create, "--dry_run")
    assert s3.names() == []
    (path,) = succeed(*create).splitlines()
    assert path.startswith("s3://zoo/mirror/1/")
    assert "exists and is verified" in succeed(*create, "--dry_run")
    names = {name.split("/")[1] for name in s3.names("mirror/")}
    assert names == {"1", "NOTICE", "licenses", "models", "posezoo.lock"}
    machine()
    shutil.rmtree(tmp_path / "origin")
    assert "s3://zoo/mirror: all 2 files are good" in succeed("mirror", "check", "s3://zoo/mirror")
    places = ("--mirror", "s3://zoo/mirror", "--models_dir", "s3://zoo/mirror/models")
    succeed("download", "net", *places, "--output_dir", tmp_path / "used")
    assert (tmp_path / "used" / "public" / "net" / "net.tflite").read_bytes() == network()
    (entry,) = s3.names("mirror/1/")
    s3.write(entry, b"damaged")
    checked = posezoo_process("mirror", "check", "s3://zoo/mirror")
    assert checked.returncode == 1
    assert f"changed   net: net.tflite (s3://zoo/{entry})" in checked.stdout


@pytest.mark.slow
def test_a_second_mirror_writer_keeps_the_models_of_the_first(s3, zoo, machine, tmp_path):
    write_model(zoo, "other", (zoo / "public" / "net" / "model.yml").read_text())
    for name in ("net", "other"):
        machine()
        succeed("mirror", "create", "s3://zoo/mirror", name, "--models_dir", zoo)
    lock = s3.read("mirror/posezoo.lock").decode()
    assert '"model": "net"' in lock
    assert '"model": "other"' in lock
    machine()
    assert "all 4 files are good" in succeed("mirror", "check", "s3://zoo/mirror")


@pytest.mark.parametrize(
    "words",
    [
        ("licenses", "--output_dir", "s3://zoo/out"),
        ("lock", "net", "--output_dir", "s3://zoo/out"),
        ("compare", "net", "--output_dir", "s3://zoo/out"),
        ("cache", "list", "--cache_dir", "s3://zoo/cache"),
        ("verify", "--metadata", "--models_dir", "s3://zoo/models"),
        ("card", "net", "--in_place", "--models_dir", "s3://zoo/models"),
        ("run", "net", "--input", "x.png", "--output_dir", "s3://zoo/out"),
        ("dataset", "get", "coco-val2017", "--accept_terms", "--output_dir", "s3://zoo/out"),
    ],
    ids=lambda words: words[0],
)
def test_commands_that_need_local_folders_say_so(zoo, machine, words, monkeypatch):
    """They do not ask the store, which is not there."""
    if "--models_dir" not in words and words[0] != "dataset":
        monkeypatch.setenv("POSEZOO_MODELS_DIR", str(zoo))
    done = posezoo(*words)
    assert done.returncode in (1, 2)
    assert "in a store, but" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_no_secret_is_written_or_shown(s3, zoo, machine):
    places = ("--models_dir", zoo, "--output_dir", "s3://zoo/out", "--cache_dir", "s3://zoo/cache")
    done = posezoo_process("get", "net", *places)
    assert done.returncode == 0
    written = b"".join(s3.read(name) for name in s3.names())
    written += b"".join(path.read_bytes() for path in Path.home().rglob("*") if path.is_file())
    for secret in ("hush", "AKIATEST"):
        assert secret not in done.stdout + done.stderr
        assert secret.encode() not in written
    refused = posezoo_process("get", "net", "--output_dir", "sftp://ann:hush@host/models")
    assert refused.returncode == 2
    assert "hush" not in refused.stdout + refused.stderr


@pytest.mark.slow
def test_a_refused_or_missing_store_is_one_line_with_a_hint(s3, zoo, machine, monkeypatch):
    missing = posezoo_process(
        "get", "net", "--models_dir", zoo, "--output_dir", "s3://no-such-bucket/out"
    )
    assert missing.returncode == 1
    assert "does not exist in the store" in missing.stderr
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    refused = posezoo_process("get", "net", "--models_dir", zoo, "--output_dir", "s3://zoo/out")
    assert refused.returncode == 1
    assert "error: s3://zoo/out/public/net: the store refuses access" in refused.stderr
    assert "hint: credentials: AWS_ACCESS_KEY_ID" in refused.stderr
    for done in (missing, refused):
        assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_a_cache_that_cannot_be_written_is_only_a_warning(s3, zoo, machine, tmp_path):
    done = posezoo_process(
        "get",
        "net",
        "--models_dir",
        zoo,
        "--output_dir",
        tmp_path / "out",
        "--cache_dir",
        "s3://no-such-bucket/c",
    )
    assert done.returncode == 0
    assert "the cache cannot be written: s3://no-such-bucket/c/" in done.stderr


@pytest.mark.slow
@pytest.mark.soak  # scale/test_cluster_flag.py converts small ones on such a server each time
def test_real_models_are_converted_on_a_server_that_fails_one_request_in_ten(
    s3, machine, mirror, tmp_path
):
    """The bytes in the store equal those of a local run."""
    words = ("get", "blazepose-full", "--precisions", "FP16")
    local = posezoo(*words, "--mirror", mirror, "--output_dir", tmp_path / "local")
    s3.proxy.fails_every = 10
    machine()
    places = ("--output_dir", "s3://zoo/out", "--cache_dir", "s3://zoo/cache")
    done = posezoo_process(*words, "--mirror", mirror, *places, "--attempts", "10")
    assert (done.returncode, local.returncode) == (0, 0), done.stderr + local.stderr
    assert s3.proxy.failed > len(s3.proxy.requests) // 20
    assert stored(s3, "out/") == contents(tmp_path / "local")
    machine()
    succeed(*words, *places)
    assert succeed("verify", *words[1:-2], "--output_dir", "s3://zoo/out").startswith("good ")
    assert compute_digest(next(Path.home().rglob("*.bin"))).value
