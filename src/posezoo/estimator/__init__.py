"""One model, ready to use: an image in, poses out."""

from __future__ import annotations

from posezoo.estimator.estimator import Estimator
from posezoo.estimator.loading import PIPELINES, load_estimator, load_ir

__all__ = ["PIPELINES", "Estimator", "load_estimator", "load_ir"]
