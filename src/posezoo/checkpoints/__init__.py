"""Weights in, tensors out: published and home-made checkpoints, read without running a line of them."""

from posezoo.checkpoints.fitting import fit
from posezoo.checkpoints.reader import read, recognises

__all__ = ["fit", "read", "recognises"]
