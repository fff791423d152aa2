"""Decisions about a model that are made before its files are read, and the classes that contain
them.
"""
