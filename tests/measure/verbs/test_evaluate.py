"""posezoo evaluate on real photos: metrics, files, images and errors."""

import re
import shutil
from contextlib import suppress
from dataclasses import replace

import cv2
import numpy as np
import pytest

from fakes import scaling_irs
from fakes.coco import PERSON, annotations, crowded, person, written
from fakes.command import json_of, misuse, posezoo, read_json, refusal, succeeded
from fakes.own_files import declare
from fakes.small_disk import small_disk
from fakes.stated_inputs import ULTRALYTICS, write_whole_input
from measure.evaluation.test_coco_metrics import pycocotools_says
from posezoo.core.declarations.skeletons import SKELETONS
from posezoo.core.errors import EvaluationError
from posezoo.core.files.verified_files import compute_digest
from posezoo.core.registry import open_registry
from posezoo.figures.measured import read_measurement_file
from posezoo.measure import coco
from posezoo.measure.model_evaluation import require_matching_skeleton

pytest.importorskip("faster_coco_eval", reason="needs faster-coco-eval")

MODEL = "human-pose-estimation-0001"
pytestmark = pytest.mark.usefixtures("networks_stay_compiled")


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """An IR that is faster than a real one, and finds nobody: for what does not depend on the people."""
    path = tmp_path_factory.mktemp("tiny") / "tiny.xml"
    return scaling_irs.write_ir(path, {"heatmaps": 19, "pafs": 38})


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out"


@pytest.fixture
def evaluate(mirror, models, shared, out):
    """``evaluate(*args)`` on the first photos, with everything that it needs from the mirror."""
    photos = shared / "data" / "photos"
    environ = {"POSEZOO_MIRROR": str(mirror), "POSEZOO_WEIGHTS_DIR": str(models)}

    def run(
        *args,
        model=MODEL,
        data=("--annotations", photos / "person_keypoints.json", "--images", photos),
    ):
        precision = () if f"{model}".endswith((".xml", ".onnx")) else ("--precision", "FP16-INT8")
        return posezoo("evaluate", model, *precision, "-o", out, *data, *args, **environ)

    return run


def test_shards_in_several_processes_give_the_same_report(evaluate, tmp_path):
    args = ("--height", 256, "--limit", 9, "--force", "--format", "json")
    reports = [json_of(evaluate(*args, *flags)) for flags in ((), ("--cluster", "local:2"))]
    assert reports[0] == reports[1]
    assert reports[0]["images"] == 9
    assert reports[0]["provenance"]["files"]
    assert len(reports[0]["provenance"]["files"]) == 2


@pytest.mark.parametrize("name", ["accuracy.json", "results.json", "tables.json", "mine.json"])
def test_files_of_the_user_in_the_folder_of_the_results_stay(evaluate, out, name):
    mine = out / name
    mine.parent.mkdir()
    mine.write_bytes(b"mine")
    flags = ("--height", 256, "--limit", 1, "--quiet")
    ended = succeeded(evaluate(*flags))
    kept = mine if name == "mine.json" else mine.with_name(f"{name}.bak1")
    assert kept.read_bytes() == b"mine"
    assert ("kept as" in ended.stderr) is (kept != mine)
    assert "kept as" not in evaluate(*flags).stderr  # the same command again


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_disk_that_is_full_at_the_end_loses_no_figures_from_the_screen(
    evaluate, tiny, tmp_path, form, out
):
    succeeded(evaluate("--limit", 1, model=tiny))
    (predictions,) = out.glob("predictions-*.jsonl")
    with small_disk(tmp_path / "disk", "64k") as disk:
        shutil.copy(predictions, disk)
        with suppress(OSError):
            (disk / "other").write_bytes(bytes(1 << 16))
        ended = evaluate("--limit", 1, "--format", form, "-o", disk, model=tiny)
    assert ended.returncode == 1
    assert f"error: {disk / 'accuracy.json'}: cannot be written: No space left" in ended.stderr
    if form == "json":
        answer = json_of(ended)
        assert answer["AP"] == 0
        assert "accuracy.json: cannot be written" in answer["error"]["problem"]
    else:
        assert "\nAP  " in ended.stdout


