"""Artifacts lie where a script that knows Open Model Zoo looks for them; variants beside each other."""

from __future__ import annotations

from dataclasses import replace

from fakes.zoo import model_yml, write_model
from posezoo.layout import ModelLayout
from posezoo.registry import Registry
from posezoo.spec.model import ModelSpec, Precision


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
