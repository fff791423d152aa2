from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest

from fakes.network import downloaded, network, spec_of
from posezoo.convert.convert import convert
from posezoo.errors import ConversionError


def zip_of(content):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("archive/data.pkl", content)
    return stream.getvalue()


WRONG_KINDS = {
    "a zip archive": zip_of(b"a pickle that must not be loaded"),
    "a gzip archive": b"\x1f\x8b\x08" + bytes(30),
    "a web page or XML": b"<!DOCTYPE html><html>not found</html>",
    "something else": b"version https://git-lfs.github.com/spec/v1\n",
    "empty": b"",
}


@pytest.mark.parametrize("kind", WRONG_KINDS)
def test_a_file_of_another_kind_is_refused_before_openvino_sees_it(tmp_path, kind):
    """Its digest is the declared one: the mistake is in the model.yml."""
    content = WRONG_KINDS[kind]
    spec = spec_of(content, tmp_path)
    layout = downloaded(spec, content, tmp_path)
    with pytest.raises(ConversionError, match=f"tiny.tflite: not a TFLite model, but {kind}$") as failure:
        convert(spec, layout)
    assert "framework" in failure.value.hint
    assert not list(layout.model(spec).rglob("*.xml"))


@pytest.mark.parametrize("kept", [8, 100, 1000])
def test_a_truncated_network_is_refused_in_one_line(tmp_path, kept):
    content = network()[:kept]
    spec = spec_of(content, tmp_path)
    with pytest.raises(ConversionError, match="OpenVINO cannot read it: ") as failure:
        convert(spec, downloaded(spec, content, tmp_path))
    assert "\n" not in failure.value.problem


def test_a_file_that_was_not_wholly_downloaded_is_refused_by_its_size(tmp_path):
    spec = spec_of(network(), tmp_path)
    layout = downloaded(spec, network()[:1000], tmp_path)
    size = len(network())
    with pytest.raises(ConversionError, match=f"has 1000 bytes, model.yml promises {size}") as failure:
        convert(spec, layout)
    assert failure.value.hint == "posezoo download tiny-pose"


def test_a_file_with_other_bytes_is_refused_by_its_digest(tmp_path):
    spec = spec_of(network(), tmp_path)
    layout = downloaded(spec, network()[:-1] + b"?", tmp_path)
    with pytest.raises(ConversionError, match=r"holds other bytes than model\.yml promises$"):
        convert(spec, layout)


def test_a_model_without_files_is_refused(tmp_path):
    spec = spec_of(network(), tmp_path, files=())
    with pytest.raises(ConversionError, match="names no file"):
        convert(spec, downloaded(spec_of(network(), tmp_path), network(), Path(tmp_path)))