def test_metrics_results_tables_and_images_of_a_model_on_photos(evaluate, shared, tmp_path, out):
    report = json_of(
        succeeded(
            evaluate("--height", 368, "--limit", 3, "--worst", 2, "--format", "json", "--quiet")
        )
    )
    assert (report["images"], report["kept"], report["unreadable"]) == (3, 0, {})
    assert report["AP"] > 0.1
    low, high = report["intervals"]["AP"]
    assert low <= report["AP"] <= high
    assert report["settings"]["input"] == "656x368"
    assert [each["name"] for each in report["keypoints"]][:2] == ["nose", "left_eye"]
    assert len(report["pictures"]) == 3

    # COCO's own tools read the results, and compute the same metrics.
    results = read_json(out / "results.json")
    content = read_json(shared / "data" / "photos" / "person_keypoints.json")
    content["images"] = content["images"][:3]
    seen = {each["id"] for each in content["images"]}
    content["annotations"] = [each for each in content["annotations"] if each["image_id"] in seen]
    expected = pycocotools_says(written(tmp_path, content), results)
    assert {name: report[name] for name in expected} == expected

    ((name, found),) = read_measurement_file(out / "accuracy.json")
    assert (name, found.kind, found.precision.value) == (MODEL, "accuracy", "FP16-INT8")
    assert found.figures["AP"] == pytest.approx(report["AP"], rel=1e-5)
    drawn = sorted((out / "worst").glob("[!.]*"))
    assert [path.name[:3] for path in drawn] == ["01_", "02_"]
    assert all(cv2.imread(str(path)).shape[1] in (2 * 640, 2 * 612) for path in drawn)

    again = evaluate("--height", 368, "--limit", 3, "--format", "json")
    again_report = json_of(again)
    assert again_report["kept"] == 3
    assert {name: again_report[name] for name in expected} == expected
    assert "images" not in again.stderr  # no image was predicted again
    fresh = json_of(evaluate("--height", 368, "--limit", 3, "--format", "json", "--force"))
    assert fresh["kept"] == 0
    # Predictions of another input size are not reused.
    other = json_of(evaluate("--limit", 1, "--format", "json"))
    assert (other["kept"], other["settings"]["input"]) == (0, "656x368")  # as model.yml declares


def test_predictions_of_another_processor_are_not_reused(evaluate, tiny, tmp_path, monkeypatch):
    (tmp_path / "cpuinfo").write_text("cpu family : 6\nmodel : 143\nflags : avx2 amx_int8\n")

    def kept():
        ended = succeeded(evaluate("--limit", 1, "--format", "json", model=tiny))
        return json_of(ended)["kept"]

    assert [kept(), kept()] == [0, 1]
    monkeypatch.setattr("posezoo.run.machine.PROC", tmp_path)
    assert [kept(), kept()] == [0, 1]


def test_predictions_for_other_boxes_are_not_reused(evaluate, tmp_path):
    network = scaling_irs.write_ir(tmp_path / "one_person.xml", {"heatmaps": 17})
    box = {"image_id": 397133, "category_id": 1, "bbox": [388, 69, 109, 278], "score": 0.9}
    flags = (*declare(network, "--decoder", "heatmap"), "--limit", 1, "--format", "json", "--boxes")

    def kept(*boxes):
        path = written(tmp_path, list(boxes), "boxes.json")
        return json_of(succeeded(evaluate(*flags, path, model=network)))["kept"]

    assert [kept(box), kept(box), kept({**box, "score": 0.8})] == [0, 1, 0]


def test_several_heights_give_one_table_and_a_folder_for_each(evaluate, tmp_path, out):
    ended = succeeded(evaluate("--heights", "256,368", "--limit", 2))
    rows = [
        line.split() for line in ended.stdout.splitlines() if line.strip()[:4] in ("256 ", "368 ")
    ]
    assert [row[:2] for row in rows] == [["256", "456x256"], ["368", "656x368"]]
    heading = ended.stdout.splitlines()[0]  # of all heights
    assert "256" not in heading
    assert "arithmetic" in heading
    for height in ("256", "368"):
        ((name, found),) = read_measurement_file(out / height / "accuracy.json")
        assert (name, found.settings["target_size"]) == (MODEL, int(height))


