"""Every value of an annotation file is checked."""

import json
import re
import unicodedata

import numpy as np
import pytest

from fakes.coco import PERSON, annotations, person, written
from posezoo.core.errors import DatasetError
from posezoo.measure import coco

SEEN = np.column_stack([np.arange(17), np.arange(17) + 100, np.full(17, 2)])
MOVED = np.add(SEEN, (1, 1, 0))
NOBODY = np.zeros((17, 3))


def one_person(**changes):
    """The annotations of one person in one image, with these changes."""
    return {**annotations(1, [person(1, 1, SEEN)]), **changes}


def changed(**changes):
    return one_person(annotations=[{**person(1, 1, SEEN), **changes}])


def read(tmp_path, content, **kwargs):
    return coco.read_coco_dataset(written(tmp_path, content), tmp_path, **kwargs)


def test_images_come_with_their_people_and_licenses(tmp_path):
    dataset = read(
        tmp_path,
        annotations(2, [person(5, 2, SEEN), person(6, 2, NOBODY), person(7, 2, SEEN, iscrowd=1)]),
    )
    assert dataset.name == "person_keypoints_made"
    first, second = dataset.images
    assert (first.people, first.size, first.path) == ((), (640, 480), tmp_path / "000000000001.jpg")
    assert first.license is not None and first.license.name == "Attribution License"
    assert [each.id for each in second.people] == [5, 6, 7]
    assert second.people[0].keypoints[3].tolist() == [3, 103, 2]
    assert dataset.keypoints == tuple(PERSON["keypoints"])
    # Of three people one is a crowd, and one has no keypoints and counts only as a box.
    assert (dataset.person_count(), dataset.person_count(keypoints=False)) == (1, 2)
    assert dataset.annotated_boxes() == {1: (), 2: ((10.0, 10.0, 90.0, 170.0, 1.0),)}


def test_other_categories_than_person_are_left_out(tmp_path):
    content = one_person()
    content["categories"].append({"id": 2, "name": "bicycle"})
    content["annotations"].append({"id": 2, "image_id": 1, "category_id": 2, "bbox": [0, 0, 1, 1]})
    assert [each.id for each in read(tmp_path, content).images[0].people] == [1]


def test_boxes_are_enough_if_keypoints_are_not_required(tmp_path):
    content = annotations(
        1, [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4], "area": 9}]
    )
    content["categories"] = [{"id": 1, "name": "person"}, {"id": 2, "name": "bicycle"}]
    dataset = read(tmp_path, content, keypoints=False)
    assert dataset.images[0].people[0].bbox == (1, 2, 3, 4)
    assert dataset.keypoints == ()
    with pytest.raises(DatasetError, match="has no keypoints") as error:
        read(tmp_path, content)
    assert "instances" in error.value.hint


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([{"image_id": 1}], "is not a COCO annotation file"),
        (one_person(images=[]), "has no images"),
        (one_person(annotations={"a": 1}), "annotations is not a list"),
        (one_person(annotations=[7]), r"annotations\[0\]: expected an object"),
        (one_person(categories=[{"id": 1, "name": "dog"}]), "no category is called person; the categories: dog"),
        (one_person(images=[{"id": 1, "file_name": "a"}, {"id": 1, "file_name": "b"}]), "ids of images repeat: 1"),
        (one_person(annotations=[person(1, 0, SEEN)]), r"no annotations of its images: annotations\[0\] \(image_id 0\): is of another image"),
        (changed(bbox=[1, 2, 3]), r"annotations\[0\].bbox: expected 4 numbers, got 3"),
        (changed(bbox=(90, 20, -80, 9)), "bbox: expected left, top, width and height of 0 or more"),
        (changed(area=-7), "area: expected 0 or more, got -7"),
        (one_person(annotations=[person(1, 1, SEEN), person(2, None, SEEN)]), r"annotations\[1\].image_id: expected the id of an image, got nothing"),
        (one_person(categories=[{**PERSON, "keypoints": ["hip", "hip", *(f"k{i}" for i in range(15))]}]), "hip is listed 2 times"),
        (changed(keypoints=[1, 2, 3]), "keypoints: expected 51 numbers, three for each of the category's 17 keypoints, got 3"),
        (changed(category_id=7), "no annotations of people, whose category_id is 1; it has annotations with category_id 7"),
        (changed(bbox=(0.1, 0.2, 0.3, 0.9)), "all numbers of bbox are from 0 to 1"),
        (changed(keypoints=["a"] * 51), "expected numbers, got 'a'"),
        (changed(area=float("nan")), "area: expected numbers, got nan"),
        (changed(iscrowd=3), "iscrowd: expected 0 or 1, got 3"),
        (changed(num_keypoints="two"), "num_keypoints: expected a whole number"),
        (one_person(images=[{"id": 1}]), r"images\[0\].file_name: expected a text, got nothing"),
    ],
)  # fmt: skip
def test_an_invalid_value_is_refused_with_its_place(tmp_path, content, message):
    with pytest.raises(DatasetError, match=message):
        read(tmp_path, content)


