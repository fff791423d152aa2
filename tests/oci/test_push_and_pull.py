"""posezoo push and pull against a real registry, through skopeo, and through a network that fails."""

from __future__ import annotations

import base64
import hashlib
import http.client
import io
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes.command import posezoo
from fakes.network import network
from fakes.oci import FaultyProxy, OciRegistry, require_programs
from fakes.server import Server
from fakes.small_disk import small_disk
from fakes.waiting import HANG_S, wait_until
from fakes.zoo import declared_file, model_yml, write_composite, write_model
from posezoo.core.errors import SourceError
from posezoo.oci.model_artifact import (
    CONFIG,
    DOCUMENT,
    MODEL_PACK,
    PATH,
    WEIGHT_CONFIG,
    WEIGHTS,
    read_artifact,
)
from posezoo.oci.oci_client import MANIFEST, OciAddress, read_docker_login

BIG = 2_000_000


@pytest.fixture(scope="module")
def registry(tmp_path_factory) -> Iterator[OciRegistry]:
    require_programs()
    with OciRegistry(tmp_path_factory.mktemp("oci") / "registry") as registry:
        yield registry


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A model with IR, and a composite of one part without; downloaded to ``out``."""
    folder = tmp_path_factory.mktemp("zoo")
    (folder / "net.onnx").write_bytes(network("onnx"))
    (folder / "part.tflite").write_bytes(os.urandom(BIG))
    net = model_yml(
        framework="onnx",
        files=[declared_file(folder / "net.onnx")],
        inputs=[{"name": "image", "shape": [1, 3, 12, 20], "layout": "NCHW"}],
        outputs=None,
    )
    write_model(folder / "models", "net", net)
    write_model(
        folder / "models", "whole/part", model_yml(files=[declared_file(folder / "part.tflite")])
    )
    write_composite(folder / "models", "whole", ["part"])
    for verb, name in (("get", "net"), ("download", "whole")):
        ended = posezoo(
            verb, name, "--models_dir", folder / "models", "-o", folder / "out", cwd=folder
        )
        assert ended.returncode == 0, ended.stderr
    return folder


@pytest.fixture
def zoo(made, tmp_path) -> Path:
    """A copy of it, of which each test may do with as it likes."""
    shutil.copytree(made, tmp_path / "zoo")
    return tmp_path / "zoo"


@pytest.mark.parametrize("folder", ["", "team/hands"])
def test_models_of_a_private_zoo_keep_their_own_folders(zoo, registry, folder):
    (zoo / "models" / folder).mkdir(parents=True, exist_ok=True)
    for tree in ("models", "out"):
        shutil.move(zoo / tree / "public" / "net", zoo / tree / folder / "net")
    name = f"team/own{folder.count('/')}:1"
    pushed = push(zoo, registry.host, name, "net")
    ended = pull(zoo, registry.host, name, "net", "--format", "json")
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout)["files"] == pushed["files"]
    xml = Path(folder, "net", "FP16", "net.xml")
    assert (zoo / "pulled" / xml).read_bytes() == (zoo / "out" / xml).read_bytes()


@pytest.fixture(scope="module")
def pushed(made, registry) -> dict[str, dict]:
    """What push said of both models, and of each alone, under team/both:1, team/net:1 and team/whole:1.

    They are pushed once, so a test that changes an artifact gives it another tag.
    """
    artifacts = {"both": ("net", "whole"), "net": ("net",), "whole": ("whole",)}
    return {
        name: push(made, registry.host, f"team/{name}:1", *models)
        for name, models in artifacts.items()
    }


def run(
    zoo: Path, *args: object, out: str = "out", **environ: str
) -> subprocess.CompletedProcess[str]:
    words = [*args, "--models_dir", zoo / "models", "-o", zoo / out]
    return posezoo(*words, cwd=zoo, **environ)


def push(zoo: Path, host: str, name: str, *models: str) -> dict:
    ended = run(
        zoo, "push", f"oci://{host}/{name}", *(models or ("net", "whole")), "--format", "json"
    )
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


def pull(zoo: Path, host: str, name: str, *args: object) -> subprocess.CompletedProcess[str]:
    # A cache of its own: else no byte would be asked for.
    return run(
        zoo, "pull", f"oci://{host}/{name}", *args, "--cache_dir", zoo / "cache", out="pulled"
    )


def files_below(root: Path) -> dict[str, bytes]:
    """The files of models, but for the records of this machine."""
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and ".posezoo" not in path.parts
    }


def pushed_below(root: Path) -> dict[str, bytes]:
    """The same without what is not pushed: where each published file was downloaded from."""
    own = {"public/net/provenance.json", "public/whole/part/provenance.json"}
    return {name: content for name, content in files_below(root).items() if name not in own}


def taken_below(root: Path) -> dict[str, bytes]:
    """The same without what says who vouches for an IR: its record, and the cards of its model."""
    told_here = ("FP16/provenance.json", "FP32/provenance.json", "README.md", "card.json")
    return {name: body for name, body in pushed_below(root).items() if not name.endswith(told_here)}


def manifest_of(host: str, name: str) -> dict:
    repository, _, tag = name.rpartition(":")
    connection = http.client.HTTPConnection(host)
    connection.request("GET", f"/v2/{repository}/manifests/{tag}", headers={"Accept": MANIFEST})
    return json.loads(connection.getresponse().read())


def blob_of(host: str, repository: str, digest: str) -> bytes:
    connection = http.client.HTTPConnection(host)
    connection.request("GET", f"/v2/{repository}/blobs/{digest}")
    return connection.getresponse().read()


def put_manifest(host: str, name: str, content: object) -> None:
    repository, _, tag = name.rpartition(":")
    connection = http.client.HTTPConnection(host)
    body = json.dumps(content)
    connection.request("PUT", f"/v2/{repository}/manifests/{tag}", body, {"Content-Type": MANIFEST})
    assert connection.getresponse().status == 201


def test_what_was_pushed_is_pulled_byte_for_byte_through_another_registry(zoo, registry, tmp_path):
    pushed = push(zoo, registry.host, "team/pose:1")
    with OciRegistry(tmp_path / "other") as other:
        copy = ["skopeo", "copy", "--quiet", "--src-tls-verify=false", "--dest-tls-verify=false"]
        places = (f"docker://{registry.host}/team/pose:1", f"docker://{other.host}/far/away/pose:2")
        subprocess.run([*copy, *places], check=True, timeout=HANG_S)
        pulled = pull(zoo, other.host, "far/away/pose:2", "--format", "json")
    assert pulled.returncode == 0, pulled.stderr
    answer = json.loads(pulled.stdout)
    assert (answer["digest"], answer["files"]) == (pushed["digest"], pushed["files"])
    # The pulled folder has the licenses, too.
    expected, result = taken_below(zoo / "out"), taken_below(zoo / "pulled")
    licenses = {"public/net/LICENSE", "public/whole/part/LICENSE"}
    assert {name: result[name] for name in expected} == expected
    assert result.keys() - expected.keys() == licenses
    assert b"The terms." in result["public/net/LICENSE"]
    # posezoo takes the pulled files for its own: nothing is downloaded or converted again.
    again = run(zoo, "plan", "net", out="pulled")
    assert "is up to date" in again.stdout and "would" not in again.stdout, again.stdout
    assert run(zoo, "verify", "net", "whole", out="pulled").returncode == 0
    assert push(zoo, registry.host, "team/pose:3")["digest"] == pushed["digest"]


def test_the_artifact_is_a_model_pack(pushed, registry):
    manifest = manifest_of(registry.host, "team/both:1")
    assert (manifest["schemaVersion"], manifest["mediaType"]) == (2, MANIFEST)
    assert (manifest["artifactType"], manifest["config"]["mediaType"]) == (MODEL_PACK, CONFIG)
    kinds = {}
    for layer, file in zip(manifest["layers"], pushed["both"]["files"], strict=True):
        path = layer["annotations"]["org.cncf.model.filepath"]
        assert path == file["path"] == layer["annotations"]["org.opencontainers.image.title"]
        kinds[path] = layer["mediaType"]
        # The digests of a file that posezoo knows by its SHA-384.
        content = blob_of(registry.host, "team/both", layer["digest"])
        assert (
            hashlib.sha256(content).hexdigest()
            == layer["digest"].partition(":")[2]
            == file["sha256"]
        )
        assert (
            hashlib.sha384(content).hexdigest()
            == layer["annotations"]["posezoo.sha384"]
            == file["sha384"]
        )
        assert len(content) == layer["size"]
    assert kinds["public/net/net.onnx"] == kinds["public/net/FP16/net.bin"] == WEIGHTS
    assert kinds["public/net/FP16/net.xml"] == WEIGHT_CONFIG
    documents = ("FP16/provenance.json", "README.md", "card.json", "LICENSE")
    assert {kinds[f"public/net/{name}"] for name in documents} == {DOCUMENT}
    config = json.loads(blob_of(registry.host, "team/both", manifest["config"]["digest"]))
    # https://github.com/modelpack/model-spec/blob/main/schema/config-schema.json: these keys, and no others.
    assert config.keys() == {"descriptor", "config", "modelfs"}
    assert config["descriptor"]["licenses"] == ["Apache-2.0"]
    assert config["config"] == {"format": "openvino"}
    assert config["modelfs"]["type"] == "layers"
    assert config["modelfs"]["diffIds"] == [layer["digest"] for layer in manifest["layers"]]


@pytest.mark.slow
def test_another_client_reads_the_artifact(zoo, registry, tmp_path, monkeypatch):
    oras = pytest.importorskip("oras.client", reason="needs oras")
    push(zoo, registry.host, "team/oras:1", "net")
    oras.OrasClient(insecure=True).pull(
        f"{registry.host}/team/oras:1", outdir=str(tmp_path / "by_oras")
    )
    there = files_below(tmp_path / "by_oras")
    expected = {
        name: content for name, content in pushed_below(zoo / "out").items() if "/net/" in name
    }
    assert {name: there[name] for name in expected} == expected


def test_a_part_of_the_artifact_can_be_pulled_and_the_files_alone_be_pushed(zoo, registry, pushed):
    assert pull(zoo, registry.host, "team/both:1", "whol*").returncode == 0
    assert {name.split("/")[1] for name in files_below(zoo / "pulled")} == {"whole"}
    wrong = pull(zoo, registry.host, "team/both:1", "nett")
    assert wrong.returncode == 1
    assert "has no model nett\n  hint: did you mean net?" in wrong.stderr
    run(zoo, "push", f"oci://{registry.host}/team/some:2", "net", "--without_ir")
    paths = {
        layer["annotations"]["org.cncf.model.filepath"]
        for layer in manifest_of(registry.host, "team/some:2")["layers"]
    }
    assert "public/net/net.onnx" in paths and not any("FP16" in path for path in paths)


@pytest.mark.slow
def test_a_second_push_uploads_no_file_and_a_second_pull_downloads_none(zoo, registry):
    with FaultyProxy(registry, lambda _method, _path: None) as proxy:
        push(zoo, proxy.host, "team/twice:1")
        uploads = len(proxy.asked("PUT", "/blobs/uploads/"))
        assert uploads > 5
        push(zoo, proxy.host, "team/twice:1")
        assert len(proxy.asked("PUT", "/blobs/uploads/")) == uploads
        assert pull(zoo, proxy.host, "team/twice:1").returncode == 0
        downloads = len(proxy.asked("GET", "/blobs/"))
        assert pull(zoo, proxy.host, "team/twice:1").returncode == 0
        assert len(proxy.asked("GET", "/blobs/")) == downloads


def test_files_that_a_registry_has_in_another_storage_are_not_uploaded_again(zoo, registry, pushed):
    """A registry with object storage answers the question for such a file with a redirect."""

    def redirect(method: str, path: str) -> dict[str, int] | None:
        return {"status": 307} if method == "HEAD" and "/blobs/" in path else None

    with FaultyProxy(registry, redirect) as proxy:
        push(zoo, proxy.host, "team/net:stored", "net")
        assert proxy.asked("HEAD", "/blobs/")
        assert not proxy.asked("PUT", "/blobs/uploads/")
    assert pull(zoo, registry.host, "team/net:stored").returncode == 0


def test_a_dry_run_changes_nothing(zoo, registry, pushed):
    before = files_below(zoo)
    planned = run(zoo, "push", f"oci://{registry.host}/team/dry:1", "net", "--dry_run")
    assert planned.returncode == 0 and "would push" in planned.stdout
    assert "public/net/FP16/net.xml" in planned.stdout
    assert files_below(zoo) == before
    missing = pull(zoo, registry.host, "team/dry:1")
    assert missing.returncode == 1
    assert f"error: oci://{registry.host}/team/dry:1: HTTP 404" in missing.stderr
    assert "would download" in pull(zoo, registry.host, "team/net:1", "--dry_run").stdout
    assert not (zoo / "pulled").exists()


def test_a_broken_connection_is_continued(zoo, registry, pushed):
    digest = hashlib.sha256((zoo / "part.tflite").read_bytes()).hexdigest()
    cuts = [1_000_000, 500_000]

    def fault(method: str, path: str) -> dict[str, int] | None:
        return {"cut": cuts.pop()} if cuts and method == "GET" and path.endswith(digest) else None

    with FaultyProxy(registry, fault) as proxy:
        ended = pull(zoo, proxy.host, "team/whole:1")
        ranges = [headers.get("Range") for headers in proxy.asked("GET", digest)]
    assert ended.returncode == 0, ended.stderr
    assert ranges == [None, "bytes=500000-", "bytes=1500000-"]
    assert (zoo / "pulled/public/whole/part/part.tflite").read_bytes() == (
        zoo / "part.tflite"
    ).read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("verb", ["push", "pull"])
def test_a_busy_registry_is_asked_again_and_a_broken_one_given_up(zoo, registry, verb):
    push(zoo, registry.host, "team/busy:1", "net")
    answers = [503] * 2

    def fault(method: str, path: str) -> dict[str, int] | None:
        wanted = "PUT" if verb == "push" else "GET"
        return (
            {"status": answers.pop()}
            if answers and method == wanted and "/v2/team" in path
            else None
        )

    def act(proxy: FaultyProxy) -> subprocess.CompletedProcess[str]:
        if verb == "pull":
            return pull(zoo, proxy.host, "team/busy:1", "--attempts", 3)
        return run(zoo, "push", f"oci://{proxy.host}/team/{os.getpid()}:1", "net", "--attempts", 3)

    with FaultyProxy(registry, fault) as proxy:
        ended = act(proxy)
        assert ended.returncode == 0, ended.stderr
        assert "HTTP 503 Service Unavailable; attempt 2 of 3" in ended.stderr
        shutil.rmtree(zoo / "pulled", ignore_errors=True)
        shutil.rmtree(zoo / "cache", ignore_errors=True)
        answers += [503] * 99
        ended = act(proxy)
    assert ended.returncode == 1
    assert "HTTP 503" in ended.stderr and "Traceback" not in ended.stderr
    assert not [path for path in (zoo / "pulled").rglob("*") if path.is_file()]


def test_bytes_that_change_on_their_way_are_noticed_on_both_ways(zoo, registry):
    digest = hashlib.sha256((zoo / "part.tflite").read_bytes()).hexdigest()
    spoiled = [{"flip_sent": 12345}]

    def once(method: str, path: str) -> dict[str, int] | None:
        return spoiled.pop() if spoiled and method == "PUT" and digest in path else None

    with FaultyProxy(registry, once) as proxy:
        push(zoo, proxy.host, "team/spoiled:1", "whole")
        assert len(proxy.asked("PUT", digest)) == 2
    always = lambda method, path: {"flip": 777} if method == "GET" and digest in path else None  # noqa: E731
    with FaultyProxy(registry, always) as proxy:
        ended = pull(zoo, proxy.host, "team/spoiled:1")
    assert ended.returncode == 1
    assert "part.tflite" in ended.stderr and "the digest of the download is SHA-384" in ended.stderr
    assert not (zoo / "pulled/public/whole/part/part.tflite").exists()


@pytest.mark.slow
def test_a_killed_pull_leaves_nothing_wrong_and_is_continued(zoo, registry):
    push(zoo, registry.host, "team/kill:1")
    right = {
        f"{zoo / 'pulled'}/{name}": content for name, content in taken_below(zoo / "out").items()
    }
    with Server() as slow:
        manifest = manifest_of(registry.host, "team/kill:1")
        slow.serve("v2/", b"{}")
        slow.serve("v2/team/kill/manifests/1", json.dumps(manifest).encode())
        for layer in manifest["layers"]:
            body = blob_of(registry.host, "team/kill", layer["digest"])
            slow.serve(
                f"v2/team/kill/blobs/{layer['digest']}", body, etag='"one"', bytes_per_s=2 << 20
            )
        host = slow.url().removeprefix("http://").rstrip("/")
        words = [
            "pull",
            f"oci://{host}/team/kill:1",
            "--models_dir",
            zoo / "models",
            "-o",
            zoo / "pulled",
            "--quiet",
        ]
        command = [sys.executable, "-m", "posezoo", *map(str, words)]
        big = next(layer["digest"] for layer in manifest["layers"] if layer["size"] == BIG)
        part = zoo / "pulled/public/whole/part/.part.tflite.part"
        run_ = subprocess.Popen(command, cwd=zoo, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        wait_until(
            lambda: run_.poll() is not None or (part.exists() and part.stat().st_size > 600_000)
        )
        run_.kill()
        run_.communicate()
        for path, content in right.items():
            assert not Path(path).exists() or Path(path).read_bytes() == content, path
        assert not (zoo / "pulled/public/whole/part/part.tflite").exists()
        slow.answers[f"/v2/team/kill/blobs/{big}"].bytes_per_s = 0
        ended = subprocess.run(
            command, cwd=zoo, capture_output=True, text=True, timeout=HANG_S, check=False
        )
        assert ended.returncode == 0, ended.stderr
        asked = [request.headers.get("Range") for request in slow.requests if big in request.path]
    assert asked[0] is None and int(asked[-1].removeprefix("bytes=").rstrip("-")) >= 500_000
    assert {path: Path(path).read_bytes() for path in right} == right


def test_a_full_disk_is_one_error(zoo, registry, pushed):
    with small_disk(zoo / "pulled", "512k") as where:
        ended = pull(zoo, registry.host, "team/whole:1")
        assert ended.returncode == 1
        assert "part.tflite: cannot be written: No space left on device" in ended.stderr
        assert "Traceback" not in ended.stderr
        assert not (where / "public/whole/part/part.tflite").exists()


@pytest.mark.slow
def test_a_login_is_needed_and_never_shown(zoo, tmp_path):
    require_programs()
    password = "top-secret-42"
    bcrypt = pytest.importorskip("bcrypt", reason="needs bcrypt")
    hashed = bcrypt.hashpw(password.encode(), bcrypt.gensalt(4)).decode()
    (tmp_path / "htpasswd").write_text(f"ann:{hashed}\n")
    auth = f"auth: {{htpasswd: {{realm: test, path: {tmp_path}/htpasswd}}}}\n"
    with OciRegistry(tmp_path / "closed", auth) as registry:
        address = f"oci://{registry.host}/team/closed:1"
        refused = run(zoo, "push", address, "net")
        assert refused.returncode == 1
        assert f"error: {address}: HTTP 401 Unauthorized" in refused.stderr
        assert f"hint: docker login {registry.host}" in refused.stderr
        config = tmp_path / "docker"
        for given, code in (("wrong-secret-43", 1), (password, 0)):
            login = base64.b64encode(f"ann:{given}".encode()).decode()
            config.mkdir(exist_ok=True)
            (config / "config.json").write_text(
                json.dumps({"auths": {registry.host: {"auth": login}}})
            )
            for verb, out in (("push", "out"), ("pull", "pulled")):
                ended = run(zoo, verb, address, "net", out=out, DOCKER_CONFIG=str(config))
                assert ended.returncode == code, ended.stderr
                assert (
                    given not in ended.stderr + ended.stdout
                    and login not in ended.stderr + ended.stdout
                )
        assert "HTTP 401" not in ended.stderr
        header = f"{registry.host}=Authorization: Basic {login}"
        assert run(zoo, "pull", address, "--header", header, out="third").returncode == 0


@pytest.mark.slow
@pytest.mark.parametrize("identity", [False, True])
def test_a_token_is_fetched_for_the_repository_and_renewed(zoo, registry, tmp_path, identity):
    push(zoo, registry.host, "team/token:1", "net")
    manifest = manifest_of(registry.host, "team/token:1")
    config = tmp_path / "docker"
    config.mkdir()
    with Server() as server:
        host = server.url().removeprefix("http://").rstrip("/")
        challenge = f'Bearer realm="{server.url("token")}",service="the registry",scope="whatever"'
        server.serve("v2/", b"", status=[401] * 99, headers={"WWW-Authenticate": challenge})
        token = json.dumps({"token": "t0ken", "expires_in": 0}).encode()
        query = "service=the+registry&scope=repository%3Ateam%2Ftoken%3Apull"
        server.serve(f"token?{query}", token)
        server.serve("token", token)
        server.serve("v2/team/token/manifests/1", json.dumps(manifest).encode())
        for layer in manifest["layers"]:
            server.serve(
                f"v2/team/token/blobs/{layer['digest']}",
                blob_of(registry.host, "team/token", layer["digest"]),
            )
        entry = (
            {"identitytoken": "ident1ty"}
            if identity
            else {"auth": base64.b64encode(b"ann:pw").decode()}
        )
        (config / "config.json").write_text(json.dumps({"auths": {host: entry}}))
        words = ["pull", f"oci://{host}/team/token:1"]
        ended = run(
            zoo, *words, "--cache_dir", zoo / "cache", out="pulled", DOCKER_CONFIG=str(config)
        )
        assert ended.returncode == 0, ended.stderr
        asked = [each for each in server.requests if each.path.startswith("/token")]
        assert len(asked) > 2
        if identity:
            form = b"grant_type=refresh_token&refresh_token=ident1ty&client_id=posezoo&service=the+registry"
            assert {each.body for each in asked} == {
                form + b"&scope=repository%3Ateam%2Ftoken%3Apull"
            }
        else:
            assert {each.headers["Authorization"] for each in asked} == {f"Basic {entry['auth']}"}
        others = {
            each.headers["Authorization"]
            for each in server.requests
            if each.path.startswith("/v2/team")
        }
        assert others == {"Bearer t0ken"}


def test_credentials_come_from_docker_s_helper_too(tmp_path, monkeypatch):
    helper = tmp_path / "docker-credential-tests"
    helper.write_text(
        '#!/bin/sh\nread host\necho "{\\"Username\\": \\"$host\\", \\"Secret\\": \\"pw\\"}"\n'
    )
    helper.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    (tmp_path / "config.json").write_text('{"credsStore": "tests"}')
    assert read_docker_login("registry.invalid") == ("registry.invalid", "pw")
    (tmp_path / "config.json").write_text('{"auths": {"registry.invalid": {"auth": "no base 64"}}}')
    with pytest.raises(
        SourceError, match=r"config\.json: the login for registry\.invalid cannot be read"
    ):
        read_docker_login("registry.invalid")


def test_docker_s_logins_are_in_the_home_folder_of_the_system(tmp_path, monkeypatch):
    """Windows has no variable HOME."""
    monkeypatch.delenv("HOME")
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    (tmp_path / ".docker").mkdir()
    login = base64.b64encode(b"ann:pw").decode()
    config = {"auths": {"registry.invalid": {"auth": login}}}
    (tmp_path / ".docker" / "config.json").write_text(json.dumps(config))
    assert read_docker_login("registry.invalid") == ("ann", "pw")


def test_a_user_without_a_home_folder_has_no_login(tmp_path, monkeypatch):
    def no_home() -> Path:
        raise RuntimeError("no home")

    monkeypatch.delenv("HOME")
    monkeypatch.setattr(Path, "home", no_home)
    monkeypatch.chdir(tmp_path)
    assert read_docker_login("registry.invalid") == ("", "")


@pytest.mark.slow
def test_tls_is_used_and_its_certificate_checked(zoo, tmp_path):
    require_programs()
    trustme = pytest.importorskip("trustme", reason="needs trustme")
    authority = trustme.CA()
    server = authority.issue_cert("localhost")
    server.private_key_pem.write_to_path(tmp_path / "key.pem")
    server.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    tls = f"tls: {{certificate: {tmp_path}/cert.pem, key: {tmp_path}/key.pem}}"
    with OciRegistry(tmp_path / "tls", tls) as registry:
        address = f"oci://{registry.host}/team/tls:1"
        refused = run(zoo, "push", address, "net")
        assert (
            refused.returncode == 1
            and "TLS failed" in refused.stderr
            and "--ca_bundle" in refused.stderr
        )
        assert run(zoo, "push", address, "net", "--ca_bundle", tmp_path / "ca.pem").returncode == 0
        trusted = {"REQUESTS_CA_BUNDLE": str(tmp_path / "ca.pem")}
        assert run(zoo, "pull", address, out="pulled", **trusted).returncode == 0


def test_nothing_that_differs_from_model_yml_or_its_record_is_pushed(zoo, registry):
    path = zoo / "out/public/net/FP16/net.bin"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    ended = run(zoo, "push", f"oci://{registry.host}/team/bad:1", "net")
    assert ended.returncode == 1
    assert f"error: {path}: changed" in ended.stderr
    ended = run(zoo, "push", f"oci://{registry.host}/team/bad:1", "net", out="nowhere")
    assert "nowhere: has no file of net\n  hint: posezoo get" in ended.stderr


def test_a_file_that_model_yml_declares_otherwise_is_refused(zoo, registry, pushed):
    (zoo / "part.tflite").write_bytes(os.urandom(BIG))
    write_model(zoo / "models", "whole/part", model_yml(files=[declared_file(zoo / "part.tflite")]))
    ended = pull(zoo, registry.host, "team/whole:1")
    assert ended.returncode == 1
    assert "part.tflite" in ended.stderr and "is declared" in ended.stderr
    assert not (zoo / "pulled/public/whole/part/part.tflite").exists()


@pytest.mark.slow
def test_a_strict_lock_allows_only_what_it_lists(zoo, registry):
    push(zoo, registry.host, "team/locked:1", "net")
    run(zoo, "lock", "net")
    assert pull(zoo, registry.host, "team/locked:1", "--locked").returncode == 0
    lines = [json.loads(line) for line in (zoo / "posezoo.lock").read_text().splitlines()]
    for line in lines:
        line["sha384"] = "0" * 96 if line["file"] == "FP16/net.xml" else line["sha384"]
    (zoo / "posezoo.lock").write_text("".join(json.dumps(line) + "\n" for line in lines))
    ended = pull(zoo, registry.host, "team/locked:1", "--locked")
    assert ended.returncode == 1 and "FP16/net.xml is SHA-384" in ended.stderr


def test_a_card_of_the_user_s_own_is_kept(zoo, registry, pushed):
    own = zoo / "pulled/public/net/README.md"
    own.parent.mkdir(parents=True)
    own.write_text("mine\n")
    assert "posezoo did not write it" in pull(zoo, registry.host, "team/net:1").stderr
    assert own.read_text() == "mine\n"


@pytest.mark.slow
def test_other_artifacts_are_refused(zoo, registry):
    push(zoo, registry.host, "team/image:1", "net")
    manifest = manifest_of(registry.host, "team/image:1")
    manifest["config"]["mediaType"] = manifest["artifactType"] = (
        "application/vnd.oci.image.config.v1+json"
    )
    put_manifest(registry.host, "team/image:2", manifest)
    ended = pull(zoo, registry.host, "team/image:2")
    assert ended.returncode == 1
    assert (
        "is not an artifact of posezoo: its type is application/vnd.oci.image.config.v1+json"
        in ended.stderr
    )
    wrong = manifest_of(registry.host, "team/image:1")
    layer_of(wrong, "public/net/net.onnx")["annotations"]["posezoo.sha384"] = "0" * 96
    put_manifest(registry.host, "team/image:3", wrong)
    ended = pull(zoo, registry.host, "team/image:3")
    assert ended.returncode == 1 and "the artifact has SHA-384 000000000000…" in ended.stderr
    digest = json.loads(
        pull(zoo, registry.host, "team/image:1", "--dry_run", "--format", "json").stdout
    )["digest"]
    assert pull(zoo, registry.host, f"team/image@{digest}").returncode == 0


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("../net.bin", "has an empty, . or .. part"),
        ("public/net/../../../home/.bashrc", "has an empty, . or .. part"),
        ("/etc/passwd", "is absolute"),
        ("setup.py", "is not in the folder of a model"),
        (".git/hooks/pre-commit", "is not in the folder of a model"),
        ("public/net/.ssh/keys", "is not in the folder of a model"),
        ("public/net/.posezoo/net.bin.json", "is in a place that posezoo uses itself"),
        ("public/net/a\\b", "contains"),
        ("public/net/CON", "is a name that Windows reserves"),
        ("public/net/FP16/com1.bin", "is a name that Windows reserves"),
        ("public/aux/net.onnx", "is a name that Windows reserves"),
        ("public/net/net.onnx:stream", "contains :"),
        ("public/net/FP16\\net.bin", "contains \\"),
        ("public/net/net.", "ends with a blank or a dot"),
        ("public/net/net ", "ends with a blank or a dot"),
    ],
)
def test_no_path_leads_out_of_the_folder_of_a_model(path, reason):
    notes = {"org.cncf.model.filepath": path, "posezoo.model": "net", "posezoo.sha384": "0" * 96}
    layer = {"mediaType": WEIGHTS, "digest": f"sha256:{'0' * 64}", "size": 1, "annotations": notes}
    address = OciAddress("registry.invalid", "team/net", "1")
    with pytest.raises(SourceError, match="is not an artifact of posezoo") as caught:
        read_artifact(json.dumps({"artifactType": MODEL_PACK, "layers": [layer]}).encode(), address)
    assert reason in caught.value.problem
    notes["org.cncf.model.filepath"] = "public/net/FP16/net.bin"
    manifest = {"artifactType": MODEL_PACK, "layers": [layer]}
    assert len(read_artifact(json.dumps(manifest).encode(), address)) == 1
    manifest["layers"].append(layer)
    with pytest.raises(SourceError, match="two files have the same path"):
        read_artifact(json.dumps(manifest).encode(), address)


LAYER = {"digest": f"sha256:{'0' * 64}", "size": 1, "mediaType": WEIGHTS}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "it is not JSON"),
        (b"[]", "it is not a JSON object"),
        (b"\xff", "it is not UTF-8"),
        (b"[" * 9999, "it is nested too deep"),
        (b"{}", "it states no type"),
        (b'{"config": []}', "it states no type"),
        (b'{"config": {"mediaType": []}}', "it states no type"),
        ({}, "it has no list of layers"),
        ({"layers": {}}, "it has no list of layers"),
        ({"layers": [7]}, "layer 1 has no annotations"),
        ({"layers": [{"annotations": []}]}, "layer 1 has no annotations"),
        ({"layers": [{"annotations": {}}]}, f"layer 1 has no annotation {PATH}"),
        ({"layers": [LAYER | {"annotations": {PATH: 7}}]}, f"layer 1 has no annotation {PATH}"),
        (
            {"layers": [LAYER | {"annotations": {PATH: "public/net/net.bin"}}]},
            "public/net/net.bin has no SHA-256 and SHA-384",
        ),
    ],
)
def test_what_is_no_manifest_of_posezoo_is_one_plain_error(content, reason):
    if isinstance(content, dict):
        content = json.dumps({"artifactType": MODEL_PACK, **content}).encode()
    with pytest.raises(
        SourceError, match=re.escape(f"is not an artifact of posezoo: {reason}")
    ) as caught:
        read_artifact(content, OciAddress("registry.invalid", "team/net", "1"))
    assert "another tag" in caught.value.hint


@pytest.mark.parametrize(
    "text",
    ["localhost/a:1", "oci://localhost/a", "oci://host/A:1", "oci://h/a:1?b", "oci://u:p@h/a:1"],
)
def test_an_address_names_host_repository_and_tag(text):
    with pytest.raises(ValueError, match="expected oci://HOST/REPO:TAG"):
        OciAddress.parse(text)


def test_a_registry_that_is_down_is_named(zoo):
    ended = run(zoo, "pull", "oci://localhost:9/team/net:1", "--attempts", 1)
    assert ended.returncode == 1
    assert (
        "error: oci://localhost:9/team/net:1: no connection: Connection refused\n  hint: check"
        in ended.stderr
    )


@pytest.mark.slow
@pytest.mark.soak  # one model and a composite make it each time
def test_all_models_at_hand_survive_the_round_trip(mirror, registry, tmp_path):
    """The files of every model in the mirror, and the IR of the default model."""
    offline = {
        "http_proxy": "http://localhost:9",
        "https_proxy": "http://localhost:9",
        "no_proxy": "localhost",
    }
    out = tmp_path / "out"
    got = posezoo(
        "download",
        "--all",
        "--mirror",
        mirror,
        "--attempts",
        1,
        "-o",
        out,
        "--quiet",
        cwd=tmp_path,
        **offline,
    )
    assert got.stdout
    posezoo("get", "blazepose-full", "--mirror", mirror, "-o", out, cwd=tmp_path)
    address = f"oci://{registry.host}/zoo/all:1"
    pushed = posezoo("push", address, "--all", "-o", out, "--format", "json", cwd=tmp_path)
    assert pushed.returncode == 0, pushed.stderr
    files = json.loads(pushed.stdout)["files"]
    assert len({file["model"] for file in files}) > 4
    copy = ["skopeo", "copy", "--quiet", "--src-tls-verify=false", "--dest-tls-verify=false"]
    places = (f"docker://{registry.host}/zoo/all:1", f"docker://{registry.host}/copy/all:1")
    subprocess.run([*copy, *places], check=True, timeout=HANG_S)
    ended = posezoo(
        "pull",
        address.replace("zoo", "copy"),
        "-o",
        tmp_path / "pulled",
        "--cache_dir",
        tmp_path / "c",
        cwd=tmp_path,
    )
    assert ended.returncode == 0, ended.stderr
    for file in files:
        if Path(file["path"]).name in ("provenance.json", "README.md", "card.json"):
            continue  # they say who vouches for the IR
        content = (tmp_path / "pulled" / file["path"]).read_bytes()
        assert hashlib.sha384(content).hexdigest() == file["sha384"], file["path"]
        if not file["path"].endswith("/LICENSE"):
            assert content == (out / file["path"]).read_bytes()


def test_an_incomplete_ir_is_not_pushed(zoo, registry):
    (zoo / "out/public/net/FP16/net.bin").unlink()
    ended = run(zoo, "push", f"oci://{registry.host}/team/half:1", "net")
    assert ended.returncode == 1
    assert "net.bin: missing" in ended.stderr


def test_an_upload_is_not_sent_where_the_registry_must_not_lead_it(zoo, registry):
    """A registry that names any address for an upload is not followed from https to http."""
    from posezoo.core.download.context import DownloadContext
    from posezoo.core.download.options import DownloadOptions
    from posezoo.oci.oci_client import OciClient

    with DownloadContext("a", DownloadOptions(None, attempts=1)) as context:
        client = OciClient(OciAddress("registry.example.org", "team/net", "1"), context)
        client._login_ends = float("inf")
        for target, problem in (
            ("http://registry.example.org/v2/", "redirects from https to http"),
            ("https://169.254.169.254/latest/", "an address of this machine or a private network"),
        ):
            with pytest.raises(SourceError, match=problem):
                client._send("PUT", target, 201)


@pytest.mark.parametrize("is_own_host", [True, False])
def test_a_push_sends_no_login_where_the_registry_leads_it(zoo, token_registry, is_own_host):
    """The body goes to the address that the registry names; the logins for that host do not."""
    from posezoo.core.download.context import DownloadContext
    from posezoo.core.download.options import DownloadOptions
    from posezoo.core.http_headers import HostHeader
    from posezoo.oci.oci_client import OciClient

    server, host = token_registry
    netrc = Path.home() / ".netrc"
    netrc.write_text(
        "machine localhost login ann password pw\nmachine 127.0.0.1 login ben password pw\n"
    )
    netrc.chmod(0o600)
    with Server() as storage:
        place = server if is_own_host else storage
        location = place.url("upload").replace(
            "localhost", "localhost" if is_own_host else "127.0.0.1"
        )
        server.serve("v2/", b"{}")
        server.serve("v2/team/net/blobs/sha256:1", status=[404] * 9)
        server.serve("v2/team/net/blobs/uploads/", status=[202], headers={"Location": location})
        place.serve("upload?digest=sha256:1", status=[201])
        login = HostHeader(host, "Authorization", "Bearer t0ken")
        options = DownloadOptions(None, attempts=1, headers=(login,))
        with DownloadContext("a", options) as context:
            client = OciClient(OciAddress(host, "team/net", "1"), context, writes=True)
            client.upload_blob("sha256:1", lambda: io.BytesIO(b"net"))
        sent = place.requests[-1]
    assert sent.body == b"net"
    assert sent.headers["Authorization"] == ("Bearer t0ken" if is_own_host else None)


def test_an_upload_is_not_sent_to_a_name_of_a_private_address(zoo, token_registry, monkeypatch):
    """A public registry must not lead the body to a machine that only this network can reach."""
    from posezoo.core.download.context import DownloadContext
    from posezoo.core.download.options import DownloadOptions
    from posezoo.oci.oci_client import OciClient

    look_up = socket.getaddrinfo
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda host, *more, **kw: look_up("127.0.0.1", *more, **kw)
    )
    # The registry counts as public.
    monkeypatch.setattr("posezoo.core.download.http.is_private", lambda host: False)
    server, host = token_registry
    inside = server.url("inside").replace("localhost", "storage.corp")
    server.serve("v2/", b"{}")
    server.serve("v2/team/net/blobs/sha256:1", status=[404] * 9)
    server.serve("v2/team/net/blobs/uploads/", status=[202] * 9, headers={"Location": inside})
    server.serve("inside?digest=sha256:1", status=[201])
    address = OciAddress(host.replace("localhost", "registry.example"), "team/net", "1")

    def upload(**more: bool) -> None:
        options = DownloadOptions(None, attempts=1, allow_http=True, **more)
        with DownloadContext("a", options) as context:
            client = OciClient(address, context, writes=True)
            client.upload_blob("sha256:1", lambda: io.BytesIO(b"net"))

    with pytest.raises(SourceError, match=r"redirects to a host at 127\.0\.0\.1") as told:
        upload()
    assert "--allow_private_redirects" in told.value.hint
    assert server.asked("inside?digest=sha256:1") == 0
    upload(allow_private_redirects=True)
    assert server.asked("inside?digest=sha256:1") == 1


def test_an_upload_is_not_sent_with_another_login_to_the_registry(zoo, token_registry):
    from posezoo.core.download.context import DownloadContext
    from posezoo.core.download.options import DownloadOptions
    from posezoo.oci.oci_client import OciClient

    server, host = token_registry
    server.serve("v2/", b"{}")
    with DownloadContext("a", DownloadOptions(None, attempts=1)) as context:
        client = OciClient(OciAddress(host, "team/net", "1"), context)
        with pytest.raises(SourceError, match="an address with another login") as told:
            client._send("PUT", f"http://mallory:s3cret@{host}/upload", 201)
    assert "s3cret" not in told.value.problem
    assert [request.path for request in server.requests] == ["/v2/"]


def test_the_reason_of_a_registry_is_shown(zoo, registry):
    lost = [{"status": 201}]

    def lose_one(method: str, path: str) -> dict[str, int] | None:
        return lost.pop() if lost and method == "PUT" and "/blobs/uploads/" in path else None

    with FaultyProxy(registry, lose_one) as proxy:
        ended = run(zoo, "push", f"oci://{proxy.host}/team/reason:1", "net", "--attempts", 1)
    assert ended.returncode == 1
    assert "blob unknown to registry" in ended.stderr and "Traceback" not in ended.stderr
    missing = pull(zoo, registry.host, "team/reason:1")
    assert "HTTP 404" in missing.stderr  # the tag is written last


def layer_of(manifest: dict, path: str) -> dict:
    return next(
        layer
        for layer in manifest["layers"]
        if layer["annotations"]["org.cncf.model.filepath"] == path
    )


def blob_of_file(registry: OciRegistry, name: str, path: str) -> bytes:
    layer = layer_of(manifest_of(registry.host, name), path)
    return blob_of(registry.host, name.rpartition(":")[0], layer["digest"])


def push_blob(registry: OciRegistry, repository: str, content: bytes) -> dict[str, object]:
    """Upload bytes as another client does; returns the digests and the size of their layer."""
    sha256 = f"sha256:{hashlib.sha256(content).hexdigest()}"
    connection = http.client.HTTPConnection(registry.host)
    connection.request("POST", f"/v2/{repository}/blobs/uploads/")
    answer = connection.getresponse()
    answer.read()
    connection.request("PUT", f"{answer.headers['Location']}&digest={sha256}", content)
    assert connection.getresponse().status == 201
    notes = {"posezoo.sha384": hashlib.sha384(content).hexdigest()}
    return {"mediaType": WEIGHTS, "digest": sha256, "size": len(content), "annotations": notes}


def add_layer(
    registry: OciRegistry, name: str, path: str, model: str, content: bytes, *, tag: str = ""
) -> None:
    """Put a foreign layer for a path into an artifact, in place of that path's own.

    The result has the tag of the artifact, or another one.
    """
    repository, _, own_tag = name.rpartition(":")
    manifest, layer = manifest_of(registry.host, name), push_blob(registry, repository, content)
    layer["annotations"] |= {"org.cncf.model.filepath": path, "posezoo.model": model}
    others = [
        each
        for each in manifest["layers"]
        if each["annotations"]["org.cncf.model.filepath"] != path
    ]
    changed = {**manifest, "layers": [*others, layer]}
    put_manifest(registry.host, f"{repository}:{tag or own_tag}", changed)


def test_a_layer_whose_name_is_another_on_windows_is_refused(zoo, registry, pushed):
    path = "public/net/NET.onnx"
    add_layer(registry, "team/net:1", path, "net", b"foreign", tag="names")
    ended = pull(zoo, registry.host, "team/net:names")
    assert ended.returncode == 1
    assert "two files have the same path, at least if case is ignored" in ended.stderr
    assert len(ended.stderr.splitlines()) == 2  # the error and its hint
    assert files_below(zoo / "pulled") == {}
    assert pull(zoo, registry.host, "team/net:1").returncode == 0


FOREIGN = [
    ("public/net/net.onnx", "whole", "is declared"),
    ("public/net/net.onnx", "nobody", "is declared"),
    ("public/net/FP16/net.bin", "part", "posezoo.lock has"),
    ("public/net/FP16/other.bin", "net", "is not a file of net"),
    ("public/net/FP16-INT8/net.xml", "net", "FP16-INT8/net.xml is not in"),
    ("public/net/FP16-INT8/provenance.json", "net", "FP16-INT8/net.xml is not in"),
    ("public/net/model.yml", "net", "is not a file of net"),
    ("public/net/pre-convert.py", "net", "is not a file of net"),
    ("public/net/FP16/pre-convert.py", "net", "is not a file of net"),
    ("public/net/notes.svg", "net", "is not a file of net"),
    ("public/whole/model.yml", "whole", "is not a file of whole"),
    ("public/whole/part/composite-model.yml", "part", "is not a file of part"),
    ("public/good/model.yml", "net", "no model has the folder public/good"),
    ("public/good/README.md", "whole", "no model has the folder public/good"),
    ("public/good/FP16/good.xml", "good", "no model has the folder public/good"),
    ("public/net.bin", "net", "no model has the folder public"),
    ("intel/net/net.onnx", "net", "no model has the folder intel/net"),
    ("team/public/net/net.onnx", "net", "no model has the folder team/public/net"),
    ("public/part/part.tflite", "part", "no model has the folder public/part"),
]


@pytest.mark.slow
def test_a_pull_writes_only_what_model_yml_and_the_lock_name(zoo, registry):
    """The model of a file follows from its path, whatever an annotation says; so all of it is checked first."""
    push(zoo, registry.host, "team/foreign:1")
    run(zoo, "lock", "net", "whole")
    assert pull(zoo, registry.host, "team/foreign:1", "--locked", "--dry_run").returncode == 0
    before = files_below(zoo / "models")
    for number, (path, annotated, reason) in enumerate(FOREIGN):
        name = f"team/foreign:b{number}"
        put_manifest(registry.host, name, manifest_of(registry.host, "team/foreign:1"))
        add_layer(registry, name, path, annotated, b"foreign")
        ended = pull(zoo, registry.host, name, "--locked")
        assert ended.returncode == 1 and reason in ended.stderr, (path, ended.stderr)
        assert files_below(zoo / "pulled") == {}
        if Path(path).name not in ("model.yml", "pre-convert.py"):
            continue
        ended = run(zoo, "pull", f"oci://{registry.host}/{name}", out="models")
        assert ended.returncode == 1 and reason in ended.stderr, (path, ended.stderr)
        assert files_below(zoo / "models") == before


@pytest.mark.slow
def test_cards_pictures_and_licenses_are_drawn_here_and_not_taken_from_an_artifact(zoo, registry):
    path = zoo / "models/public/net/model.yml"
    path.write_text(f"{path.read_text()}skeleton: coco-17\n")
    assert run(zoo, "get", "net").returncode == 0
    push(zoo, registry.host, "team/drawn:1", "net")
    names = ("README.md", "card.json", "coco-17.svg", "LICENSE")
    right = {name: blob_of_file(registry, "team/drawn:1", f"public/net/{name}") for name in names}
    for name in names:
        add_layer(
            registry, "team/drawn:1", f"public/net/{name}", "net", b"<script>foreign</script>"
        )
    assert pull(zoo, registry.host, "team/drawn:1").returncode == 0
    drawn = {name: (zoo / "pulled/public/net" / name).read_bytes() for name in names}
    assert not any(b"foreign" in content for content in drawn.values())
    assert {name: drawn[name] for name in names[2:]} == {name: right[name] for name in names[2:]}


@pytest.mark.parametrize("name", ["README.md", "card.json", "LICENSE"])
def test_the_documents_of_a_part_are_not_taken_from_an_artifact_either(zoo, registry, pushed, name):
    path = f"public/whole/part/{name}"
    tag = f"part-{name.lower()}"
    add_layer(registry, "team/whole:1", path, "part", b"<script>foreign</script>", tag=tag)
    ended = pull(zoo, registry.host, f"team/whole:{tag}")
    assert ended.returncode == 0, ended.stderr
    drawn = zoo / "pulled" / path
    assert drawn.exists() and b"foreign" not in drawn.read_bytes()


def test_a_locked_pull_keeps_of_a_record_only_what_the_lock_confirms(zoo, registry, pushed):
    run(zoo, "lock", "net")
    path = "public/net/FP16/provenance.json"
    record = json.loads(blob_of_file(registry, "team/net:1", path))
    record["complexity"] = {"gflops": 0.001, "mparams": 0.001}
    record["self_check"]["is_independent"] = True
    add_layer(registry, "team/net:1", path, "net", json.dumps(record).encode(), tag="claims")
    assert pull(zoo, registry.host, "team/net:claims", "--locked").returncode == 0
    pulled = json.loads((zoo / "pulled" / path).read_text())
    assert (pulled["self_check"], pulled["complexity"]) == (None, None)
    assert (pulled["key"], pulled["files"]) == (record["key"], record["files"])
    assert "0.001" not in (zoo / "pulled/public/net/README.md").read_text()
    # The lock lists the IR, so it is not converted again.
    again = run(zoo, "plan", "net", out="pulled")
    assert "is up to date" in again.stdout and "would" not in again.stdout, again.stdout
    # An IR that the lock lists was not made from other files.
    record["key"]["sources"] = {"net.onnx": f"sha384:{'0' * 96}"}
    add_layer(registry, "team/net:1", path, "net", json.dumps(record).encode(), tag="claims")
    ended = pull(zoo, registry.host, "team/net:claims", "--locked")
    assert ended.returncode == 1 and "states other published files than" in ended.stderr


def test_without_a_lock_the_registry_is_trusted_and_named_wherever_the_ir_is_shown(
    zoo, registry, pushed
):
    """The self-check of the machine that pushed the IR is never shown as one of this machine."""
    ended = pull(zoo, registry.host, "team/both:1")
    trust = f"trusted from {registry.host}"
    assert ended.stderr.count("not checked against a lock") == 1
    assert f"not checked against a lock: {trust}" in ended.stderr
    folder = zoo / "pulled/public/net"
    record = json.loads((folder / "FP16/provenance.json").read_text())
    assert (record["trust"], record["self_check"], record["complexity"]) == (trust, None, None)
    card = (folder / "README.md").read_text()
    assert f"not checked here: net FP32, net FP16 ({trust})." in card
    assert "Self-Check" in (zoo / "out/public/net/README.md").read_text()
    assert "Self-Check" not in card
    made_here = json.loads((folder / "card.json").read_text())["made"]
    assert len(made_here) == 2
    for made in made_here:
        assert (made["trust"], made["checks"]) == (trust, [])
    verified = run(zoo, "verify", "net", out="pulled")
    assert verified.returncode == 0
    assert sum(line.endswith(f", {trust})") for line in verified.stdout.splitlines()) == 4
    # What this machine made stays its own.
    assert run(zoo, "pull", f"oci://{registry.host}/team/both:1", "net").returncode == 0
    assert "trusted" not in (zoo / "out/public/net/FP16/provenance.json").read_text()


def test_a_lock_that_lists_the_ir_vouches_for_it_also_if_it_is_not_required(zoo, registry, pushed):
    run(zoo, "lock", "net")
    ended = pull(zoo, registry.host, "team/net:1")
    assert ended.returncode == 0 and "not checked against a lock" not in ended.stderr
    record = zoo / "pulled/public/net/FP16/provenance.json"
    assert json.loads(record.read_text())["trust"] == "locked"


@pytest.mark.parametrize("name", ["net.onnx", "FP16/net.bin"])
def test_a_lock_that_lists_other_digests_refuses_also_if_it_is_not_strict(
    zoo, registry, pushed, name
):
    run(zoo, "lock", "net")
    lines = [json.loads(line) for line in (zoo / "posezoo.lock").read_text().splitlines()]
    for line in lines:
        line["sha384"] = "0" * 96 if line["file"] == name else line["sha384"]
    (zoo / "posezoo.lock").write_text("".join(json.dumps(line) + "\n" for line in lines))
    ended = pull(zoo, registry.host, "team/net:1")
    assert ended.returncode == 1 and f"net: {name} is SHA-384" in ended.stderr
    assert "posezoo.lock has 000000000000…" in ended.stderr
    assert files_below(zoo / "pulled") == {}


@pytest.mark.slow
def test_a_signed_lock_is_named_if_its_key_is_given(zoo, registry):
    pytest.importorskip("model_signing", reason="needs model-signing")
    push(zoo, registry.host, "team/signed:1", "net")
    run(zoo, "lock", "net")
    new_key = ["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", "team.key"]
    public_key = ["openssl", "ec", "-in", "team.key", "-pubout", "-out", "team.pub"]
    for command in (new_key, public_key):
        subprocess.run(command, cwd=zoo, check=True, capture_output=True)
    words = ("team/signed:1", "--verify_signature", zoo / "team.pub")
    unsigned = pull(zoo, registry.host, *words)
    assert unsigned.returncode == 1 and "there is no signature" in unsigned.stderr
    run(zoo, "lock", "--sign", zoo / "team.key")
    assert pull(zoo, registry.host, *words).returncode == 0
    record = zoo / "pulled/public/net/FP16/provenance.json"
    assert json.loads(record.read_text())["trust"] == "signed"


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("public/net/FP16/net.bin", b"other weights"),
        ("public/net/FP16/provenance.json", b"[" * 100_000),
        ("public/net/FP16/provenance.json", b"{}"),
    ],
)
def test_an_ir_that_its_record_does_not_state_is_refused_before_any_file(
    zoo, registry, pushed, path, content
):
    add_layer(registry, "team/both:1", path, "net", content, tag="record")
    ended = pull(zoo, registry.host, "team/both:record")
    assert ended.returncode == 1
    assert "net.xml: the artifact has no record that states this IR" in ended.stderr
    assert files_below(zoo / "pulled") == {}


def test_an_ir_without_a_record_is_refused(zoo, registry, pushed):
    manifest = manifest_of(registry.host, "team/both:1")
    record = layer_of(manifest, "public/net/FP16/provenance.json")
    layers = [each for each in manifest["layers"] if each is not record]
    put_manifest(registry.host, "team/both:none", {**manifest, "layers": layers})
    ended = pull(zoo, registry.host, "team/both:none")
    assert (ended.returncode, "no record that states this IR" in ended.stderr) == (1, True)
    assert files_below(zoo / "pulled") == {}


def test_what_is_not_asked_for_does_not_matter(zoo, registry, pushed):
    add_layer(registry, "team/both:1", "public/good/good.bin", "net", b"foreign", tag="more")
    assert pull(zoo, registry.host, "team/both:more", "net").returncode == 0
    asked = pull(zoo, registry.host, "team/both:more", "go*")
    assert asked.returncode == 1 and "has no model go*" in asked.stderr


def test_an_allowed_license_does_not_open_the_gate_for_another_model(zoo, registry, pushed):
    manifest = manifest_of(registry.host, "team/both:1")
    for layer in manifest["layers"]:
        layer["annotations"]["posezoo.model"] = "nobody"
    put_manifest(registry.host, "team/both:gate", manifest)
    words = ["pull", f"oci://{registry.host}/team/both:gate"]
    ended = run(zoo, *words, out="pulled", POSEZOO_ALLOW_LICENSES="MIT")
    assert ended.returncode == 1 and "its license is Apache-2.0" in ended.stderr
    assert not (zoo / "pulled").exists()


@pytest.mark.parametrize("key", ["digest", "sha384"])
def test_a_digest_of_the_manifest_that_is_wrong_leaves_no_file(zoo, registry, pushed, key):
    """The registry sends other bytes, which are those of model.yml, than the manifest promises."""
    manifest = manifest_of(registry.host, "team/whole:1")
    layer = layer_of(manifest, "public/whole/part/part.tflite")
    content = blob_of(registry.host, "team/whole", layer["digest"])
    if key == "digest":
        layer["digest"] = f"sha256:{'0' * 64}"
    else:
        layer["annotations"]["posezoo.sha384"] = "0" * 96
    # Without a digest of the same kind in model.yml, only the bytes show it.
    declared = declared_file(zoo / "part.tflite")
    if key == "sha384":
        del declared["checksum"]
        declared["sha256"] = hashlib.sha256(content).hexdigest()
    write_model(zoo / "models", "whole/part", model_yml(files=[declared]))
    with Server() as server:
        server.serve("v2/", b"{}")
        server.serve("v2/team/whole/manifests/1", json.dumps(manifest).encode())
        for each in manifest["layers"]:
            body = (
                content if each is layer else blob_of(registry.host, "team/whole", each["digest"])
            )
            server.serve(f"v2/team/whole/blobs/{each['digest']}", body)
        host = server.url().removeprefix("http://").rstrip("/")
        ended = pull(zoo, host, "team/whole:1")
        assert ended.returncode == 1 and "part.tflite" in ended.stderr and "000000" in ended.stderr
        left = [name for name in files_below(zoo / "pulled") if "part.tflite" in name]
        assert left == []
        # A file that is there already and right stays.
        own = zoo / "pulled/public/whole/part/part.tflite"
        own.parent.mkdir(parents=True, exist_ok=True)
        own.write_bytes(content)
        assert pull(zoo, host, "team/whole:1").returncode == 1
        assert own.read_bytes() == content


@pytest.mark.slow
def test_no_escape_sequence_of_a_registry_reaches_the_terminal(zoo, registry):
    push(zoo, registry.host, "team/escape:1")
    bad = "\x1b[31mevil\x1b[0m\u202e"
    for number, change in enumerate(
        (
            {"posezoo.model": bad},
            {"org.cncf.model.filepath": f"public/{bad}/net.onnx"},
            {"org.cncf.model.filepath": f"public/net/{bad}.onnx"},
            {"posezoo.sha384": bad},
            {"org.cncf.model.filepath": f"public/{'n' * 129}/net.onnx"},
        )
    ):
        manifest = manifest_of(registry.host, "team/escape:1")
        manifest["layers"][0]["annotations"] |= change
        put_manifest(registry.host, f"team/escape:b{number}", manifest)
        ended = pull(zoo, registry.host, f"team/escape:b{number}")
        shown = ended.stdout + ended.stderr
        assert "\x1b" not in shown and "\u202e" not in shown
        assert ended.returncode == (0 if "posezoo.model" in change else 1), ended.stderr
    manifest = manifest_of(registry.host, "team/escape:1") | {"artifactType": bad}
    put_manifest(registry.host, "team/escape:b9", manifest)
    ended = pull(zoo, registry.host, "team/escape:b9")
    assert ended.returncode == 1 and "\x1b" not in ended.stderr


@pytest.mark.parametrize(
    ("size", "reason"),
    [("1e999", "too large"), ("9" * 400, "a number of 400 digits"), ("-1", "the size of")],
)
def test_a_size_that_is_none_is_one_error(size, reason):
    notes = {"org.cncf.model.filepath": "public/net/net.bin", "posezoo.sha384": "0" * 96}
    layer = {
        "mediaType": WEIGHTS,
        "digest": f"sha256:{'0' * 64}",
        "size": "SIZE",
        "annotations": notes,
    }
    manifest = json.dumps({"artifactType": MODEL_PACK, "layers": [layer]}).replace('"SIZE"', size)
    with pytest.raises(SourceError, match=reason):
        read_artifact(manifest.encode(), OciAddress("registry.invalid", "team/net", "1"))


@pytest.fixture
def token_registry() -> Iterator[tuple[Server, str]]:
    """A registry without files that wants a token, and its host; ``realm`` names its login service."""
    with Server() as server:
        yield server, server.url().removeprefix("http://").rstrip("/")


def ask_for_token(server: Server, realm: str) -> None:
    server.serve("v2/", status=[401] * 99, headers={"WWW-Authenticate": f'Bearer realm="{realm}"'})


TOKEN_QUERY = "token?service=&scope=repository%3Ateam%2Fnet%3Apull"


@pytest.mark.parametrize("identity", [False, True])
def test_a_password_goes_only_to_a_login_service_of_the_registry_or_an_allowed_one(
    zoo, tmp_path, token_registry, identity
):
    server, host = token_registry
    entry = (
        {"identitytoken": "ident1ty"}
        if identity
        else {"auth": base64.b64encode(b"ann:pw").decode()}
    )
    config = tmp_path / "docker"
    config.mkdir()
    (config / "config.json").write_text(json.dumps({"auths": {host: entry}}))
    with Server() as other:
        for path in ("token", TOKEN_QUERY):
            other.serve(path, b'{"token": "t0ken"}')
        ask_for_token(server, other.url("token"))
        other_host = other.url().removeprefix("http://").rstrip("/")
        words = ["pull", f"oci://{host}/team/net:1", "--attempts", 1]
        ended = run(zoo, *words, DOCKER_CONFIG=str(config))
        assert ended.returncode == 1 and f"sends its logins to '{other_host}'" in ended.stderr
        assert (
            f"hint: if that host belongs to the registry: --login_host {other_host}" in ended.stderr
        )
        assert other.requests == []
        # Without a password there is nothing to lose.
        run(zoo, *words, DOCKER_CONFIG=str(tmp_path))
        assert [request.headers["Authorization"] for request in other.requests] == [None]
        run(zoo, *words, "--login_host", other_host, DOCKER_CONFIG=str(config))
        assert len(other.requests) == 2
    assert "Bearer t0ken" in [request.headers["Authorization"] for request in server.requests]


@pytest.mark.parametrize(
    "realm",
    ["https://169.254.169.254/token", "https://127.0.0.1:8443/token", "http://10.0.0.1/token"],
)
def test_a_login_service_of_a_public_registry_is_not_on_a_private_network(realm):
    from posezoo.core.download.context import DownloadContext
    from posezoo.core.download.options import DownloadOptions
    from posezoo.oci.oci_client import OciClient

    with DownloadContext("a", DownloadOptions(None, attempts=1)) as context:
        client = OciClient(OciAddress("registry.example.org", "team/net", "1"), context)
        with pytest.raises(SourceError, match=r"a private network|not an https URL"):
            client._request_token({"realm": realm}, "", "", "")


@pytest.mark.parametrize(
    ("host", "realm", "is_allowed"),
    [
        ("registry.example.org", "https://registry.example.org/token", True),
        ("example.org:5050", "https://example.org/jwt/auth", True),
        ("example.org", "https://example.org.evil.org/token", False),
        ("example.org", "https://example.org@evil.org/token", False),
        ("example.org", "https://auth.docker.io/token", False),
        ("docker.io", "https://auth.docker.io/token", True),
        ("example.org", "https://allowed.org/token", True),
        ("example.org", "https://allowed.org:8443/token", False),
        ("example.org", "https://other.org:8443/token", True),
    ],
)
def test_whose_login_service_gets_a_password(host, realm, is_allowed):
    from posezoo.core.download.context import DownloadContext
    from posezoo.core.download.options import DownloadOptions
    from posezoo.oci.oci_client import OciClient

    options = DownloadOptions(None, login_hosts=("allowed.org", "other.org:8443"))
    with DownloadContext("a", options) as context:
        client = OciClient(OciAddress(host, "team/net", "1"), context)
        if is_allowed:
            client._require_allowed(realm)
            return
        with pytest.raises(
            SourceError, match="which does not get your password without your consent"
        ):
            client._require_allowed(realm)


@pytest.mark.parametrize(
    "answer",
    [
        b'{"token": "t", "expires_in": %s}' % (b"9" * 400),
        b'{"token": "t", "expires_in": 1e999}',
        b'{"token": "t", "expires_in": null}',
        b'{"token": "secret\\r\\nX-Other: 1"}',
        b'{"token": [1]}',
        b'{"token": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b"[" * 100_000,
        b'"t"',
    ],
)
def test_what_is_no_token_is_one_error(token_registry, answer):
    server, host = token_registry
    ask_for_token(server, server.url("token"))
    server.serve(TOKEN_QUERY, answer)
    ended = posezoo("pull", f"oci://{host}/team/net:1", "--attempts", 1)
    assert ended.returncode == 1 and "its login service sends no token" in ended.stderr
    assert "secret" not in ended.stderr


@pytest.mark.parametrize(
    "realm", ["http://[bad", "http://a:b/token", "http://\udcff/", "//[", "http://\x01/"]
)
def test_a_login_service_with_an_invalid_address_is_one_error(zoo, token_registry, realm):
    server, host = token_registry
    ask_for_token(server, realm.encode("utf-8", "surrogateescape").decode("latin-1"))
    ended = run(zoo, "pull", f"oci://{host}/team/net:1", "--attempts", 1)
    assert ended.returncode == 1 and f"error: oci://{host}/team/net:1:" in ended.stderr


@pytest.mark.parametrize("location", ["http://[bad", "http://host:99999/", "http://a b/", "//["])
def test_an_upload_to_an_invalid_address_is_one_error(zoo, token_registry, location):
    from posezoo.core.download.context import DownloadContext
    from posezoo.core.download.options import DownloadOptions
    from posezoo.oci.oci_client import OciClient

    server, host = token_registry
    server.serve("v2/", b"{}")
    with DownloadContext("a", DownloadOptions(None, attempts=1)) as context:
        client = OciClient(OciAddress(host, "team/net", "1"), context)
        with pytest.raises(SourceError, match="the request failed"):
            client._send("PUT", location, 201)


@pytest.mark.parametrize("answer", ['{"Secret": ' * 100_000, "[]", '{"Secret": 1e999}', '"'])
def test_a_credential_helper_that_answers_something_else_is_one_error(
    tmp_path, monkeypatch, answer
):
    helper = tmp_path / "docker-credential-tests"
    (tmp_path / "answer").write_text(answer)
    helper.write_text(f"#!/bin/sh\ncat {tmp_path}/answer\n")
    helper.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    (tmp_path / "config.json").write_text('{"credsStore": "tests"}')
    with pytest.raises(
        SourceError, match=r"config\.json: the login for registry\.invalid cannot be read"
    ):
        read_docker_login("registry.invalid")


@pytest.mark.slow
def test_a_credential_helper_that_never_answers_is_ended_with_what_it_started(
    tmp_path, monkeypatch
):
    from posezoo.oci import oci_client

    helper = tmp_path / "docker-credential-tests"
    helper.write_text(f"#!/bin/sh\nsleep 999 & echo $! > {tmp_path}/pid\nwait\n")
    helper.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.setattr(oci_client, "_HELPER_LIMIT_S", 0.5)
    (tmp_path / "config.json").write_text('{"credsStore": "tests"}')
    with pytest.raises(SourceError, match=r"docker-credential-tests does not answer within 0\.5 s"):
        read_docker_login("registry.invalid")
    child = int((tmp_path / "pid").read_text())
    wait_until(lambda: not Path(f"/proc/{child}/cmdline").exists())


def test_an_archive_is_pushed_and_pulled_without_its_members(zoo, registry):
    with zipfile.ZipFile(zoo / "packed.zip", "w") as archive:
        archive.writestr("inner/net.tflite", network("tflite"))
    steps = [{"$type": "unpack_archive", "file": "packed.zip", "format": "zip"}]
    packed = model_yml(files=[declared_file(zoo / "packed.zip")], postprocessing=steps)
    write_model(zoo / "models", "packed", packed)
    assert run(zoo, "download", "packed").returncode == 0
    assert (zoo / "out/public/packed/inner/net.tflite").is_file()
    pushed = push(zoo, registry.host, "team/packed:1", "packed")
    paths = [file["path"] for file in pushed["files"] if file["media_type"] == WEIGHTS]
    assert paths == ["public/packed/packed.zip"]
    assert pull(zoo, registry.host, "team/packed:1").returncode == 0
    assert not (zoo / "pulled/public/packed/inner").exists()
    assert run(zoo, "download", "packed", out="pulled").returncode == 0
    assert (zoo / "pulled/public/packed/inner/net.tflite").is_file()
    # A layer of an artifact cannot take the place of a member.
    add_layer(registry, "team/packed:1", "public/packed/inner/net.tflite", "packed", b"foreign")
    ended = pull(zoo, registry.host, "team/packed:1")
    assert ended.returncode == 1 and "is not a file of packed" in ended.stderr
