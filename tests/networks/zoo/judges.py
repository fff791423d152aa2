"""torchvision and timm, which define many of the published networks: ``make judges`` installs them.

They lie beside the environment, not in it: torchvision of a public index is built for CUDA, and beside PyTorch
for the CPU it can be imported only if its operators are declared first.
"""

from __future__ import annotations

import sys
from functools import cache
from importlib import import_module

import pytest

from fakes.checkout import ROOT
from fakes.when_used import import_when_used

torch = import_when_used("torch")

BUILD = ROOT / "build"
FOLDERS = [BUILD / "network-judges", BUILD / "judges"]
#: Operators that classifiers do not use, but torchvision registers their gradients when it is imported.
OPERATORS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "roi_align(Tensor input, Tensor rois, float spatial_scale, int pooled_height, int pooled_width,"
    " int sampling_ratio, bool aligned) -> Tensor",
)


@cache
def _declare_operators() -> object:
    library = torch.library.Library("torchvision", "DEF")
    for operator in OPERATORS:
        library.define(operator)
    return library


def judge(module: str):
    """A module of torchvision, timm or transformers; the test is skipped without them."""
    package = module.partition(".")[0]
    if not any((folder / package).is_dir() for folder in FOLDERS):
        pytest.skip("needs make judges")
    sys.path += [str(folder) for folder in FOLDERS if str(folder) not in sys.path]
    _declare_operators()
    return import_module(module)


def with_random_statistics(network):
    """The network in eval mode; its batch normalizations and layer scales are no identities."""
    network.eval()
    for key, tensor in network.state_dict().items():
        if key.endswith("running_var"):
            tensor.uniform_(0.5, 1.5)
        elif key.endswith("running_mean"):
            tensor.normal_(0, 0.1)
        elif tensor.ndim == 1:
            tensor.add_(torch.rand_like(tensor) * 0.2)
    return network
