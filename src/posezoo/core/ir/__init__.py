"""OpenVINO IR: import OpenVINO, write IR and their records (provenance.json), and count their
operations.
"""
