"""A zoo of one model that finds a bright spot, its FP32 IR in place, and photos."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from fakes import seeker
from fakes.zoo import write_model
from posezoo import events
from posezoo.pipeline import Zoo, int8_models, open_zoo
from posezoo.quantize import Quantized
from posezoo.settings import read_settings, to_settings
from posezoo.spec.model import ModelSpec, Precision


@dataclass
class Bench:
    """What a test quantizes, where, and what it was told."""

    zoo: Zoo
    spec: ModelSpec
    photos: Path
    output_dir: Path
    told: list[events.Event] = field(default_factory=list)

    @property
    def xml(self) -> Path:
        return self.output_dir / "public" / seeker.NAME / "FP16-INT8" / f"{seeker.NAME}.xml"

    @property
    def fp32(self) -> Path:
        return self.zoo.layout.ir_path(self.spec, Precision.FP32)

    @property
    def pair(self) -> list[bytes]:
        return [self.xml.with_suffix(suffix).read_bytes() for suffix in (".xml", ".bin")]

    def quantize(self, **changes: object) -> Quantized:
        self.told.clear()
        arguments = {"output_dir": self.output_dir, "listener": self.told.append, **changes}
        return int8_models.quantize_model(
            self.zoo, self.spec, self.photos, (Precision.FP16_INT8,), **arguments
        )  # type: ignore[arg-type]

    def of(self, kind: type[events.Event]) -> list[events.Event]:
        return [event for event in self.told if isinstance(event, kind)]


@pytest.fixture
def bench(tmp_path) -> Callable[..., Bench]:
    pytest.importorskip("nncf", reason="needs nncf")

    def make(*, loud: bool = False, **changes: object) -> Bench:
        home = tmp_path / "models" / "public" / seeker.NAME
        ir = seeker.write_ir(home / "FP32", loud=loud)
        write_model(tmp_path / "registry", seeker.NAME, seeker.model_yml(ir, **changes))
        settings = read_settings({"models_dir": (tmp_path / "registry",), "output_dir": tmp_path / "models"})
        zoo = open_zoo(to_settings(settings))
        photos = seeker.write_photos(tmp_path / "photos")
        return Bench(zoo, zoo.registry.find(seeker.NAME), photos, tmp_path / "int8")

    return make