def test_the_main_metrics_are_one_short_table(evaluate):
    result = succeeded(evaluate("--limit", 1))
    assert len(result.stdout.splitlines()) <= 8
    assert [line.split()[0] for line in result.stdout.splitlines()[3:-1]] == [
        *("measured", "AP", "AR", "duplicates"),
    ]
    assert result.stdout.splitlines()[-1].startswith("--verbose shows all that is in ")


def test_the_report_shows_the_settings_and_where_the_model_fails(evaluate):
    result = succeeded(evaluate("--limit", 2, "--verbose"))
    for line in (
        "AP75",
        "95 % interval",
        "left_ankle",
        "WORST IMAGES",
        "arithmetic",
    ):
        assert line in result.stdout
    assert f"{MODEL}: 1 of 2 images" in result.stderr
    # Its publisher states the AP alone.
    (claim,) = open_registry().find(MODEL).published.accuracy
    header, ap = (line.split() for line in result.stdout.splitlines()[4:6])
    assert (header[0], header[-1]) == ("measured", "published")
    assert (ap[0], ap[-1]) == ("AP", f"{claim.value:.3f}")


def test_the_report_shows_the_published_value_and_why_it_may_differ(evaluate):
    result = succeeded(evaluate("--limit", 2, "--verbose"))
    (claim,) = open_registry().find(MODEL).published.accuracy
    assert f"published: AP {claim.value} ({claim.dataset}" in result.stdout
    assert (
        f"measured on 2 images of person_keypoints, published for {claim.dataset}" in result.stdout
    )
    assert "measured on the FP16-INT8 IR" in result.stdout
    assert "people from the model" in result.stdout.splitlines()
    assert "of another size" not in result.stdout
    smaller = evaluate("--limit", 1, "--height", 256, "--verbose")
    assert "measured with images of another size, 256" in smaller.stdout


def test_a_detector_is_evaluated_by_boxes(evaluate):
    report = json_of(
        succeeded(evaluate("--limit", 2, "--format", "json", model="person-detection-retail-0013"))
    )
    assert {"AP", "APs", "ARs"} <= report.keys()
    assert "AR50" not in report


@pytest.mark.parametrize(
    ("flag", "value", "code"),
    [("--boxes", "truth", 1), ("--detector", "person-detection-retail-0013", 2)],
)
def test_a_model_that_finds_people_itself_takes_neither_boxes_nor_a_detector(
    evaluate, flag, value, code
):
    ended = evaluate(flag, value, "--limit", 1)
    assert "takes neither boxes nor a detector" in refusal(ended, code)


def test_own_weights_run_on_annotated_boxes_with_flip_or_on_detector_boxes(evaluate, tmp_path, out):
    torch = pytest.importorskip("torch", reason="needs torch")
    from fakes.weights import conditioned

    network, checkpoint = "mobile_pose_mobilenetv3_small", tmp_path / "mine.pth"
    torch.save(conditioned(network).state_dict(), checkpoint)
    own = ("--checkpoint", checkpoint, "--model_name", "mine", "--precision", "FP16")
    args = (*own, "--limit", 2, "--format", "json")
    report = json_of(succeeded(evaluate(*args, "--boxes", "truth", "--flip", model=network)))
    assert (report["model"], report["settings"]["people_from"]) == ("mine", "the annotated boxes")
    assert report["settings"]["flip"]
    # Every person with annotated keypoints has a result.
    results = read_json(out / "results.json")
    assert len(results) == report["people"]
    assert report["published"] == []  # published values are of other weights
    flat = json_of(evaluate(*args, "--boxes", "truth", model=network))
    assert flat["kept"] == 0

    boxes = [
        {"image_id": each["id"], "category_id": 1, "bbox": [10, 10, 200, 300], "score": 0.5}
        for each in report["pictures"]
    ]
    path = written(tmp_path, boxes, "boxes.json")
    succeeded(evaluate(*args, "--boxes", path, model=network))
    results = read_json(out / "results.json")
    assert len(results) == 2
    assert max(result["score"] for result in results) <= 0.5


