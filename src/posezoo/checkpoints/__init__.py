"""Read checkpoints without running code that they contain."""

from posezoo.checkpoints.checkpoint_reader import has_checkpoint_header, read_checkpoint
from posezoo.checkpoints.key_matching import match_tensors

__all__ = ["has_checkpoint_header", "match_tensors", "read_checkpoint"]
