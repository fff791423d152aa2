"""A zoo, ready to use: what the settings name, put together.

What the command line and the Python API share: from a model's name to its files, its IR, its card
and its estimator. Each step does nothing where its result is there already.
"""

from posezoo.pipeline.dry_run import ModelPlan
from posezoo.pipeline.estimator_factory import USUAL_DETECTOR, compiled_model_cache_dir
from posezoo.pipeline.factory import download_options, open_zoo
from posezoo.pipeline.zoo import Model, Zoo

__all__ = [
    "USUAL_DETECTOR",
    "Model",
    "ModelPlan",
    "Zoo",
    "compiled_model_cache_dir",
    "download_options",
    "open_zoo",
]
