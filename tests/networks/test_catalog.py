"""The table of networks against what was published: keys, sizes of checkpoints, inputs, names of outputs."""

import json
import re
from functools import cache

import pytest

from fakes.soak import soak
from networks.published import outputs_of, torch
from posezoo import networks
from posezoo.core.declarations.model import ColorOrder
from posezoo.core.errors import NetworkError
from posezoo.networks import NETWORKS
from posezoo.networks.gluon_names import torch_names

#: The keys file of each published form of a network, with what its keys say of the arguments.
FORMS = {
    "higher-hrnet-w32_512": ("higher_hrnet", {"width": 32, "keypoints": 17}),
    "higher-hrnet-w48_640": ("higher_hrnet", {"width": 48, "keypoints": 17}),
    **{
        f"single-human-pose-estimation-0001.refine{stages}.{interpolation}": (
            "single_human_pose",
            {"refinement_stages": stages, "interpolation": "bilinear", "keypoints": 17},
        )
        for stages, interpolation in (
            (1, "bilinear"),
            (4, "bilinear"),
            (5, "bilinear"),
            (5, "nearest"),
        )
    },
    **{
        f"lightweight-openpose-refine{stages}": (
            "lightweight_openpose",
            {"refinement_stages": stages, "heatmaps": 19, "pafs": 38},
        )
        for stages in (1, 3)
    },
    "human-pose-estimation-3d-0001": (
        "human_pose_3d",
        {"refinement_stages": 1, "convertible": False},
    ),
    "human-pose-estimation-3d-0001.is_convertible_by_mo": (
        "human_pose_3d",
        {"refinement_stages": 1, "convertible": True},
    ),
}
GLUON = [name for name in NETWORKS if name.startswith(("simple_pose", "mobile_pose", "alpha_pose"))]


@cache
def built(name, **arguments):
    """A network without memory for its weights, which no test changes."""
    with torch.device("meta"):
        return networks.build_network(name, **arguments)


def built_from(shapes, name):
    """The network that a checkpoint of these keys asks for."""
    return built(name, **NETWORKS[name].infer_arguments(shapes))


def is_deeper(name):
    """Whether a network differs from another one in its number of layers alone."""
    return bool(re.search("resnet(101|152)_v1", name))


CASES = [soak(name) if is_deeper(name) else name for name in NETWORKS]


@pytest.mark.parametrize("file", FORMS)
def test_keys_order_and_shapes_are_the_published_ones(file, published):
    name, arguments = FORMS[file]
    shapes = published.shapes(file)
    assert NETWORKS[name].infer_arguments(shapes) == arguments
    network = built_from(shapes, name)
    assert list(networks.tensor_shapes(network).items()) == list(shapes.items())
    assert sum(p.numel() for p in network.parameters()) == published.table(file)["parameters"]


@pytest.mark.parametrize("name", GLUON)
def test_keys_order_and_shapes_are_gluoncv_s(name, published):
    shapes = torch_names(published.shapes(f"gluon_{name}"))
    # Torch counts batches, MXNet does not.
    ours = {
        key: shape
        for key, shape in networks.tensor_shapes(built_from(shapes, name)).items()
        if not key.endswith(".num_batches_tracked")
    }
    assert list(ours.items()) == list(shapes.items())
    elements = sum(torch.Size(shape).numel() for shape in ours.values())
    assert elements == published.table(f"gluon_{name}")["parameters_in_file"]


def test_there_is_a_network_for_every_model_of_gluoncv(shared):
    rows = json.loads((shared / "facts" / "gluoncv_pose.json").read_text("utf-8"))["models"]
    assert {row["model"] for row in rows} == set(GLUON)
    sizes = {
        row["model"]: tuple(row["input_size_hw"])
        for row in rows
        if row["hashtag_is_model_store_default"]
    }
    assert {name: NETWORKS[name].input.shape[2:] for name in sizes} == sizes


