"""How well a model finds people, in COCO's figures."""

from __future__ import annotations

from posezoo.evaluation.evaluate import EvaluationResult, evaluate

__all__ = ["EvaluationResult", "evaluate"]
