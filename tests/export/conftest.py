"""A model with a small IR, as targets get it."""

import pytest

from fakes.irs import write_ir
from fakes.zoo import model_yml, write_model
from posezoo.core.declarations.model import Precision
from posezoo.core.layout import ModelLayout
from posezoo.core.pipeline.get import get
from posezoo.core.pipeline.zoo_context import open_context
from posezoo.core.registry import open_registry
from posezoo.core.resolve.resolution import resolve_model
from posezoo.core.settings import read_settings, to_settings
from posezoo.export.model_export import read_ir_facts

IMAGE = {"name": "image", "shape": [1, 3, 64, 96], "layout": "NCHW", "color": "BGR"}
HEATMAPS = {"name": "heatmaps", "shape": [1, 17, 16, 24]}


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out"


@pytest.fixture
def make_model(tmp_path):
    """Makes a model and its IR: with other bytes for another ``text``."""
    pytest.importorskip("openvino", reason="needs openvino")

    made = {}

    def make(name="net", *outputs, text="", image=IMAGE, **changes):
        ports = outputs or (HEATMAPS,)
        write_model(
            tmp_path / "models", name, model_yml(inputs=[image], outputs=list(ports), **changes)
        )
        spec = open_registry([tmp_path / "models"]).find(name)
        layout = ModelLayout(tmp_path / "irs", tmp_path / "irs")
        xml = layout.ir_path(spec, Precision.FP16)
        xml.parent.mkdir(parents=True, exist_ok=True)
        shapes = {port["name"]: tuple(port["shape"]) for port in ports}
        key = (name, text, repr((ports, image)))
        # OpenVINO numbers the operations, so a second one would have other bytes.
        if key not in made:
            write_ir(
                xml, shapes, image=tuple(image["shape"]), info={("posezoo", "note"): text or "none"}
            )
            made[key] = {path: path.read_bytes() for path in (xml, xml.with_suffix(".bin"))}
        for path, content in made[key].items():
            path.write_bytes(content)
        return read_ir_facts(spec, Precision.FP16, xml, layout)

    return make


@pytest.fixture
def real_model(mirror, tmp_path):
    """Makes the IR of a model whose files are in the mirror."""
    pytest.importorskip("openvino", reason="needs openvino")
    settings = read_settings({"weights_dir": tmp_path / "real", "mirror": (str(mirror),)})
    context = open_context(to_settings(settings))

    def make(name, inputs=None):
        precision = Precision.FP16_INT8 if name == "human-pose-estimation-0001" else Precision.FP16
        resolved = resolve_model(context.registry.find(name), (precision,), context, inputs=inputs)
        xml = get(resolved, context).irs[precision]
        return read_ir_facts(resolved.spec, precision, xml, context.layout)

    return make
