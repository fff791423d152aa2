"""Converts files, of models or of the user's own, to OpenVINO IR: ``posezoo convert``."""
