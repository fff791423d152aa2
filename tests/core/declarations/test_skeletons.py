"""A skeleton is read from a file, from a registry, from model.yml, and from an IR's metadata."""

import os
import re

import pytest
import yaml
from docs.json_schema import skeleton_schema

from fakes.checkout import ROOT
from posezoo.core.declarations.skeleton import LimbField
from posezoo.core.declarations.skeleton_yml import read_skeleton
from posezoo.core.declarations.skeletons import SKELETONS, find_skeleton, known_counts, skeleton_of
from posezoo.core.errors import PosezooError, SpecError
from posezoo.core.registry import Registry
from posezoo.poses.decoders import DECODERS

GRIPPER = """\
keypoints: [base, left_tip, right_tip]
limbs: [[left_tip, base, right_tip]]
sigmas: [0.05, 0.03, 0.03]
fields:
  - {limb: [base, left_tip], channel: 0, length: 0.2}
  - {limb: [base, right_tip], channel: 2}
"""


def written(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_a_file_declares_keypoints_limbs_sides_sigmas_and_fields(tmp_path):
    gripper = read_skeleton(written(tmp_path / "gripper.yml", GRIPPER))
    assert (gripper.name, gripper.keypoints) == ("gripper", ("base", "left_tip", "right_tip"))
    assert gripper.limbs == ((1, 0), (0, 2))
    assert gripper.flip_pairs == ((1, 2),) and gripper.flip_order == (0, 2, 1)
    assert gripper.fields == (LimbField((0, 1), 0, 0.2), LimbField((0, 2), 2))


def test_sides_may_have_any_names(tmp_path):
    text = "keypoints: [l_hand, head, r_hand]\nflips: [[l_hand, r_hand]]\n"
    assert read_skeleton(written(tmp_path / "a.yml", text)).flip_order == (2, 1, 0)


def test_a_keypoint_with_a_partner_gets_no_other_one_by_its_name(tmp_path):
    text = "keypoints: [tail, left_eye, right_eye]\nflips: [[tail, left_eye]]\n"
    assert read_skeleton(written(tmp_path / "a.yml", text)).flip_pairs == ((0, 1),)


@pytest.fixture
def jsonschema():
    """Imported where it is used: it compiles grammars for some seconds."""
    import jsonschema

    return jsonschema


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("limbs: []", "a.yml:1:1: the key keypoints is missing"),
        ("keypoints: [a, a]", "a.yml:1:16: keypoints[1]: 'a' is given twice"),
        ("keypoints: [two words]", "a.yml:1:13: keypoints[0]: expected letters"),
        ("keypoints: [a, b]\nlimbs: [[a, c]]", "a.yml:2:13: limbs[0][1]: expected one of a, b"),
        ("keypoints: [a, b]\nflips: [[a]]", "a.yml:2:9: flips[0]: expected two different"),
        ("keypoints: [a, b]\nsigmas: [0.1]", "a.yml:2:9: sigmas: expected 2 numbers"),
        ("keypoints: [a, b]\nsigma: [1]", "a.yml:2:1: sigma: unknown key"),
        ("keypoints: [a]\nfields: [{limb: [a, a], channel: 0}]", "fields[0].limb: expected two"),
    ],
)
def test_a_mistake_is_reported_with_its_place(tmp_path, text, problem):
    with pytest.raises(SpecError) as caught:
        read_skeleton(written(tmp_path / "a.yml", text))
    assert problem in str(caught.value)


def test_a_file_whose_name_is_no_name_is_refused(tmp_path):
    with pytest.raises(SpecError, match="is not a name of a skeleton"):
        read_skeleton(written(tmp_path / "my gripper.yml", GRIPPER))
    with pytest.raises(PosezooError, match="no such file, and no skeleton of posezoo"):
        find_skeleton(str(tmp_path / "none.yml"))


@pytest.mark.parametrize("name", SKELETONS)
def test_the_name_of_a_skeleton_of_the_package_ends_with_its_number_of_keypoints(name):
    count = len(SKELETONS[name].keypoints)
    assert name in ("box", "class") or (skeleton_of(count) == name and count in known_counts())


