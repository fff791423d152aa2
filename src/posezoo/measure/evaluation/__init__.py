"""Evaluate how well a model finds people, with COCO's metrics."""

from __future__ import annotations

from posezoo.measure.evaluation.run_evaluation import EvaluationResult, evaluate

__all__ = ["EvaluationResult", "evaluate"]
