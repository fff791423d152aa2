"""A card beside IR is drawn again only if something that it is drawn from has changed."""

from functools import partial

import pytest

from fakes.zoo import as_yaml, model_yml
from posezoo.core.layout import ModelLayout
from posezoo.core.registry import Registry
from posezoo.figures.model_facts import ModelFacts
from posezoo.pages.cards import model_card
from posezoo.pages.cards.ir_card import refresh_card


class Zoo:
    """A registry with a model, its card, and how often that was drawn."""

    def __init__(self, folder, monkeypatch):
        self.model = folder / "models" / "public" / "pose"
        self.model.mkdir(parents=True)
        (folder / "licenses").mkdir()
        self.license = folder / "licenses" / "MIT-pose.txt"
        self.license.write_text("Copyright Ann\n")
        self.declare(description="Finds people.")
        self.layout = ModelLayout(folder / "out", folder / "out")
        self.drawn = 0
        draw = model_card.write_card
        monkeypatch.setattr(model_card, "write_card", partial(self.count, draw))

    def count(self, draw, *given):
        self.drawn += 1
        return draw(*given)

    def declare(self, **keys):
        license = {"spdx": "MIT", "text": "MIT-pose.txt"}
        (self.model / "model.yml").write_text(as_yaml(model_yml(license=license, **keys)), "utf-8")

    def facts(self):
        self.registry = Registry([self.model.parents[1]])
        spec = self.registry.find("pose")
        return ModelFacts(spec, self.registry.parts(spec), self.layout)

    def refresh(self):
        """Whether the card was drawn."""
        before = self.drawn
        self.card = refresh_card(self.facts(), self.registry)
        return self.drawn > before


@pytest.fixture
def zoo(tmp_path, monkeypatch):
    zoo = Zoo(tmp_path, monkeypatch)
    assert zoo.refresh()
    return zoo


def test_a_card_is_not_drawn_again_if_nothing_changed(zoo):
    assert not zoo.refresh()
    assert not zoo.refresh()


def test_a_changed_model_yml_is_seen(zoo):
    zoo.declare(description="Finds animals.")
    assert zoo.refresh() and "Finds animals." in zoo.card.read_text("utf-8")
    assert not zoo.refresh()


def test_new_measurements_papers_and_license_texts_are_seen(zoo):
    for file, text in [
        (zoo.model / "measured.yml", "{}\n"),
        (zoo.model.parents[1] / "papers.yml", "{}\n"),
        (zoo.license, "Copyright Bob, and others\n"),
    ]:
        file.write_text(text)
        assert zoo.refresh(), file
        assert not zoo.refresh(), file


@pytest.mark.parametrize("name", ["README.md", "card.json"])
def test_a_card_that_the_user_changed_is_kept_beside_the_new_one(zoo, name):
    path = zoo.card.with_name(name)
    text = path.read_bytes()
    path.write_bytes(text + b"More.\n")
    assert zoo.refresh() and path.read_bytes() == text
    assert path.with_name(f"{name}.bak1").read_bytes() == text + b"More.\n"
    assert not zoo.refresh()


def test_a_readme_that_posezoo_never_drew_stays(zoo):
    for path in zoo.card.parent.iterdir():
        path.unlink()
    zoo.card.write_text("mine\n")
    zoo.refresh()
    assert [path.name for path in zoo.card.parent.iterdir()] == ["README.md"]
    assert zoo.card.read_text() == "mine\n"


def test_the_picture_shows_the_skeleton_of_today(zoo):
    skeleton = zoo.model.parents[1] / "skeletons" / "mine.yml"
    skeleton.parent.mkdir()
    skeleton.write_text("keypoints: [nose, tail]\n")
    zoo.declare(skeleton="mine", decoder={"name": "simcc"})
    assert zoo.refresh()
    picture = zoo.card.with_name("mine.svg")
    assert "tail" in picture.read_text("utf-8")
    skeleton.write_text("keypoints: [nose, left_paw]\n")
    assert zoo.refresh()
    assert "left_paw" in picture.read_text("utf-8")
    assert not zoo.refresh()


def test_a_picture_of_the_users_own_is_kept_under_another_name(zoo):
    picture = zoo.card.with_name("coco-17.svg")
    own = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><title>mine</title></svg>'
    picture.write_text(own)
    zoo.declare(skeleton="coco-17", decoder={"name": "simcc"})
    assert zoo.refresh()
    assert "coco-17.svg" in zoo.card.read_text("utf-8")
    assert picture.with_name("coco-17.svg.bak1").read_text() == own
