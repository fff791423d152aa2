"""Open Model Zoo's commands, implemented with posezoo: many scripts rely on their flags and
output.
"""
