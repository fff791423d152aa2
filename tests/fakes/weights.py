"""Untrained weights that behave as trained ones do: activations of order 1 from end to end.

With plain random weights the signal dies or grows on its way down, and what rounding to half precision
changes grows with it: an IR that is right would be off by 5 to 50 %.
"""

from __future__ import annotations

from fakes.when_used import import_when_used
from posezoo.networks import build_network, find_network
from posezoo.proof.check_images import draw_test_image
from posezoo.proof.reference_outputs import preprocess

torch = import_when_used("torch")
nn = import_when_used("torch.nn")

#: Offset of each normalization. At 0, ReLU drops half of the numbers, and the next normalization enlarges
#: what is left, rounding included: mobilenet1.0, 27 layers deep, is off by 7.5 % in FP16. At 1, by 0.3 %.
_OFFSET = 1.0


def conditioned(name: str):
    """A network in eval mode whose every layer gives numbers of variance 1 of a picture.

    He's initialization (arXiv:1502.01852), scaled layer by layer in one pass (Mishkin and Matas 2015, "All
    you need is a good init", arXiv:1511.06422); normalizations hold that pass's statistics.
    """
    torch.manual_seed(0)
    network = build_network(name)
    layers = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)
    hooks = [_drawn(layer) for layer in network.modules() if isinstance(layer, layers)]
    for norm in network.modules():
        if isinstance(norm, nn.BatchNorm2d):
            norm.momentum = 1.0
            nn.init.uniform_(norm.weight, 0.5, 1.0)
            nn.init.normal_(norm.bias, _OFFSET, 0.1)
    port = find_network(name).input
    # The self-check's have other seeds.
    image = draw_test_image("noise", port.shape, port.layout, 0)
    with torch.no_grad():
        network.train()(torch.from_numpy(preprocess(image, port)))
    for hook in hooks:
        hook.remove()
    return network.eval()


def _drawn(layer):
    nn.init.kaiming_normal_(layer.weight)
    if layer.bias is not None:
        nn.init.normal_(layer.bias, 0.0, 0.1)
    return layer.register_forward_hook(_scale)


def _scale(layer, _, output):
    deviation = output.std()
    for parameter in layer.parameters():
        parameter /= deviation
    return output / deviation
