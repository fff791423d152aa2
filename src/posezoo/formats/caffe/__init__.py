"""Caffe networks, read without Caffe: the layers are in a .prototxt, the weights in a .caffemodel.

The formats are those of ``caffe.proto`` (BVLC Caffe 1.0, and the branch ``ssd`` for detectors),
also before Caffe's upgrade from ``layers`` to ``layer``.
"""
