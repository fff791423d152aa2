"""Artifacts lie where a script that knows Open Model Zoo looks for them; variants beside each other."""

from dataclasses import replace
from functools import partial

import pytest

from fakes.files import declared, model, put
from fakes.zoo import model_yml, write_model
from posezoo.core.declarations.model import Digest, ModelSpec, Precision
from posezoo.core.download.model_download import download_model
from posezoo.core.download.options import DownloadOptions
from posezoo.core.download.origins import entry_path
from posezoo.core.errors import OutputError
from posezoo.core.layout import ModelLayout
from posezoo.core.registry import Registry


def test_variants_lie_beside_each_other_and_their_ir_have_the_models_name(tmp_path):
    files = model_yml()["files"]
    variants = {tag: {"files": files} for tag in ("first", "second")}
    write_model(tmp_path / "models", "net", model_yml(files=None, variants=variants))
    registry, layout = (
        Registry([tmp_path / "models"]),
        ModelLayout(tmp_path / "down", tmp_path / "out"),
    )
    for name, folder in (("net", "net"), ("net@first", "net"), ("net@second", "net@second")):
        spec = registry.find(name)
        assert isinstance(spec, ModelSpec)
        assert (
            layout.file_path(spec, spec.files[0])
            == tmp_path / "down" / "public" / folder / "net.tflite"
        )
        assert (
            layout.ir_path(spec, Precision.FP16)
            == tmp_path / "out" / "public" / folder / "FP16" / "net.xml"
        )


def test_a_checkpoint_of_the_user_s_own_is_the_file_of_its_own_model_alone(tmp_path):
    write_model(tmp_path / "models", "net", model_yml())
    published = Registry([tmp_path / "models"]).find("net")
    assert isinstance(published, ModelSpec)
    own = replace(published, files=(replace(published.files[0], sources=()),))
    layout = ModelLayout(tmp_path, tmp_path, checkpoint=tmp_path / "mine.pth")
    assert (
        layout.file_path(own, own.files[0])
        == layout.custom_checkpoint(own)
        == tmp_path / "mine.pth"
    )
    assert (
        layout.file_path(published, published.files[0])
        == tmp_path / "public" / "net" / "net.tflite"
    )
    assert layout.custom_checkpoint(published) is None


OUTSIDE = ["../../outside", "/outside", "folder/../../outside", ".."]


@pytest.mark.parametrize("name", OUTSIDE)
def test_a_file_that_a_spec_puts_outside_of_its_folder_is_never_written(tmp_path, name):
    spec = model(declared(name, b"weights", "https://host.invalid/weights"))
    put(tmp_path / "cache", b"weights", spec.files[0])
    options = DownloadOptions(cache_dir=tmp_path / "cache")
    layout = ModelLayout(tmp_path / "a" / "models", tmp_path / "a" / "models")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(OutputError, match=r"is outside of .*, where the files of the model belong"):
        download_model(spec, layout, options)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("name", [name for name in OUTSIDE if not name.startswith("/")])
def test_nothing_that_a_spec_names_has_a_path_outside(tmp_path, name):
    layout = ModelLayout(tmp_path / "files", tmp_path / "irs")
    inside = model(declared("net.onnx", b"weights"))
    outside = replace(inside, name=name)
    for path_of in (
        layout.model_dir,
        layout.model_download_dir,
        layout.onnx_path,
        partial(layout.ir_path, precision=Precision.FP16),
        partial(layout.provenance_path, precision=Precision.FP16),
    ):
        assert path_of(inside).is_relative_to(tmp_path)
        with pytest.raises(OutputError):
            path_of(outside)
    with pytest.raises(OutputError):
        layout.download_path(inside, name)


def test_a_digest_that_is_none_names_no_file_of_a_cache():
    with pytest.raises(ValueError, match="is not a digest"):
        entry_path(Digest("sha384", "../../../outside"))
