"""The catalog of networks: catalog.json has their inputs, outputs, and arguments.

A new network needs a module with its torch class, and one record there, or an installed package.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from posezoo.console.completer import Completer
from posezoo.core.plugins import LazyTable
from posezoo.networks.catalog_file import read_catalog, read_definition
from posezoo.networks.definition import NetworkDefinition
from posezoo.networks.gluon_names import torch_names
from posezoo.networks.mmpose_names import adapt_hrnet, adapt_vitpose

# For networks whose published tensors are not those of our class, or of GluonCV.
_ADAPTERS = {"vitpose": adapt_vitpose, "hrnet": adapt_hrnet, "higher_hrnet": adapt_hrnet}

#: The built-in networks by name; those from GluonCV have its names.
#:
#: The outputs of the networks in tests/networks/published.py are compared with those of the
#: published code. The others have the published keys, shapes and blocks; no published outputs were
#: available. For HRNet and HigherHRNet, height and width are multiples of 32, and ViTPose takes
#: only its size; the other networks take any size. The outputs of Lightweight OpenPose and
#: HigherHRNet have the order of Open Model Zoo's IR, or of that of their authors' commands.
#:
#: HigherHRNet is not checked by its largest difference: if IR and PyTorch differ by 6e-5, 20 of 1.1
#: million values change their sign. More than half of all values are 0, so the median would detect
#: no error. AlphaPose has a mean of its own, (0.406, 0.457, 0.480) times 255, and does not divide
#: by a standard deviation.
NETWORKS: Mapping[str, NetworkDefinition] = {
    name: read_definition(name, fields, "posezoo.networks", _ADAPTERS.get(name, torch_names))
    for name, fields in read_catalog(Path(__file__).with_suffix(".json")).items()
}

COMPLETER = Completer(lambda _beginning: tuple(NETWORKS))

PLUGINS = LazyTable("posezoo.networks", NetworkDefinition, {})
