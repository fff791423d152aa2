"""Files of model repositories: by commit, with a token for the hub alone, or from its library's own cache."""

from contextlib import nullcontext

import pytest

from fakes.files import WEIGHTS, declared
from posezoo.core.declarations.sources import HuggingFaceSource
from posezoo.core.download.context import DownloadContext
from posezoo.core.download.options import DownloadOptions
from posezoo.core.download.sources import hugging_face
from posezoo.core.errors import SourceError
from posezoo.core.events import CachedFileUsed
from posezoo.core.http_headers import HostHeader

COMMIT = "0123456789abcdef0123456789abcdef01234567"
PATH = f"pose-lab/vit/resolve/{COMMIT}/onnx/model%20b.onnx"


@pytest.fixture
def file():
    return declared(
        "net.onnx", WEIGHTS, HuggingFaceSource("pose-lab/vit", "onnx/model b.onnx", COMMIT)
    )


@pytest.fixture
def hub(server, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", server.url())
    monkeypatch.delenv("HF_TOKEN", raising=False)
    return server


def test_the_token_goes_to_the_hub_and_not_to_where_it_redirects(hub, file, fetch, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    elsewhere = hub.serve("store", WEIGHTS).replace("localhost", "127.0.0.1")
    hub.serve(PATH, b"", status=[302] * 9, headers={"Location": elsewhere})
    assert fetch(file).read_bytes() == WEIGHTS
    assert [request.headers["Authorization"] for request in hub.requests] == [
        "Bearer hf_secret",
        None,
    ]
    assert "hf_secret" not in str(fetch.events)


def test_the_users_own_header_counts_before_the_token(hub, file, fetch, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    hub.serve(PATH, WEIGHTS)
    host = hub.url().split("/")[2]
    fetch(file, headers=(HostHeader(host, "Authorization", "Basic own"),))
    assert hub.requests[0].headers["Authorization"] == "Basic own"


def test_the_token_goes_to_a_hub_at_the_port_of_http(file, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://hub.example")
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    monkeypatch.setattr(
        hugging_face, "open_url", lambda url, *_, headers: nullcontext((url, headers))
    )
    with (
        DownloadContext("a", DownloadOptions(None)) as context,
        hugging_face.open_hugging_face(file.sources[0], file, context, None) as (url, (header,)),
    ):
        assert header.applies_to(url)


def test_a_token_that_is_none_is_named_and_not_shown(hub, file, fetch, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "two words")
    with pytest.raises(SourceError, match="HF_TOKEN is not a token") as caught:
        fetch(file)
    assert "two words" not in caught.value.problem
    assert hub.requests == []


@pytest.mark.parametrize(
    ("variable", "below"),
    [
        ("HF_HUB_CACHE", ""),
        ("HF_HOME", "hub"),
        ("XDG_CACHE_HOME", "huggingface/hub"),
        ("HOME", ".cache/huggingface/hub"),
    ],
)
def test_what_its_library_keeps_here_is_used_first(
    hub, file, fetch, monkeypatch, tmp_path, variable, below
):
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(variable, str(tmp_path / "kept"))
    folder = tmp_path / "kept" / below / "models--pose-lab--vit"
    blob = folder / "blobs" / "0a1b"
    blob.parent.mkdir(parents=True)
    blob.write_bytes(WEIGHTS)
    snapshot = folder / "snapshots" / COMMIT / "onnx" / "model b.onnx"
    snapshot.parent.mkdir(parents=True)
    snapshot.symlink_to(blob)
    assert fetch(file).read_bytes() == WEIGHTS
    assert hub.requests == []
    assert fetch.told(CachedFileUsed)[0].origin == str(snapshot)


def test_a_damaged_copy_costs_a_warning(hub, file, fetch, monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    snapshot = tmp_path / "models--pose-lab--vit" / "snapshots" / COMMIT / "onnx" / "model b.onnx"
    snapshot.parent.mkdir(parents=True)
    snapshot.write_bytes(bytes(len(WEIGHTS)))
    hub.serve(PATH, WEIGHTS)
    assert fetch(file).read_bytes() == WEIGHTS
    assert f"{snapshot}: the digest of the download is SHA-384" in fetch.warnings
