"""A zoo, ready to use: what the settings name, put together.

What the command line and the Python API share: from a model's name to its files, its IR, its card
and its estimator. Each step does nothing where its result is there already.
"""

from posezoo.zoo.estimators import USUAL_DETECTOR, compiled_model_cache_dir
from posezoo.zoo.opening import download_options, open_zoo
from posezoo.zoo.plans import ModelPlan
from posezoo.zoo.zoo import Model, Zoo

__all__ = [
    "USUAL_DETECTOR",
    "Model",
    "ModelPlan",
    "Zoo",
    "compiled_model_cache_dir",
    "download_options",
    "open_zoo",
]
