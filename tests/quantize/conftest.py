"""A zoo of one model that finds a bright spot, its FP32 IR in place, and photos."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest

from fakes import seeker
from fakes.zoo import write_model
from posezoo.core import events
from posezoo.core.declarations.model import ModelSpec, Precision
from posezoo.core.pipeline.zoo_context import open_context
from posezoo.core.resolve.stage_context import Context
from posezoo.core.settings import read_settings, to_settings
from posezoo.quantize import int8_models
from posezoo.quantize.displacement import KeypointDisplacement
from posezoo.quantize.quantization import quantize
from posezoo.quantize.quantization_plan import QuantizationOptions


@dataclass
class Bench:
    """What a test quantizes, where, and the events that it received."""

    context: Context
    spec: ModelSpec
    photos: Path
    output_dir: Path
    received: list[events.Event] = field(default_factory=list)
    displacements: Mapping[Precision, KeypointDisplacement] = field(default_factory=dict)

    @property
    def xml(self):
        return self.output_dir / "public" / seeker.NAME / "FP16-INT8" / f"{seeker.NAME}.xml"

    @property
    def fp32(self):
        return self.context.layout.ir_path(self.spec, Precision.FP32)

    @property
    def pair(self):
        return [self.xml.with_suffix(suffix).read_bytes() for suffix in (".xml", ".bin")]

    def quantize(self, **changes):
        """Quantize with other options, or to another ``output_dir``."""
        self.received.clear()
        output_dir = changes.pop("output_dir", self.output_dir)
        plan = int8_models.plan_int8(
            self.spec,
            self.context,
            self.photos,
            QuantizationOptions(**changes),  # type: ignore[arg-type]
            output_dir=output_dir,  # type: ignore[arg-type]
        )
        return quantize(plan, listener=self.received.append)

    def of(self, kind):
        return [event for event in self.received if isinstance(event, kind)]


@pytest.fixture
def make_bench(tmp_path):
    pytest.importorskip("nncf", reason="needs nncf")
    return partial(bench_in, tmp_path)


@pytest.fixture
def bench(make_bench):
    return make_bench()


@pytest.fixture(scope="module")
def quantized(tmp_path_factory):
    """It has its INT8 IR, and the events of quantizing; tests only read them."""
    pytest.importorskip("nncf", reason="needs nncf")
    bench = bench_in(tmp_path_factory.mktemp("quantized"))
    bench.displacements = bench.quantize().displacements
    return bench


def bench_in(root, *, loud=False, **changes):
    home = root / "models" / "public" / seeker.NAME
    ir = seeker.write_ir(home / "FP32", loud=loud)
    write_model(root / "registry", seeker.NAME, seeker.model_yml(ir, **changes))
    settings = read_settings({"models_dir": (root / "registry",), "weights_dir": root / "models"})
    context = open_context(to_settings(settings))
    photos = seeker.write_photos(root / "photos")
    return Bench(context, context.registry.find(seeker.NAME), photos, root / "int8")
