"""One model, ready to use: an image in, poses out."""

from __future__ import annotations

from posezoo.estimator.estimator import Estimator
from posezoo.estimator.loading import PIPELINES, load, load_ir

__all__ = ["PIPELINES", "Estimator", "load", "load_ir"]
