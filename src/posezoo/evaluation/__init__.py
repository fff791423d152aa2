"""How well a model finds people, in COCO's figures."""

from __future__ import annotations

from posezoo.evaluation.run_evaluation import EvaluationResult, evaluate

__all__ = ["EvaluationResult", "evaluate"]
