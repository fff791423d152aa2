"""Fixtures for the conversion of files."""

from omz.test_one_verdict import convert, folder, misread

__all__ = ["convert", "folder", "misread"]
