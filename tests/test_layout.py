"""Artifacts lie where a script that knows Open Model Zoo looks for them; variants beside each other."""

from __future__ import annotations

from fakes.zoo import model_yml, write_model
from posezoo.layout import Layout
from posezoo.registry import Registry
from posezoo.spec.model import ModelSpec, Precision


def test_variants_lie_beside_each_other_and_their_ir_have_the_models_name(tmp_path):
    files = model_yml()["files"]
    variants = {tag: {"files": files} for tag in ("first", "second")}
    write_model(tmp_path / "models", "net", model_yml(files=None, variants=variants))
    registry, layout = Registry([tmp_path / "models"]), Layout(tmp_path / "down", tmp_path / "out")
    for name, folder in (("net", "net"), ("net@first", "net"), ("net@second", "net@second")):
        spec = registry.find(name)
        assert isinstance(spec, ModelSpec)
        assert layout.file(spec, spec.files[0]) == tmp_path / "down" / "public" / folder / "net.tflite"
        assert layout.ir(spec, Precision.FP16) == tmp_path / "out" / "public" / folder / "FP16" / "net.xml"
