"""Finds a model by its name, downloads and verifies its files, and converts them to OpenVINO IR."""
