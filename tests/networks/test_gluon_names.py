"""GluonCV's names become the keys of our modules, whatever way they come."""

import pytest

from posezoo.core.errors import NetworkError
from posezoo.networks.gluon_names import torch_name, torch_names


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("features.0.1.gamma", "features.0.1.weight"),
        ("features.0.1.beta", "features.0.1.bias"),
        ("features.0.1.running_mean", "features.0.1.running_mean"),
        ("features.0.1.running_var", "features.0.1.running_var"),
        ("preact.layer1.0.se.fc.0.weight", "preact.layer1.0.se.fc.0.weight"),
        ("gamma.beta.bias", "gamma.beta.bias"),
        ("mobilepose2_batchnorm0_gamma", "mobilepose2_batchnorm0_gamma"),
        ("gamma", "gamma"),
    ],
)
def test_only_the_last_word_changes(name, key):
    assert torch_name(name) == key
    assert torch_name(torch_name(name)) == key


def test_one_parameter_under_two_names_is_refused():
    with pytest.raises(
        NetworkError, match=r"two parameters have the same key: a\.weight and a\.gamma"
    ):
        torch_names({"a.weight": 1, "a.gamma": 2})
