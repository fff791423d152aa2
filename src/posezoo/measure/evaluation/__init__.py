"""Evaluate how well a model finds people, with COCO's metrics."""

from __future__ import annotations

from posezoo.measure.evaluation.run_evaluation import (
    EvaluationResult,
    evaluate,
    evaluate_results,
)

__all__ = ["EvaluationResult", "evaluate", "evaluate_results"]
