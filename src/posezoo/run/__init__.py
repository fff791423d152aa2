"""Runs models on OpenVINO: from an image, a video or a camera to poses."""
