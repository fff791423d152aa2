"""The parts of the demo: frame sources, the player that finds poses, outputs, and speed
measurements.
"""
