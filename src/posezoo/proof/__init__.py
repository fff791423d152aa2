"""Proves IR: their outputs are those of the original, within the noise that the original has."""
