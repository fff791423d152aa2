"""The front matter of a card: YAML for model hubs, with any text of a model.yml."""

import pytest
import yaml

from fakes.zoo import model_yml, omz_yml, write_model
from posezoo.core.layout import ModelLayout
from posezoo.core.registry import Registry, open_registry
from posezoo.figures.model_facts import ModelFacts
from posezoo.pages.cards.model_card import render_card


@pytest.fixture
def root(tmp_path):
    return tmp_path / "models"


def front(root, name="net"):
    registry = Registry([root])
    model = registry.find(name)
    in_registry = read_front_matter(registry, model)
    beside = read_front_matter(registry, model, ModelLayout(root, root))
    assert in_registry == beside
    return beside


def read_front_matter(registry, model, layout=None):
    return parse_front_matter(render_card(ModelFacts(model, registry.parts(model), layout)))


def parse_front_matter(card):
    lines = card.splitlines()
    assert lines[0] == "---"
    return yaml.safe_load("\n".join(lines[1 : lines.index("---", 1)]))


def test_a_detector_has_the_task_of_hubs(root):
    write_model(root, "net", model_yml(task_type="detection"))
    assert front(root)["pipeline_tag"] == "object-detection"


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


@pytest.mark.parametrize(
    "text", ['"', "a: b", "\\u0041", "---", "{x}", "<b>`c`[d](e)", "#", "\U0001f600 é", "'"]
)
def test_any_text_is_read_back_from_yaml_unchanged(root, text):
    write_model(root, "net", omz_yml(license=f"x {text}"))
    assert front(root)["license_name"] == f"x {text}"


def test_every_card_in_our_zoo_begins_with_front_matter():
    for entry in open_registry().entries.values():
        card = entry.read().path.with_name("README.md").read_text("utf-8")
        content = parse_front_matter(card)
        assert content["license"] in ("apache-2.0", "mit", "other")
