"""A decoder that the user names takes the outputs of its own networks, and of no others."""

import pytest

from fakes.irs import write_ir
from posezoo.core.errors import DecoderError
from posezoo.core.registry import open_registry
from posezoo.poses.decoders import DECODERS
from posezoo.run.runtime.decoder_matching import describe_undecoded, match_output_roles
from posezoo.run.runtime.graph import Graph
from posezoo.run.runtime.runtime_config import LoadOptions

pytest.importorskip("cv2")

#: Outputs of other networks that a decoder takes, because they are what it needs.
TAKEN_FROM_OTHERS = {
    # One of the outputs is a mask of the person.
    ("segmentation", "pose-landmark-full-mediapipe"),
    ("segmentation", "pose-landmark-heavy-mediapipe"),
    ("segmentation", "pose-landmark-lite-mediapipe"),
    ("segmentation", "pose_landmarker_full-landmarks"),
    ("segmentation", "pose_landmarker_heavy-landmarks"),
    ("segmentation", "pose_landmarker_lite-landmarks"),
    # A row of scores can be that of classes.
    ("classification", "hand-recrop"),
    ("classification", "pp-tinypose-128x96"),
    ("classification", "pp-tinypose-256x192"),
    ("classification", "pp-tinypose-128x96@paddle"),
    ("classification", "pp-tinypose-256x192@paddle"),
    ("classification", "pose-detection-mediapipe"),
    ("classification", "pose_landmarker-detector"),
    ("classification", "face-landmark"),
}


def zoo_networks():
    """The networks of the zoo by name, with all sizes of their outputs: of those with the same inputs and outputs, one."""
    models = open_registry().select().models
    variants = (variant for model in models for variant in (model, *model.variants))
    alike = {
        (spec.decoder and spec.decoder.name, spec.inputs[0].shape, spec.outputs): spec
        for spec in variants
        if spec.outputs and all(output.shape for output in spec.outputs)
    }
    return {spec.full_name: spec for spec in alike.values()}


NETWORKS = zoo_networks()


def write_network(spec, folder):
    """An IR with the input and the outputs of a network; of sizes that are open, one is chosen."""
    image = [256 if side == -1 else side for side in spec.inputs[0].shape]
    outputs = {}
    for output in spec.outputs:
        outputs[output.name] = tuple(32 if side == -1 else side for side in output.shape)
    return write_ir(folder / f"{spec.name}.xml", outputs, image=tuple(image))


@pytest.fixture(scope="module")
def graphs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("networks")
    graphs = {name: Graph(write_network(spec, folder)) for name, spec in NETWORKS.items()}
    return {
        name: (graph, describe_undecoded(graph, None, LoadOptions())[0])
        for name, graph in graphs.items()
    }


def takes(decoder, graph, spec):
    try:
        roles = match_output_roles(spec, decoder, graph)
    except DecoderError as error:
        assert "needs" in error.problem and "the IR has" in error.problem
        return False
    assert len({*roles.values()}) == len(roles)
    return True


@pytest.mark.parametrize("decoder", DECODERS.builtin)
def test_a_decoder_takes_the_outputs_of_its_own_networks_only(decoder, graphs):
    wrong = []
    for name, graph in graphs.items():
        own = NETWORKS[name].decoder
        expected = own is not None and own.name == decoder
        if takes(decoder, *graph) != (expected or (decoder, name) in TAKEN_FROM_OTHERS):
            wrong.append(name)
    assert not wrong
