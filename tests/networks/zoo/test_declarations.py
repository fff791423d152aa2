"""Which of our networks a model.yml of another zoo gets, by what its export declares."""

import pytest

from fakes.zoo import omz_yml, write_model
from posezoo.core.declarations.model import NetworkChoice
from posezoo.core.registry import Registry
from posezoo.networks.zoo.declarations import with_declared_network

#: The models of Open Model Zoo 2021.4 with a network of ours, and the checkpoint among their files.
MODELS = {
    "googlenet-v3-pytorch": ("inception_v3", "inception_v3_google-1a9a5a14.pth"),
    "mobilenet-v2-pytorch": ("mobilenet_v2", "mobilenet_v2-b0353104.pth"),
    "resnet-18-pytorch": ("resnet18", "resnet18-5c106cde.pth"),
    "resnet-34-pytorch": ("resnet34", "resnet34-333f7ec4.pth"),
    "resnet-50-pytorch": ("resnet50", "resnet50-19c8e357.pth"),
    "shufflenet-v2-x1.0": ("shufflenet_v2_x1_0", "shufflenetv2_x1-5666bf0f80.pth"),
    "dla-34": ("dla34", "ckpt/dla34.pth"),
    "hbonet-0.25": ("hbonet_0.25", "hbonet_0_25.pth"),
    "hbonet-0.5": ("hbonet_0.5", "hbonet_0_5.pth"),
    "hbonet-1.0": ("hbonet_1.0", "hbonet_1_0.pth"),
    "retinaface-resnet50-pytorch": ("retinaface_resnet50", "Resnet50_Final.pth"),
    "rexnet-v1-x1.0": ("rexnet_1.0", "rexnetv1_1.0x.pth"),
    "efficientnet-b0-pytorch": ("efficientnet_b0", "efficientnet-b0.pth"),
    "efficientnet-b5-pytorch": ("tf_efficientnet_b5", "tf-efficientnet-b5.pth"),
    "efficientnet-b7-pytorch": ("tf_efficientnet_b7", "tf-efficientnet-b7.pth"),
    "regnetx-3.2gf": ("regnetx_3.2gf", "ckpt/regnetx-3.2gf.pyth"),
    "resnest-50-pytorch": ("resnest50", "resnest50-528c19ca.pth"),
    "text-recognition-resnet-fc": ("text_recognition_resnet_fc", "vedastr/ckpt/resnet_fc.pth"),
}

#: How Open Model Zoo declares a network of torchvision.
EXPORT = (
    "--model-name=resnet18",
    "--weights=$dl_dir/net.pth",
    "--import-module=torchvision.models",
    "--input-shape=1,3,224,224",
    "--output-file=$conv_dir/net.onnx",
    "--input-names=data",
    "--output-names=prob",
)


def test_models_of_open_model_zoo_get_our_networks(shared):
    registry = Registry([shared / "data" / "omz-2021.4" / "models"])
    specs = map(with_declared_network, registry.select().models)
    found = {
        spec.name: (spec.network.name, spec.checkpoint)
        for spec in specs
        if spec.network is not None
    }
    assert found == MODELS


def declared(tmp_path, *export, files=("net.pth",), pre_convert=False):
    """A user's own model.yml with this export."""
    source = "https://models.invalid/net.pth"
    yml = omz_yml(
        framework="pytorch",
        files=[{"name": name, "size": 3, "checksum": "0" * 96, "source": source} for name in files],
        input_info=None,
        model_optimizer_args=["--input_model=$conv_dir/net.onnx"],
        conversion_to_onnx_args=list(export),
    )
    path = write_model(tmp_path / "models", "mine", yml)
    if pre_convert:
        path.with_name("pre-convert.py").touch()
    return with_declared_network(Registry([tmp_path / "models"]).find("mine"))


def changed(flag, *values):
    """The export with other values of a flag."""
    others = [argument for argument in EXPORT if not argument.startswith(f"{flag}=")]
    return [*others, *(f"{flag}={value}" for value in values)]


