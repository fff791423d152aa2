"""Weights in, tensors out: published and home-made checkpoints, read without running a line of them."""

from posezoo.checkpoints.checkpoint_reader import has_checkpoint_header, read_checkpoint
from posezoo.checkpoints.key_matching import match_tensors

__all__ = ["has_checkpoint_header", "match_tensors", "read_checkpoint"]
