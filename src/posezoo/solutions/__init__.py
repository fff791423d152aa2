"""MediaPipe's ``mp.solutions`` on OpenVINO, for scripts that were written for MediaPipe 0.10.21."""
