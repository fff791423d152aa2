"""The front matter of a card: YAML for model hubs, with any text of a model.yml."""

from pathlib import Path

import pytest
import yaml

from fakes.zoo import model_yml, write_composite, write_model
from posezoo.core.declarations.model_yml import METRICS
from posezoo.core.layout import ModelLayout
from posezoo.core.registry import Registry, open_registry
from posezoo.pages.cards.model_card import render_card
from posezoo.pages.facts.model_facts import ModelFacts


@pytest.fixture
def root(tmp_path):
    return tmp_path / "models"


def front(root, name="net"):
    """The front matter of the card beside the IR; that of the registry's card lacks the model index alone."""
    registry = Registry([root])
    model = registry.find(name)
    in_registry = read_front_matter(registry, model)
    beside = read_front_matter(registry, model, ModelLayout(root, root))
    assert in_registry == {key: value for key, value in beside.items() if key != "model-index"}
    return beside


def read_front_matter(registry, model, layout=None):
    return parse_front_matter(render_card(ModelFacts(model, registry.parts(model), layout)))


def parse_front_matter(card):
    lines = card.splitlines()
    assert lines[0] == "---"
    return yaml.safe_load("\n".join(lines[1 : lines.index("---", 1)]))


def test_the_front_matter_has_the_license_the_task_and_the_accuracy(root):
    claim = {
        "metric": "AP",
        "value": 0.663,
        "dataset": "COCO val2017",
        "protocol": "single scale",
        "flip": True,
    }
    name = "AP, declared by the publisher, single scale, flip"
    write_model(root, "net", model_yml(published={"accuracy": [claim]}))
    assert front(root) == {
        "license": "apache-2.0",
        "library_name": "openvino",
        "pipeline_tag": "keypoint-detection",
        "tags": ["openvino", "human-pose-estimation"],
        "model-index": [
            {
                "name": "net",
                "results": [
                    {
                        "task": {"type": "keypoint-detection"},
                        "dataset": {"type": "coco", "name": "COCO val2017"},
                        "metrics": [{"type": "AP", "name": name, "value": 66.3}],
                    }
                ],
            }
        ],
    }


def test_the_accuracy_of_a_detector_is_that_of_object_detection(root):
    claim = {"metric": "AP", "value": 0.229, "dataset": "COCO val2017"}
    write_model(
        root,
        "net",
        model_yml(task_type="detection", published={"accuracy": [claim]}),
    )
    content = front(root)
    (result,) = content["model-index"][0]["results"]
    assert result["task"]["type"] == content["pipeline_tag"] == "object-detection"


@pytest.mark.parametrize(
    ("license", "keys"),
    [
        ({"spdx": "MIT", "text": "x.txt"}, {"license": "mit"}),
        (
            {"spdx": "LicenseRef-unclear", "text": "x.txt"},
            {"license": "other", "license_name": "LicenseRef-unclear"},
        ),
        (
            "https://terms.invalid/LICENSE",
            {
                "license": "other",
                "license_name": "see link",
                "license_link": "https://terms.invalid/LICENSE",
            },
        ),
    ],
)
def test_a_license_that_hubs_do_not_know_is_called_other(root, license, keys):
    write_model(root, "net", model_yml(license=license))
    assert {key: value for key, value in front(root).items() if "license" in key} == keys


def test_several_licenses_of_parts_are_named_together(root):
    write_composite(root, "whole", ["first", "second"])
    write_model(root, "whole/first", model_yml())
    write_model(root, "whole/second", model_yml(license={"spdx": "MIT", "text": "x.txt"}))
    content = front(root, "whole")
    assert (content["license"], content["license_name"]) == ("other", "Apache-2.0 and MIT")


@pytest.mark.parametrize(
    "text", ['"', "a: b", "\\u0041", "---", "{x}", "<b>`c`[d](e)", "#", "\U0001f600 é", "'"]
)
def test_any_text_is_read_back_from_yaml_unchanged(root, text):
    claim = {"metric": "AP", "value": 0.5, "dataset": f"x {text}"}
    write_model(root, "net", model_yml(published={"accuracy": [claim]}))
    (result,) = front(root)["model-index"][0]["results"]
    assert result["dataset"]["name"] == f"x {text}"


def test_every_card_in_our_zoo_begins_with_front_matter():
    for entry in open_registry().entries.values():
        card = entry.read().path.with_name("README.md").read_text("utf-8")
        content = parse_front_matter(card)
        assert content["license"] in ("apache-2.0", "mit", "other")


@pytest.mark.slow
def test_the_hub_s_own_library_reads_declared_and_measured_results():
    hub = pytest.importorskip("huggingface_hub", reason="needs huggingface-hub")
    registry = open_registry()
    found = {"declared by the publisher": 0, "measured by posezoo": 0}
    for entry in registry.entries.values():
        model = entry.read()
        facts = ModelFacts(
            model, registry.parts(model), ModelLayout(Path("nowhere"), Path("nowhere"))
        )
        data = hub.ModelCard(render_card(facts)).data
        results = data.eval_results or []
        accuracies = [each for _, each in facts.measurements("accuracy")]
        claims = [
            claim for part in facts.parts for claim in part.published.accuracy if claim.dataset
        ]
        assert len(results) == len(accuracies) + len(claims)
        for result in results:
            assert isinstance(result, hub.EvalResult)
            assert result.task_type == data.pipeline_tag
            assert result.dataset_name and result.metric_type in METRICS
            (who,) = [who for who in found if who in result.metric_name]
            found[who] += 1
        for measured in accuracies:
            percent = float(f"{next(iter(measured.figures.values())) * 100:.6g}")
            assert [
                each for each in results if each.metric_value == pytest.approx(percent, rel=1e-4)
            ]
    assert min(found.values()) > 5
