"""Fixtures for the conversion of files."""

from convert.test_one_verdict import convert, folder, misread

__all__ = ["convert", "folder", "misread"]