def test_weights_that_are_named_like_a_model_are_evaluated(evaluate, shared, tmp_path):
    weights = tmp_path / "mine.params"
    source = shared / "data" / "checkpoints" / "mobile_pose_mobilenetv3_small.params"
    shutil.copy(source, weights)
    said = ("--precision", "FP16", "--limit", 1, "--boxes", "truth", "--model_name", "named")
    assert succeeded(evaluate(*said, model=weights)).stdout.startswith("named (FP16 IR) on CPU")


def test_the_metrics_of_own_weights_do_not_have_the_name_of_a_published_model(
    evaluate, shared, tmp_path, out
):
    network = "mobile_pose_mobilenetv3_small"
    weights = tmp_path / "best epoch.params"
    shutil.copy(shared / "data" / "checkpoints" / f"{network}.params", weights)
    own = ("--precision", "FP16", "--limit", 1, "--checkpoint", weights, "--boxes", "truth")
    ended = succeeded(evaluate(*own, model=network))
    name = f"best-epoch-{compute_digest(weights).value[:8]}"
    assert ended.stdout.startswith(f"{name} (FP16 IR) on CPU")
    assert "AP " in ended.stdout
    assert read_json(out / "accuracy.json")["model"] == name
    assert json_of(evaluate(*own, "--format", "json", model=network))["model"] == name
    refused = refusal(evaluate(*own, "--record", model=network), code=2)
    assert "--record: only for a model; " in refused and "is weights of your own" in refused


@pytest.mark.parametrize(
    ("model", "problem"),
    [
        ("hand-landmark-full", "skeleton hand-21 does not match the annotations, which have that"),
        ("palm-detection-full", "skeleton palm-7 does not match the annotations, which have that"),
        ("face-landmark", "skeleton face-468 does not match the annotations, which have that"),
        ("selfie-segmentation", "finds the pixels of people, and the annotations have keypoints"),
    ],
)
def test_a_model_of_something_else_than_is_annotated_is_refused(
    evaluate, models, tmp_path, model, problem
):
    result = evaluate("--precision", "FP16", model=model, data=dataset_flags(tmp_path))
    assert (result.returncode, result.stdout) == (1, "")
    error, hint = result.stderr.splitlines()
    assert problem in error
    assert len(hint) < 500
    assert not [*models.rglob(f"*{model}*")]  # nothing is downloaded


def test_a_model_of_hands_matches_annotated_hands_and_no_annotated_bodies(tmp_path):
    _, path, _, images = dataset_flags(tmp_path)
    bodies = coco.read(path, images)
    hands = replace(bodies, keypoints=SKELETONS["hand-21"].keypoints)
    model = open_registry().find("hand-landmark-full")
    require_matching_skeleton(model, hands, of_boxes=False)
    with pytest.raises(EvaluationError):
        require_matching_skeleton(model, bodies, of_boxes=False)


def test_a_keypoint_without_a_known_sigma_is_refused_before_a_download(evaluate, models, tmp_path):
    hands = {**PERSON, "keypoints": [*SKELETONS["hand-21"].keypoints[:17]]}
    data = dataset_flags(tmp_path, categories=[hands])
    assert "sigmas are unknown for thumb_cmc, " in refusal(
        evaluate("--precision", "FP16", model="hand-landmark-full", data=data)
    )
    assert not [*models.rglob("*hand-landmark-full*")]


@pytest.mark.parametrize("flag", ["--height", "--heights"])
def test_a_height_that_a_model_cannot_have_is_refused_by_its_flag(evaluate, flag):
    args = ("--precision", "FP16", "--limit", 1, "--quiet", "--boxes", "truth")
    said = misuse(evaluate(*args, flag, 300, model="movenet-singlepose-lightning-int8"))
    problem = f"{flag} 300: movenet-singlepose-lightning-int8: its input size is fixed"
    assert said.splitlines()[-1] == f"error: {problem}"


def dataset_flags(tmp_path, **changes):
    points = np.column_stack([200 + np.arange(17), 100 + 9 * np.arange(17), np.full(17, 2)])
    content = {**annotations(3, [person(1, 1, points)]), **changes}
    return ("--annotations", written(tmp_path, content), "--images", tmp_path)


def test_missing_images_are_counted_and_named(evaluate, tmp_path, out):
    said = refusal(evaluate(data=dataset_flags(tmp_path)))
    assert "3 of 3 images are missing: 000000000001.jpg, 000000000002.jpg, 000000000003.jpg" in said
    assert "the folder has no images" in said
    assert not (out / "accuracy.json").exists()


