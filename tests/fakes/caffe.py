"""A Caffe network of one convolution, field by field as caffe.proto says."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fakes.network import _field, _varint

PROTOTXT = """\
name: "tiny"
input: "data"
{dims}
layer {{
  name: "{top}" type: "Convolution" bottom: "data" top: "{top}"
  convolution_param {{ num_output: {outputs} kernel_size: 1 bias_term: false }}
}}
"""


def caffe_model(
    kernel: np.ndarray, shape: Sequence[int] = (1, 3, 4, 6), top: str = "conv"
) -> tuple[str, bytes]:
    """The .prototxt and the .caffemodel of a convolution with this kernel, (outputs, channels, 1, 1), without bias.

    Args:
        shape: of the input ``data``.
        top: the name of the output.
    """
    dims = " ".join(f"input_dim: {size}" for size in shape)
    sizes = _field(1, b"".join(map(_varint, kernel.shape)))
    blob = _field(5, kernel.astype("<f4").tobytes()) + _field(7, sizes)
    layer = b"".join(
        [
            _field(1, top.encode()),
            _field(2, b"Convolution"),
            _field(3, b"data"),
            _field(4, top.encode()),
            _field(7, blob),
        ]
    )
    return PROTOTXT.format(outputs=len(kernel), dims=dims, top=top), _field(1, b"tiny") + _field(
        100, layer
    )
