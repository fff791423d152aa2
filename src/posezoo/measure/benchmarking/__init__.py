"""Measure how fast models run: each in its own process, in several rounds, alone or interleaved."""