def test_images_of_other_names_or_in_no_folder_are_explained(evaluate, shared, tmp_path):
    def rename(content):
        for image in content["images"]:
            image["file_name"] = image["file_name"].removesuffix(".jpg")

    data = on_photos(shared, tmp_path, rename)
    for flags in ((), ("--skip_unreadable",)):
        ended = evaluate(*flags, data=data)
        assert (ended.returncode, ended.stdout) == (1, "")
        assert "17 of 17 images are missing: 000000397133, " in ended.stderr
        assert "the folder has other names, such as 000000397133.jpg" in ended.stderr
    (tmp_path / "a_file").touch()
    for folder, problem in (("none", "no such folder"), ("a_file", "is not a folder")):
        assert f"error: {tmp_path / folder}: {problem}" in refusal(
            evaluate(data=(*data[:2], "--images", tmp_path / folder))
        )


def test_images_of_another_size_are_refused_also_after_a_run_that_kept_predictions(
    evaluate, tiny, shared, tmp_path
):
    def without_size(content):
        for image in content["images"]:
            del image["width"], image["height"]

    def with_others(content):
        for image in content["images"]:
            image["width"] += 1

    data = on_photos(shared, tmp_path, without_size)
    succeeded(evaluate("--limit", 1, model=tiny, data=data))
    data = on_photos(shared, tmp_path, with_others)
    ended = evaluate("--limit", 1, "--skip_unreadable", model=tiny, data=data)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "is 640x427, the annotations say 641x427" in ended.stderr


def test_annotations_of_other_images_are_told(evaluate, shared, tmp_path):
    def exchange(content):
        first, second = (each["id"] for each in content["images"][:2])
        others = {first: second, second: first}
        for each in content["annotations"]:
            each["image_id"] = others.get(each["image_id"], each["image_id"])

    right = succeeded(evaluate("--limit", 2))
    assert "warning" not in right.stderr
    wrong = succeeded(evaluate("--limit", 2, data=on_photos(shared, tmp_path, exchange)))
    assert (
        "no annotated person was found (of 3): are the annotations of these images" in wrong.stderr
    )


def test_photos_without_people_give_the_ghosts_alone(evaluate, tiny, tmp_path):
    for number in (1, 2):
        cv2.imwrite(str(tmp_path / f"{number:012}.jpg"), np.full((48, 64, 3), 90, np.uint8))
    content = annotations(2, [], size=(64, 48))
    data = ("--annotations", written(tmp_path, content), "--images", tmp_path)
    ended = succeeded(evaluate(model=tiny, data=data))
    warnings = [line for line in ended.stderr.splitlines() if "warning" in line]
    assert all("keypoints are assumed to be" in line for line in warnings)
    assert "2 images, 0 people of " in ended.stdout
    assert [line.split() for line in ended.stdout.splitlines() if "ghosts" in line] == [
        ["ghosts", "0.000"],
        ["sure_ghosts", "0.000"],
    ]
    for absent in ("AP", "KEYPOINT", "WORST"):
        assert absent not in ended.stdout
    sizes = succeeded(evaluate("--heights", "64,128", model=tiny, data=data))
    assert "HEIGHT  INPUT" in sizes.stdout
    crowd = person(1, 1, np.zeros((17, 3)), iscrowd=1)
    content["annotations"] = [crowd]
    assert "no person to evaluate" in refusal(
        evaluate(data=("--annotations", written(tmp_path, content), "--images", tmp_path))
    )


def test_an_image_whose_people_are_not_annotated_needs_no_file(evaluate, tiny, tmp_path):
    cv2.imwrite(str(tmp_path / f"{2:012}.jpg"), np.full((48, 64, 3), 90, np.uint8))
    content = annotations(2, [], size=(64, 48))
    content["images"][0]["is_labeled"] = False
    data = ("--annotations", written(tmp_path, content), "--images", tmp_path)
    ended = succeeded(evaluate("--limit", 1, model=tiny, data=data))
    assert ended.stderr.count("is_labeled is false for 1 of 2 images, which are left out") == 1
    assert "1 image, 0 people of " in ended.stdout


