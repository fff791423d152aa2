"""GluonCV's names become the keys of our modules, whatever way they come."""

import pytest

from posezoo.core.errors import NetworkError
from posezoo.networks.gluon_names import torch_names


def test_one_parameter_under_two_names_is_refused():
    with pytest.raises(
        NetworkError, match=r"two parameters have the same key: a\.weight and a\.gamma"
    ):
        torch_names({"a.weight": 1, "a.gamma": 2})
