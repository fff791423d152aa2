"""Weights in, tensors out: published and home-made checkpoints, read without running a line of them."""

from posezoo.checkpoints.fitting import match_tensors
from posezoo.checkpoints.reader import has_checkpoint_header, read_checkpoint

__all__ = ["has_checkpoint_header", "match_tensors", "read_checkpoint"]