def test_keypoints_that_are_not_annotated_are_named_beside_the_figures(
    evaluate, shared, tmp_path, out
):
    def without_nose(content):
        content["categories"][0]["keypoints"].remove("nose")
        for each in content["annotations"]:
            del each["keypoints"][:3]

    ended = succeeded(evaluate("--limit", 1))
    assert "not annotated" not in ended.stdout
    changed = on_photos(shared, tmp_path, without_nose)
    ended = succeeded(evaluate("--limit", 1, "--verbose", data=changed))
    assert "not annotated, so not counted: nose\n" in ended.stdout
    assert "measured without nose\n" in ended.stdout
    ((_, found),) = read_measurement_file(out / "accuracy.json")
    assert found.settings["keypoints"] == 16


def test_one_image_has_no_interval_and_keypoints_without_labels_no_share(
    evaluate, tiny, shared, tmp_path
):
    def without_ears(content):
        for each in content["annotations"]:
            each["keypoints"][9:15] = [0] * 6

    changed = on_photos(shared, tmp_path, without_ears)
    ended = succeeded(evaluate("--limit", 1, "--verbose", model=tiny, data=changed))
    assert "95 % interval" not in ended.stdout
    assert "95 % interval" in evaluate("--limit", 2, model=tiny).stdout
    (ear,) = (line for line in ended.stdout.splitlines() if line.startswith("left_ear "))
    assert ear.split() == ["left_ear", "0"]


def test_annotations_without_keypoints_are_refused_also_as_json(evaluate, tmp_path):
    box = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4]}
    changes = {"categories": [{"id": 1, "name": "person"}], "annotations": [box]}
    result = evaluate("--format", "json", data=dataset_flags(tmp_path, **changes))
    assert result.returncode == 1
    assert "has no keypoints" in json_of(result)["error"]["problem"]


def on_photos(shared, tmp_path, change):
    """The flags of the photos with changed annotations."""
    photos = shared / "data" / "photos"
    content = read_json(photos / "person_keypoints.json")
    change(content)
    return ("--annotations", written(tmp_path, content, "changed.json"), "--images", photos)


def test_one_of_two_categories_with_keypoints_is_chosen(evaluate, tiny, shared, tmp_path):
    def change(content):
        (person,) = content["categories"]
        content["categories"] = [{**person, "name": "player"}, {**person, "id": 2, "name": "coach"}]

    data = on_photos(shared, tmp_path, change)
    said = refusal(evaluate("--limit", 1, model=tiny, data=data))
    assert "2 categories have keypoints: player, coach" in said
    assert "hint: choose one: --category player" in said
    succeeded(evaluate("--limit", 1, "--category", "player", model=tiny, data=data))


def test_boxes_of_other_images_are_refused(evaluate, shared, tmp_path):
    photos = shared / "data" / "photos"
    content = read_json(photos / "person_keypoints.json")
    boxes = [
        {"image_id": each["image_id"], "category_id": 1, "bbox": each["bbox"], "score": 0.9}
        for each in content["annotations"]
    ]
    network = "mobile_pose_mobilenetv3_small"
    weights = shared / "data" / "checkpoints" / f"{network}.params"
    flags = ("--precision", "FP16", "--limit", 1, "--checkpoint", weights)
    flags += ("--boxes", written(tmp_path, boxes, "boxes.json"))
    right = succeeded(evaluate(*flags, model=network))
    assert "has no boxes" not in right.stderr
    written(tmp_path, [each for each in boxes if each["image_id"] != 397133], "boxes.json")
    some = evaluate(*flags, model=network)
    assert "boxes.json: has no boxes for 1 of 1 images with people" in some.stderr
    for each in boxes:
        each["image_id"] = f"{each['image_id']:012}"
    written(tmp_path, boxes, "boxes.json")
    wrong = evaluate(*flags, model=network)
    assert (wrong.returncode, wrong.stdout) == (1, "")
    assert "boxes are of images that" in wrong.stderr
    assert "hint: 000000397133 is a file name: write the id of its image, 397133" in wrong.stderr


def test_without_a_dataset_the_error_says_how_to_get_one(tmp_path):
    said = refusal(posezoo("evaluate", MODEL, XDG_CACHE_HOME=str(tmp_path)))
    assert "person_keypoints_val2017.json: does not exist" in said
    assert "posezoo dataset get coco-val2017" in said


