"""Quantize FP32 IR to INT8: calibrate on photos, compare on other photos, write results within
bounds.
"""
