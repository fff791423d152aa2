"""What posezoo.load takes in groups."""

import inspect
import pickle
import pydoc
import re

import numpy as np
import pytest

import posezoo
from fakes.stated_inputs import ULTRALYTICS, write_whole_input
from posezoo import Options, Preparation
from posezoo.core.declarations.skeletons import SKELETONS


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """The file of a network that finds one person in each image."""
    return write_whole_input(tmp_path_factory.mktemp("own") / "own.onnx", ULTRALYTICS)


def test_an_argument_of_a_group_that_load_itself_gets_is_named_with_its_group(own):
    with pytest.raises(posezoo.PosezooError, match="unknown setting 'min_person_score'") as refused:
        posezoo.load(own, min_person_score=0.01, listener=None)
    hint = "did you mean options=posezoo.Options(min_person_score=...)?"
    assert refused.value.hint == hint


@pytest.mark.parametrize(
    ("keywords", "names"),
    [
        ({"tag": "x"}, "tag"),
        ({"checkpoint": __file__}, "checkpoint"),
        ({"tag": "x", "force": True}, "tag, force"),
    ],
)
def test_what_is_only_for_the_name_of_a_model_is_named_with_a_file(keywords, names, own):
    with pytest.raises(posezoo.PosezooError) as caught:
        posezoo.load(own, **keywords)
    assert re.match(f"{names}: only for (a model|weights of your own)", caught.value.problem)
    assert caught.value.problem.endswith(f"; {own} is an .xml or .onnx")


@pytest.mark.parametrize("name", ["movenet-thunder", None])
def test_what_is_only_for_a_file_is_named_with_a_model(name):
    stated = Preparation(decoder="heatmap", reverse_input_channels=False)
    with pytest.raises(
        posezoo.PosezooError, match=r"^decoder, reverse_input_channels: only for an"
    ):
        posezoo.load(name, preparation=stated)


@pytest.mark.parametrize(
    ("keywords", "hint"),
    [
        ({"min_person_scor": 1}, "did you mean options=posezoo.Options(min_person_score=...)?"),
        ({"scale_value": 1}, "did you mean preparation=posezoo.Preparation(scale_values=...)?"),
        ({"option": 1}, "did you mean options?"),
        ({"weight_dir": 1}, "did you mean weights_dir?"),
        ({"conf": 1}, "options=posezoo.Options(min_person_score=1)"),
        ({"max_people": 1}, "options=posezoo.Options(decoder_options={'max_people': 1})"),
    ],
)
def test_the_hint_for_an_unknown_keyword_says_where_the_right_one_goes(keywords, hint):
    with pytest.raises(posezoo.PosezooError) as caught:
        posezoo.load(**keywords)
    assert caught.value.hint == hint


@pytest.mark.parametrize("values", [[1, 2], [], "grey", [1, None, 3]])
@pytest.mark.parametrize("name", ["mean_values", "scale_values"])
def test_a_mean_and_a_scale_are_one_number_or_one_for_each_channel(name, values):
    expected = f"^{name}: expected a number, or one for each of 3 channels, got "
    with pytest.raises(posezoo.PosezooError, match=expected):
        Preparation(**{name: values})


def test_groups_are_values_that_show_what_is_given():
    skeleton = SKELETONS["coco-17"]
    for group in (
        Options(),
        Options(requests=2, decoder_options={"max_people": 1}),
        Preparation(mean_values=[1, 2, 3], scale_values=255, skeleton="mine.yml"),
    ):
        assert eval(repr(group)) == group == pickle.loads(pickle.dumps(group))
    assert repr(Options(threads=1)) == "posezoo.Options(threads=1)"
    numbers = np.array([1, 2, 3])
    assert Preparation(mean_values=numbers) == Preparation(mean_values=[1, 2, 3])
    assert Preparation(skeleton=skeleton) != Preparation()


def test_help_for_load_is_one_screen_and_names_each_parameter():
    text = pydoc.plain(pydoc.render_doc(posezoo.load))
    rows = sum(-(-len(line) // 120) or 1 for line in text.splitlines())
    assert rows <= 50
    described = inspect.getdoc(posezoo.load)
    for name in inspect.signature(posezoo.load).parameters:
        assert re.search(rf"^ {{4}}(\w+, )*{name}(, \w+)*:", described, re.MULTILINE), name
