"""A Caffe network of one convolution, field by field as caffe.proto says."""

from __future__ import annotations

import numpy as np

from fakes.network import _field, _varint

PROTOTXT = """\
name: "tiny"
input: "data"
input_dim: 1 input_dim: 3 input_dim: 4 input_dim: 6
layer {{
  name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param {{ num_output: {outputs} kernel_size: 1 bias_term: false }}
}}
"""


def caffe_model(kernel: np.ndarray) -> tuple[str, bytes]:
    """The .prototxt and the .caffemodel of a convolution with this kernel, (outputs, 3, 1, 1), without bias."""
    shape = _field(1, b"".join(map(_varint, kernel.shape)))
    blob = _field(5, kernel.astype("<f4").tobytes()) + _field(7, shape)
    layer = b"".join(
        [
            _field(1, b"conv"),
            _field(2, b"Convolution"),
            _field(3, b"data"),
            _field(4, b"conv"),
            _field(7, blob),
        ]
    )
    return PROTOTXT.format(outputs=len(kernel)), _field(1, b"tiny") + _field(100, layer)