def to_first(**changes):
    """A change of the first person."""
    return lambda content: content["annotations"][0].update(changes)


CHANGES = {
    "no licenses": lambda content: content.update(licenses=None),
    "whole numbers with a point, or as texts": lambda content: (
        content["images"][0].update(id=1.0, width=640.0, height="480"),
        content["annotations"][0].update(image_id="1", bbox=["10", 10.0, 80, 160]),
    ),
    "categories without keypoints": lambda content: content["categories"].append(
        {"id": 2, "name": "dog", "keypoints": None}
    ),
    "a crowd that is not stated": to_first(iscrowd=None),
    "an area that is not stated": to_first(area=None),
    "no ids of annotations": lambda content: content["annotations"][0].pop("id"),
    "visibility as true": to_first(
        keypoints=[True if at % 3 == 2 else value for at, value in enumerate(SEEN.ravel().tolist())]
    ),
    "keypoints in triples": to_first(keypoints=SEEN.tolist()),
}


@pytest.mark.parametrize("kind", CHANGES)
def test_what_annotation_tools_write_is_read_without_a_warning(tmp_path, kind):
    content = one_person()
    CHANGES[kind](content)
    dataset = read(tmp_path, content)
    assert (dataset.warnings, dataset.person_count()) == ((), 1)
    (image,) = dataset.images
    assert (image.id, image.size, image.people[0].bbox) == (1, (640, 480), (10, 10, 80, 160))
    keypoints = image.people[0].keypoints
    assert keypoints[:, :2].tolist() == SEEN[:, :2].tolist()
    assert keypoints[:, 2].all()


@pytest.mark.parametrize("empty", [[], None])
def test_people_without_keypoints_count_only_as_boxes(tmp_path, empty):
    content = annotations(1, [person(1, 1, SEEN), person(2, 1, SEEN)])
    content["annotations"][0].update(keypoints=empty, num_keypoints=0)
    dataset = read(tmp_path, content)
    assert (dataset.person_count(), dataset.person_count(keypoints=False)) == (1, 2)


WARNED = {
    "an area of 1": (
        to_first(area="1.0"),
        r"annotations\[0\] \(area 1, bbox 12800\): area is far below that of bbox",
    ),
    "the area of the image": (
        to_first(area=640 * 480),
        r"\(area 307200, bbox 12800\): area is far above that of bbox",
    ),
    "corners": (
        to_first(bbox=[300, 200, 600, 400], area=None),
        r"annotations\[0\]: bbox leaves its image",
    ),
    "names alike": (
        lambda content: content.update(categories=[{**PERSON, "keypoints": ["point"] * 17}]),
        "COCO's 17",
    ),
    "a confidence as visibility": (
        lambda content: content["annotations"][0]["keypoints"].__setitem__(2, 0.87),
        "visibility is not 0, 1 or 2",
    ),
    "a wrong count": (
        lambda content: content["annotations"][1].update(num_keypoints=0),
        "num_keypoints is not the number",
    ),
    "no size": (lambda content: content["images"][0].update(width=0), "width and height are not"),
    "an image twice": (
        lambda content: content["images"].append(dict(content["images"][0])),
        r"images\[1\]: is listed twice",
    ),
    "an annotation twice": (
        lambda content: content["annotations"].append(dict(content["annotations"][0])),
        r"annotations\[2\]: is listed twice",
    ),
    "ids twice": (lambda content: content["annotations"][1].update(id=1, area=9000), "both count"),
    "a caption": (
        lambda content: content["annotations"].append({"id": 3, "image_id": 1, "category_id": 1}),
        "neither bbox nor keypoints; left out",
    ),
    "another image": (
        lambda content: content["annotations"].append(person(3, 9, SEEN)),
        r"annotations\[2\] \(image_id 9\): is of an image that is not listed; left out",
    ),
    "no names": (lambda content: content.update(categories=[{"id": 1, "name": "person"}]), "COCO's 17"),
}  # fmt: skip


@pytest.mark.parametrize("kind", WARNED)
def test_what_figures_do_not_need_is_one_warning(tmp_path, kind):
    change, warning = WARNED[kind]
    content = annotations(1, [person(1, 1, SEEN), person(2, 1, MOVED)])
    change(content)
    dataset = read(tmp_path, content)
    assert len(dataset.images) == 1
    assert len(dataset.images[0].people) == 2
    assert dataset.keypoints == tuple(PERSON["keypoints"])
    (told,) = dataset.warnings
    assert re.search(f"person_keypoints_made.json: .*{warning}", told)