@pytest.mark.parametrize(
    ("args", "problem"),
    [
        (("--annotations", "a.json"), "--annotations requires --images or --results"),
        (("--results", "r.json"), "either --results or MODEL"),
        (
            ("--annotations", "a.json", "--images", "b", "--coco_home", "c"),
            "either --annotations or --coco_home",
        ),
        (("--limit", "0"), "argument --limit: expected a whole number from 1"),
        (("--height", "7"), "argument --height: expected a whole number from 32 to 4096"),
        (("--height", "5000"), "argument --height: expected a whole number from 32 to 4096"),
        (("--boxes", "truth", "--detector", "none"), "either --boxes or --detector"),
        (("--model_name", "mine"), "--model_name: only for weights of your own"),
    ],
)
def test_invalid_flags_are_wrong_usage(args, problem):
    assert problem in refusal(posezoo("evaluate", MODEL, *args), code=2)


def test_a_file_of_results_has_the_metrics_of_pycocotools(tmp_path):
    content, results = crowded(60, people=130, found=600)
    truth = written(tmp_path, content)
    path = written(tmp_path, results, "results.json")
    ended = posezoo("evaluate", "--results", path, "--annotations", truth, "--format", "json")
    answer = json_of(succeeded(ended))
    judged = pycocotools_says(truth, results)
    assert {name: answer[name] for name in judged} == judged
    assert (answer["results"], answer["images"]) == (str(path), 60)
    text = succeeded(posezoo("evaluate", "--results", path, "--annotations", truth)).stdout
    assert text.startswith(f"{path}: 600 poses\n60 images, {answer['people']} people of ")
    assert re.search(rf"^AP  +{judged['AP']:.3f}  ", text, re.MULTILINE)


def test_flags_of_a_model_are_refused_for_a_file_of_results():
    args = ("evaluate", "--results", "r.json", "--annotations", "a.json", "--flip", "--force")
    said = misuse(posezoo(*args))
    assert "--force" in said and "--flip" in said
    assert "not with --results, for which no model runs" in said
    assert "name a model, or --results FILE" in misuse(posezoo("evaluate"))


def test_a_detector_has_no_poses_to_group(evaluate):
    said = refusal(evaluate("--by", "size", model="person-detection-retail-0013"))
    assert "person-detection-retail-0013: finds no keypoints, which --by needs" in said


def test_people_are_grouped_by_size_and_posture(evaluate, tiny):
    ended = evaluate("--by", "size", "--limit", 2, model=tiny)
    heading, *rows = [
        line.split() for line in ended.stdout.partition("SIZE ")[2].splitlines() if line
    ][:3]
    assert heading == ["PEOPLE", "FOUND", "SHARE", "AP"]
    assert [row[0] for row in rows] == ["medium", "large"]
    assert "no AP: fewer than 10 people" in ended.stdout
    assert "POSTURE" not in ended.stdout
    report = json_of(evaluate("--limit", 2, "--format", "json", model=tiny))
    for groups in (report["by_size"], report["by_posture"]):
        assert sum(group["people"] for group in groups) == report["people"]
    assert {group["title"] for group in report["by_posture"]} >= {"upright"}


def test_an_onnx_is_measured_like_an_ir(evaluate, tmp_path):
    """A network whose one person is the whole image: its box is right if the person is that large."""
    path = write_whole_input(tmp_path / "own.onnx", ULTRALYTICS)
    cv2.imwrite(str(tmp_path / f"{1:012}.jpg"), np.zeros((64, 64, 3), np.uint8))
    corner = person(1, 1, [63.5, 63.5, 2] * 17, bbox=(0, 0, 64, 64))
    file = written(tmp_path, annotations(1, [corner], size=(64, 64)))
    data = ("--annotations", file, "--images", tmp_path)
    for _ in ("measured", "from the kept predictions"):
        ended = succeeded(evaluate("--format", "json", model=path, data=data))
        assert json_of(ended)["AP"] == 1
    path.write_bytes(path.read_bytes()[:100])
    assert "own.onnx: is not a complete ONNX file" in refusal(evaluate(model=path, data=data))
