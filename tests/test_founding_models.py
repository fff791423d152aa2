"""The models that the zoo was founded for are declared as their publishers state them, row by row."""

import json

import pytest

from posezoo.core.declarations.model import ModelSpec
from posezoo.core.declarations.sources import GoogleDriveSource
from posezoo.core.license_notice import read_copyright_line
from posezoo.core.registry import open_registry
from posezoo.networks import NETWORKS

REGISTRY = open_registry()


def model(name):
    spec = REGISTRY.find(name)
    assert isinstance(spec, ModelSpec)
    return spec


def facts(shared, name):
    return json.loads((shared / "facts" / name).read_text("utf-8"))


def founding():
    specs = [spec for spec in REGISTRY.select(None).models if spec.network is not None]
    return [variant for spec in specs for variant in (spec, *spec.variants)]


def percent(share):
    return None if share is None else round(100 * share, 4)


def test_every_row_of_gluoncvs_page_is_a_variant_with_its_figures(shared):
    rows = facts(shared, "gluoncv_pose.json")["models"]
    assert len(rows) == 16
    for row in rows:
        spec = model(f"{row['model']}@{row['hashtag']}")
        assert spec.inputs[0].shape == (1, 3, *row["input_size_hw"])
        assert spec.outputs[0].shape == (1, 17, *(side // 4 for side in row["input_size_hw"]))
        plain, flipped = spec.published.accuracy
        for said, key, flip in ((plain, "ap", False), (flipped, "ap_flip", True)):
            found = {"AP": said.value, "AP50": said.ap50, "AP75": said.ap75}
            assert {name: percent(value) for name, value in found.items()} == row[key]
            assert (said.metric, said.flip) == ("AP", flip)
        assert spec.training.command == (row["training_command"] or "")
        assert spec.training.log == (row["training_log"] or "")
        (file,) = spec.files
        assert [str(source) for source in file.sources] == [row["zip_url"]]
        assert spec.checkpoint == row["params_file"]
        is_default = row["hashtag_is_model_store_default"]
        assert file.contains[row["params_file"]].value == (
            row["model_store_sha1"] if is_default else row["hashtag"]
        )
        assert (spec.is_default, file.is_pinned, file.is_weakly_pinned) == (
            is_default,
            is_default,
            True,
        )


def test_every_row_of_open_model_zoo_is_declared(shared):
    for name, row in facts(shared, "omz_pose_models.json").items():
        spec = model(name)
        assert (spec.family, spec.framework) == (row["subdirectory"], row["framework"])
        expected = [(f["name"], f["size"], f["checksum"]) for f in row["files"]]
        assert [(f.name, f.size, f.checksum and f.checksum.value) for f in spec.files] == expected
        for file, said in zip(spec.files, row["files"], strict=True):
            own = said.get("original_source")
            last = [GoogleDriveSource(own["id"])] if isinstance(own, dict) else [own] if own else []
            addresses = [str(source) for source in file.sources]
            assert [addresses[0], *addresses[1:][-len(last) or len(addresses) :]] == [
                said["source"],
                *map(str, last),
            ]
        for port, said in zip(spec.inputs, row.get("input_info", []), strict=False):
            assert (port.name, list(port.shape), port.layout) == (
                said["name"],
                said["shape"],
                said["layout"],
            )


def numbers(text):
    return tuple(map(float, text.partition("[")[2].rstrip("]").split(",")))


FROM_OPEN_MODEL_ZOO = (
    "higher-hrnet-w32-human-pose-estimation", "single-human-pose-estimation-0001", "human-pose-estimation-3d-0001",
)  # fmt: skip


@pytest.mark.parametrize("name", FROM_OPEN_MODEL_ZOO)
def test_preprocessing_outputs_and_figures_are_open_model_zoos(shared, name):
    row, spec = facts(shared, "omz_pose_models.json")[name], model(name)
    arguments = dict(text.split("=", 1) for text in row["model_optimizer_args"] if "=" in text)
    (port,) = spec.inputs
    assert (port.mean, port.scale) == (
        numbers(arguments["--mean_values"]),
        numbers(arguments["--scale_values"]),
    )
    assert port.reverse_input_channels == (
        "--reverse_input_channels" in row["model_optimizer_args"]
    )
    assert [output.name for output in spec.outputs] == arguments["--output"].split(",")
    card = {key.lower(): text.rstrip("%") for key, text in row["card"].items()}
    assert (spec.published.gflops, spec.published.mparams) == (
        float(card["gflops"]),
        float(card["mparams"]),
    )
    accuracy = spec.published.accuracy[0]
    metric = next(
        float(text) for key, text in card.items() if key.startswith(("ap", "average", "mpjpe"))
    )
    assert (accuracy.value if accuracy.metric == "MPJPE" else percent(accuracy.value)) == metric


def test_every_network_has_its_model_and_every_model_its_terms():
    assert {spec.network.name for spec in founding() if spec.network} == set(NETWORKS)
    for spec in founding():
        assert read_copyright_line(spec)
        assert spec.files[0].read_limit > 0
    assert (
        read_copyright_line(model("higher-hrnet-w32-human-pose-estimation"))
        == "Copyright (c) 2019 HRNet"
    )