def test_inputs_are_those_that_open_model_zoo_declares(shared):
    models = json.loads((shared / "facts" / "omz_pose_models.json").read_text("utf-8"))
    for model, name in (
        ("higher-hrnet-w32-human-pose-estimation", "higher_hrnet"),
        ("single-human-pose-estimation-0001", "single_human_pose"),
        ("human-pose-estimation-3d-0001", "human_pose_3d"),
    ):
        declared, ours = models[model], NETWORKS[name].input
        (info,) = declared["input_info"]
        assert (ours.name, list(ours.shape), ours.layout) == (
            info["name"],
            info["shape"],
            info["layout"],
        )
        arguments = {
            key: values
            for key, _, values in (arg.partition("=") for arg in declared["model_optimizer_args"])
        }
        for flag, values in (("--mean_values", ours.mean), ("--scale_values", ours.scale)):
            assert arguments[flag] == f"{ours.name}[{','.join(map(str, values))}]"
        assert ours.reverse_input_channels is ("--reverse_input_channels" in arguments)
        assert set(arguments["--output"].split(",")) == set(NETWORKS[name].outputs)


def test_the_image_of_every_ir_is_bgr():
    assert {network.input.ir_color for network in NETWORKS.values()} == {ColorOrder.BGR}


def up(size, step):
    return -(-size // step)


#: By hand: what comes out of (2, 3, H, W), for each output.
SHAPES = {
    "higher_hrnet": lambda h, w: [(2, 17, h // 2, w // 2)] * 2,
    "single_human_pose": lambda h, w: [(2, 17, up(h, 8), up(w, 8))],
    "lightweight_openpose": lambda h, w: [(2, maps, up(h, 8), up(w, 8)) for maps in (19, 38)],
    "human_pose_3d": lambda h, w: [(2, maps, up(h, 8), up(w, 8)) for maps in (57, 19, 38)],
    "hrnet": lambda h, w: [(2, 17, h // 4, w // 4)],
    "vitpose": lambda _h, _w: [(2, 17, 64, 48)],
    **{name: lambda h, w: [(2, 17, 8 * up(h, 32), 8 * up(w, 32))] for name in GLUON},
}
#: Sizes other than the default, for networks that do not take any size.
OTHER_SIZES = {"higher_hrnet": (160, 96), "hrnet": (160, 96), "vitpose": (256, 192)}


@pytest.mark.parametrize(
    "name",
    CASES,
)
def test_outputs_have_the_paper_s_shapes_at_any_size_and_the_stated_stride(name):
    network = NETWORKS[name]
    size = network.input.shape[2:]
    module = built(name, **network.complete_arguments())
    with torch.device("meta"):
        for height, width in (OTHER_SIZES.get(name, (131, 75)), size):
            outputs = outputs_of(module, torch.empty(2, 3, height, width))
            assert name in SHAPES, f"add {name} to SHAPES of tests/networks/test_catalog.py"
            assert [tuple(maps.shape) for maps in outputs] == SHAPES[name](height, width)
    assert len(outputs) == len(network.output_names())
    sides = tuple(side // network.stride for side in size)
    assert {tuple(maps.shape[2:]) for maps in outputs} == {sides}


def test_higher_hrnet_refuses_sizes_that_are_not_multiples():
    with torch.device("meta"), pytest.raises(NetworkError) as caught:
        networks.build_network("higher_hrnet")(torch.empty(1, 3, 112, 96))
    assert (
        caught.value.problem
        == "HRNet takes heights and widths that are multiples of 32, not 112 x 96"
    )
    assert caught.value.hint == "pad the image"


def test_vitpose_refuses_other_sizes():
    with torch.device("meta"), pytest.raises(NetworkError) as caught:
        networks.build_network("vitpose")(torch.empty(1, 3, 384, 288))
    assert caught.value.problem == "ViTPose takes images of 256 x 192, not 384 x 288"


@pytest.mark.parametrize(
    ("name", "ir", "module"),
    [
        ("higher_hrnet", ("embeddings", "heatmaps"), ("heatmaps", "embeddings")),
        (
            "lightweight_openpose",
            ("stage_1_output_0_pafs", "stage_1_output_1_heatmaps"),
            ("stage_1_output_1_heatmaps", "stage_1_output_0_pafs"),
        ),
    ],
)
def test_an_ir_has_the_published_order_of_outputs_and_a_module_its_own(name, ir, module):
    network = NETWORKS[name]
    assert (network.output_names(), network.module_outputs()) == (ir, module)