def test_keypoints_without_names_have_numbers_of_four_digits_at_most():
    assert len(SKELETONS["keypoints-9999"].keypoints) == 9999
    assert "keypoints-10000" not in SKELETONS


def test_no_name_leads_out_of_the_package(tmp_path):
    written(tmp_path / "gripper.yml", GRIPPER)
    packaged = ROOT / "src" / "posezoo" / "core" / "declarations" / "skeletons"
    outside = os.path.relpath(tmp_path / "gripper", packaged)
    assert (packaged / f"{outside}.yml").is_file()
    assert outside not in SKELETONS
    assert SKELETONS.get("keypoints-99999999") is None


@pytest.mark.parametrize("name", SKELETONS)
def test_the_files_of_the_package_fit_the_schema_for_editors(name, jsonschema):
    path = ROOT / "src/posezoo/core/declarations/skeletons" / f"{name}.yml"
    jsonschema.validate(yaml.safe_load(path.read_text()), skeleton_schema())


def test_the_page_of_model_yml_names_the_skeletons_and_the_decoders_that_take_any():
    page = (ROOT / "docs" / "model_yml.md").read_text("utf-8")
    skeletons, decoders = re.findall(
        r"posezoo has (`.*?)\. .*that take any skeleton: (.*?)\.", page, re.DOTALL
    )[0]
    taking = {name for name, decoder in DECODERS.items() if decoder.takes_skeleton}
    named = set(re.findall(r"\w+", decoders)) - {"and"}
    assert named == taking, "list in docs/model_yml.md the decoders that take any skeleton"
    shown = set(re.findall("`(.+?)`", skeletons))
    assert shown == set(SKELETONS) - {"class"}, "list in docs/model_yml.md the skeletons"


MODEL = """\
description: Three keypoints.
task_type: human_pose_estimation
framework: onnx
license: https://example.org/license
files:
  - {name: net.onnx, size: unknown, max_size: 9, checksum: unknown, source: "https://a.org/net.onnx"}
decoder: {name: heatmap}
skeleton: """


def test_a_registry_has_skeletons_of_its_own_which_come_before_posezoos(tmp_path):
    written(tmp_path / "skeletons" / "gripper.yml", GRIPPER)
    written(tmp_path / "skeletons" / "coco-17.yml", GRIPPER)
    for name in ("gripper", "coco-17", "halpe-26"):
        written(tmp_path / "public" / f"with-{name}" / "model.yml", MODEL + name)
    registry = Registry([tmp_path])
    for name in ("gripper", "coco-17"):
        model = registry.find(f"with-{name}")
        assert model.skeleton == name
        assert model.own_skeleton.keypoints == ("base", "left_tip", "right_tip")
    assert registry.find("with-halpe-26").own_skeleton is None


def test_model_yml_may_contain_its_skeleton(tmp_path):
    written(tmp_path / "public" / "mine" / "model.yml", MODEL + "{keypoints: [a, b]}")
    model = Registry([tmp_path]).find("mine")
    assert model.skeleton == "mine" and model.own_skeleton.keypoints == ("a", "b")


def test_a_mistake_in_a_skeleton_of_a_registry_names_its_file(tmp_path):
    path = written(tmp_path / "skeletons" / "gripper.yml", "keypoints: 3")
    written(tmp_path / "public" / "mine" / "model.yml", MODEL + "gripper")
    with pytest.raises(SpecError) as caught:
        Registry([tmp_path]).find("mine")
    assert str(caught.value).startswith(f"{path}:1:12: keypoints: expected a list")


def test_a_skeleton_without_a_decoder_is_refused(tmp_path):
    text = MODEL.replace("decoder: {name: heatmap}\n", "") + "{keypoints: [a]}"
    written(tmp_path / "public" / "mine" / "model.yml", text)
    with pytest.raises(SpecError, match="is given without a decoder"):
        Registry([tmp_path]).find("mine")