def test_ids_of_images_may_be_texts(tmp_path):
    content = annotations(2, [person(1, 1, SEEN)])
    content["images"][0]["id"] = content["annotations"][0]["image_id"] = "00a"
    content["images"][1]["id"] = 7
    dataset = read(tmp_path, content)
    assert [image.id for image in dataset.images] == ["00a", "7"]
    assert len(dataset.images[0].people) == 1


@pytest.mark.parametrize("listed", ["NFC", "NFD"])
@pytest.mark.parametrize("stored", ["NFC", "NFD"])
@pytest.mark.parametrize("before", ["", "C:\\photos\\"])
def test_names_are_found_however_their_letters_are_composed(tmp_path, before, listed, stored):
    name = "é/Ångström-가.jpg" if not before else "Ångström-가.jpg"
    file = tmp_path / unicodedata.normalize(stored, name)
    file.parent.mkdir(exist_ok=True)
    file.touch()
    content = one_person()
    content["images"][0]["file_name"] = before + unicodedata.normalize(listed, name)
    (image,) = read(tmp_path, content).images
    assert image.path == file


def test_one_of_several_categories_with_keypoints_is_chosen_by_name(tmp_path):
    content = annotations(1, [person(1, 1, SEEN), person(2, 1, SEEN, category_id=2)])
    content["categories"] = [{**PERSON, "name": "player"}, {**PERSON, "id": 2, "name": "Referee"}]
    with pytest.raises(DatasetError, match="2 categories have keypoints: player, Referee") as error:
        read(tmp_path, content)
    assert error.value.hint == "choose one: --category player"
    (image,) = read(tmp_path, content, category="referee").images
    assert [each.id for each in image.people] == [2]
    with pytest.raises(DatasetError, match="no category is called plyer") as error:
        read(tmp_path, content, category="plyer")
    assert error.value.hint == "did you mean player?"


def test_a_missing_file_and_invalid_json_are_refused(tmp_path):
    path = tmp_path / "cut.json"
    path.write_text(json.dumps(one_person())[:100])
    with pytest.raises(DatasetError, match=r"cut.json: is not JSON"):
        coco.read_coco_dataset(path, tmp_path)
    path.write_text("[" * 200_000)
    with pytest.raises(DatasetError, match=r"cut.json: is not JSON"):
        coco.read_coco_dataset(path, tmp_path)
    path.write_bytes(b"\xff\xd8\xff\xe0 a photo")
    with pytest.raises(DatasetError, match=r"cut.json: is not a text file") as caught:
        coco.read_coco_dataset(path, tmp_path)
    assert "person_keypoints_val2017.json" in caught.value.hint
    with pytest.raises(DatasetError, match=r"none.json: cannot be read: No such file"):
        coco.read_coco_dataset(tmp_path / "none.json", tmp_path)
    with pytest.raises(DatasetError, match="cannot be read"):
        coco.read_coco_dataset(tmp_path, tmp_path)


@pytest.mark.parametrize(
    ("name", "content", "problem", "hint"),
    [
        ("cvat.xml", "<annotations/>", "is XML, such as CVAT's own", "COCO Keypoints"),
        ("tasks.json", '[{"id": 1, "data": {}, "annotations": []}]', "not a COCO", "Label Studio"),
        ("results.json", '[{"image_id": 1, "keypoints": []}]', "not a COCO", "COCO results"),
        (
            "pointer.json",
            f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 9\n",
            "is a Git LFS pointer",
            "git lfs pull",
        ),
    ],
)
def test_files_of_other_kinds_are_named_with_what_to_do(tmp_path, name, content, problem, hint):
    (tmp_path / name).write_text(content, "utf-8")
    with pytest.raises(DatasetError, match=problem) as caught:
        coco.read(tmp_path / name, tmp_path)
    assert hint in caught.value.hint


def test_a_person_who_is_annotated_twice_counts_twice_with_a_word(tmp_path):
    people = [person(1, 1, SEEN), person(2, 1, SEEN), person(3, 1, MOVED)]
    dataset = read(tmp_path, annotations(1, people))
    assert dataset.person_count() == 3
    (warning,) = dataset.warnings
    assert "annotations[1]: has the box and the keypoints of an earlier one" in warning


@pytest.mark.parametrize("folder", ["", "../upload/1/", "/data/upload/7/"])
def test_images_are_found_without_the_prefix_of_label_studio(tmp_path, folder):
    content = annotations(2, [person(1, 1, SEEN)])
    for number, image in enumerate(content["images"], 1):
        image["file_name"] = f"{folder}0a1b2c3d-{number}.jpg"
        (tmp_path / f"{number}.jpg").touch()
    paths = [image.path for image in read(tmp_path, content).images]
    assert paths == [tmp_path / "1.jpg", tmp_path / "2.jpg"]
    for image in content["images"]:
        image["file_name"] = f"{image['id']}a1b2c3d-1.jpg".zfill(14)
    assert not any(image.path.is_file() for image in read(tmp_path, content).images)
