"""Published networks with one flipped bit, which end the process that reads them."""

from __future__ import annotations

from importlib.metadata import version

import pytest

from fakes.network import network

#: For each signal, a bit of ``network("tflite")``: the offset of its byte, and its number in there. For SIGFPE
#: it is in the number of input channels of a convolution, which becomes 0.
CRASHING_BITS = {"SIGFPE": (1140, 2), "SIGSEGV": (972, 1)}


def skip_before_openvino_2026() -> None:
    """Skip a test of what earlier versions do otherwise, as of a file that ends its reader."""
    if version("openvino") < "2026":
        pytest.skip("needs OpenVINO 2026")


def crashing_network(signal_name: str) -> bytes:
    """A TFLite file; OpenVINO ends with this signal when it reads the file."""
    skip_before_openvino_2026()
    return flip_bit(network("tflite"), *CRASHING_BITS[signal_name])


def flip_bit(content: bytes, offset: int, bit: int) -> bytes:
    """The same bytes, but for one bit."""
    changed = bytearray(content)
    changed[offset] ^= 1 << bit
    return bytes(changed)
