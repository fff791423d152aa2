"""INT8 IR from FP32 IR: calibrated on photos, compared with FP32 on other photos, published within bounds."""
