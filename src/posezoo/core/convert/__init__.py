"""Convert published models to OpenVINO IR: byte for byte reproducible, and compared with the
original.
"""
