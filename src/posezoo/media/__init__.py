"""Reads and writes images, videos, cameras and streams."""