def test_a_model_of_any_name_gets_the_network_that_it_declares(tmp_path):
    spec = declared(tmp_path, *EXPORT)
    assert spec.network == NetworkChoice("resnet18", names=("data", "prob"))
    assert spec.checkpoint == "net.pth"
    assert [(port.name, port.shape) for port in spec.inputs] == [("data", (1, 3, 224, 224))]
    assert [output.name for output in spec.outputs] == ["prob"]


@pytest.mark.parametrize(
    "export",
    [
        changed("--model-name", "resnet1801"),
        changed("--import-module", "mine"),
        changed("--model-param", "width_per_group=128"),  # another network
        changed("--model-param", "zero_init_residual=yes"),  # not a literal
        changed("--model-param", f"width={'-' * 3900}1"),  # deeper than Python's parser goes
        changed("--weights"),
        changed("--input-shape"),
        changed("--input-shape", "1,3,two,2"),
        [*changed("--input-shape"), "--input-shapes=[1e999]"],
        [*changed("--weights"), "--model-param=weights=5"],
        changed("--output-names", "one,two"),
    ],
)
def test_any_other_declaration_is_left_to_its_authors_code(tmp_path, export):
    assert declared(tmp_path, *export).network is None


def test_a_model_with_several_inputs_is_left_to_its_authors_code(tmp_path):
    ports = [{"name": name, "shape": [1, 3, 224, 224], "layout": "NCHW"} for name in ("a", "b")]
    yml = omz_yml(
        framework="pytorch",
        input_info=ports,
        model_optimizer_args=[],
        conversion_to_onnx_args=list(EXPORT),
    )
    write_model(tmp_path / "models", "mine", yml)
    spec = Registry([tmp_path / "models"]).find("mine")
    assert with_declared_network(spec) is spec


def exported(*export):
    """An export of one image to one output."""
    return (
        *export,
        "--input-shape=1,3,224,224",
        "--input-names=input",
        "--output-names=output",
        "--output-file=$conv_dir/net.onnx",
    )


@pytest.mark.parametrize(
    ("network", "export", "files"),
    [
        (
            "tf_efficientnetv2_b0",
            exported(
                "--model-name=tf_efficientnetv2_b0",
                "--import-module=timm.models.efficientnet",
                "--weights=$dl_dir/net.pth",
            ),
            ("timm-0.4.12-py3-none-any.whl", "net.pth"),
        ),
        (
            "convnext_tiny",
            exported(
                "--model-name=create_convnext",
                "--import-module=model",
                '--model-param=weights=r"$dl_dir/convnext_tiny_1k_224_ema.pth"',
            ),
            ("timm-0.5.4-py3-none-any.whl", "convnext_tiny_1k_224_ema.pth"),
        ),
        (
            "yolox_tiny",
            exported(
                "--model-name=create_model",
                "--import-module=model",
                '--model-param=weights=r"$dl_dir/yolox_tiny.pth"',
            ),
            ("models/yolo_pafpn.py", "yolox_tiny.pth"),
        ),
    ],
)
def test_models_of_the_newest_release_get_our_networks_too(tmp_path, network, export, files):
    spec = declared(tmp_path, *export, files=files)
    assert spec.network is not None
    assert (spec.network.name, spec.checkpoint) == (network, files[1])


def test_a_common_name_alone_is_no_network(tmp_path):
    export = exported(
        "--model-name=create_model",
        "--import-module=model",
        '--model-param=weights=r"$dl_dir/net.pth"',
    )
    assert declared(tmp_path, *export).network is None


REPVGG = exported(
    "--model-name=RepVGG",
    "--import-module=repvgg",
    "--model-param=num_blocks=[2, 4, 14, 1]",
    "--model-param=width_multiplier=[0.75, 0.75, 0.75, 2.5]",
    "--model-param=deploy=True",
    "--weights=$conv_dir/RepVGG-A0.pth",
)


def test_without_a_pre_convert_nothing_says_from_which_file_the_weights_come(tmp_path):
    assert declared(tmp_path, *REPVGG, files=("repvgg.py", "train.pth")).network is None
