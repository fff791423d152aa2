"""card.json: complete facts as plain JSON values."""

import json

from fakes.zoo import file_yml, model_yml, write_composite, write_model
from posezoo.core.registry import Registry, open_registry
from posezoo.figures.model_facts import ModelFacts
from posezoo.pages.cards.card_json import card_json
from posezoo.poses.decoders import DECODERS

COUNTED = "complexity:\n  - {precision: FP32, figures: {gflops: 92.83, mparams: 28.618}}\n"


def facts(root, name):
    registry = Registry([root])
    model = registry.find(name)
    return card_json(ModelFacts(model, registry.parts(model)))


def test_published_and_counted_complexity_are_both_given(tmp_path):
    accuracy = {"metric": "AP", "value": 0.6464, "dataset": "COCO val2017", "flip": True}
    write_model(
        tmp_path / "models",
        "net",
        model_yml(
            published={
                "gflops": 92.8364,
                "accuracy": [accuracy, {**accuracy, "protocol": "flip, six scales"}],
            },
            decoder={"name": "heatmap", "convention": "argmax"},
            skeleton="coco-17",
        ),
    )
    (tmp_path / "models" / "public" / "net" / "measured.yml").write_text(COUNTED)
    content = facts(tmp_path / "models", "net")
    assert content["complexity"] == [
        {
            "model": "net",
            "gflops": {"published": 92.8364, "counted": 92.83},
            "mparams": {"published": None, "counted": 28.618},
        }
    ]
    assert [each["how"] for each in content["accuracy"]] == ["flip", "flip, six scales"]
    assert content["measured"][0]["figures"] == {"gflops": 92.83, "mparams": 28.618}
    assert content["approach"] == "top-down"
    assert content["license"][0]["holder"] == "Copyright 2026 The tests"
    assert content["skeleton"]["keypoints"][0] == "nose"


def test_only_a_converted_ir_applies_the_mean_and_reverses_the_colours(tmp_path):
    image = {
        "name": "x",
        "shape": [1, 3, 8, 8],
        "layout": "NCHW",
        "color": "RGB",
        "mean": [1, 2, 3],
    }
    turned = [{**image, "reverse_input_channels": True}]
    write_model(tmp_path / "models", "net", model_yml(inputs=turned))
    (port,) = facts(tmp_path / "models", "net")["inputs"]
    assert (port["original"]["color"], port["original"]["mean"]) == ("RGB", [1, 2, 3])
    assert (port["converted"]["color"], port["converted"]["mean"]) == ("BGR", [])
    content = model_yml(framework="dldt", files=[file_yml("FP32/a.xml")], inputs=[image])
    write_model(tmp_path / "models", "ir", content)
    (port,) = facts(tmp_path / "models", "ir")["inputs"]
    assert port["converted"] == port["original"]


def test_the_facts_of_a_composite_name_the_part_that_they_belong_to(tmp_path):
    root = tmp_path / "models"
    write_composite(root, "whole", ["second", "first"])
    write_model(root, "whole/first", model_yml())
    write_model(root, "whole/second", model_yml())
    content = facts(root, "whole")
    assert content["parts"] == ["second", "first"]
    assert [each["model"] for each in content["files"]] == ["second", "first"]
    assert facts(root, "first")["composite"] == "whole"


def test_every_decoder_that_finds_poses_has_an_approach():
    assert {name for name, decoder in DECODERS.items() if not decoder.approach} == {
        "blazeface",
        "boxes_labels",
        "centernet",
        "classification",
        "detection",
        "nanodet",
        "picodet",
        "rtmdet",
        "segmentation",
        "yolox",
        "yolo_anchors",
    }
    for _, decoder in DECODERS.items():
        finds_poses = not (decoder.finds_boxes or decoder.finds_classes or decoder.finds_masks)
        assert bool(decoder.approach) == finds_poses


def test_the_facts_of_each_model_in_our_zoo_are_json():
    registry = open_registry()
    for model in map(registry.find, registry.entries):
        content = card_json(ModelFacts(model, registry.parts(model)))
        assert json.loads(json.dumps(content, allow_nan=False)) == content, model.name
        assert content["license"], model.name
        assert len(content["variants"]) == len(getattr(model, "variants", ())), model.name
