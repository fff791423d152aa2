"""Compares what a device computes with what the CPU computes."""
