"""Measures the accuracy and the speed of models, and compares devices with the CPU."""
