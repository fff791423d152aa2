"""The settings of an evaluation, for records and for the cache of predictions."""

from types import SimpleNamespace

from posezoo.core.declarations.model import Precision
from posezoo.measure.evaluation.evaluation_protocol import EvaluationProtocol
from posezoo.run.runtime.runtime_config import LoadOptions


def test_options_of_the_decoder_are_settings_also_if_they_are_0_or_false():
    estimator = SimpleNamespace(
        input_size=(8, 8), executed_precision="f32", people_from="the model", detector_precision=""
    )
    options = LoadOptions(decoder_options={"subpixel": False, "min_score": 0.0})
    settings = EvaluationProtocol(estimator, Precision.FP16, options).to_settings()
    assert settings == {"input": "8x8", "arithmetic": "f32", "subpixel": False, "min_score": 0.0}
