"""CrowdPose's levels and COCO-WholeBody's parts have the AP that other tools compute for them."""

import copy
from pathlib import Path

import numpy as np
import pytest

from fakes.coco import PERSON, annotations, crowded, person, read_written, written
from measure.evaluation.test_coco_metrics import predictions_of, pycocotools_says
from posezoo.core.declarations.model import Family, Framework, License, ModelSpec
from posezoo.measure import coco
from posezoo.measure.evaluation.coco_metrics import (
    BODY_PARTS,
    compute_coco_metrics,
    compute_part_metrics,
    keypoint_sigmas,
)
from posezoo.measure.model_evaluation import select_keypoints
from posezoo.poses.keypoints import SKELETONS, WHOLE_BODY

pytest.importorskip("faster_coco_eval", reason="needs faster-coco-eval")

WHOLE_BODY_KEYS = {
    "keypoints": BODY_PARTS["body"],
    "foot_kpts": BODY_PARTS["foot"],
    "face_kpts": BODY_PARTS["face"],
    "lefthand_kpts": BODY_PARTS["lefthand"],
    "righthand_kpts": BODY_PARTS["righthand"],
}


# --- CrowdPose


def crowd_pose():
    """The difficult data set with CrowdPose's 14 keypoints and a crowd index for each image."""
    truth, results = crowded()
    names = SKELETONS["crowdpose-14"].keypoints
    truth["categories"] = [{**PERSON, "keypoints": list(names)}]
    for entry in (*truth["annotations"], *results):
        entry["keypoints"] = entry["keypoints"][: 3 * len(names)]
    for entry in truth["annotations"]:
        del entry["area"]
        entry["num_keypoints"] = int(np.count_nonzero(entry["keypoints"][2::3]))
    random = np.random.default_rng(5)
    for image in truth["images"]:
        image["crowdIndex"] = float(random.choice([0, 0.1, 0.2, 0.5, 0.79, 0.8, 1]))
    return truth, results


def faster_coco_eval_says(path, results):
    """AP, AP easy, medium and hard of its CrowdPose metrics."""
    library = pytest.importorskip("faster_coco_eval")
    truth = library.COCO(str(path))
    evaluation = library.COCOeval_faster(
        truth,
        truth.loadRes(copy.deepcopy(results)),
        "keypoints_crowd",
        use_area=False,
        kpt_oks_sigmas=np.array(SKELETONS["crowdpose-14"].sigmas),
        print_function=lambda *_: None,
    )
    evaluation.params.catIds = [1]
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    stats = evaluation.stats
    return [float(stats[0]), *map(float, stats[-3:])]


def test_the_levels_of_crowd_pose_have_the_ap_of_faster_coco_eval(tmp_path):
    truth, results = crowd_pose()
    path = written(tmp_path, truth)
    dataset = coco.read_coco_dataset(path, tmp_path)
    predictions = predictions_of(results)
    parts = compute_part_metrics(dataset, predictions)
    ours = [compute_coco_metrics(dataset, predictions)["AP"], *parts.values()]
    assert list(parts) == ["AP_easy", "AP_medium", "AP_hard"]
    assert len(set(ours)) == 4
    judged = faster_coco_eval_says(path, results)
    assert ours[0] == pytest.approx(judged[0], abs=1e-9)
    assert ours[1:] == pytest.approx(judged[1:], abs=5e-5)  # it rounds the levels to 4 digits


# --- COCO-WholeBody


def whole_bodies(seed=3):
    """(annotations, results): people of whom some have no labelled hand, and what was found."""
    random = np.random.default_rng(seed)
    people, results = [], []
    for number in range(1, 201):
        points = np.column_stack([random.uniform(50, 400, (133, 2)), random.choice([0, 2], 133)])
        for part in BODY_PARTS.values():
            points[part, 2] *= random.random() < 0.8
        split = {key: points[part].ravel().tolist() for key, part in WHOLE_BODY_KEYS.items()}
        body = points[BODY_PARTS["body"]]
        image = int(random.integers(1, 60))
        entry = person(number, image, body, bbox=(50.0, 50.0, 350.0, 350.0))
        people.append({**entry, **split})
        found = points.copy()
        found[:, :2] += random.normal(0, random.choice([1, 6, 25]), (133, 2))
        found[:, 2] = random.random(133)
        score = float(random.random())
        flat = found.ravel().tolist()
        results.append({"image_id": image, "category_id": 1, "keypoints": flat, "score": score})
    return annotations(60, people), results


def judged_ap(folder, truth, results, part):
    """AP of some keypoints, as if they were all: COCO's own tools know no parts."""
    names = SKELETONS[WHOLE_BODY].keypoints[part]
    content = copy.deepcopy(truth)
    for entry in content["annotations"]:
        joined = np.concatenate([np.reshape(entry[key], (-1, 3)) for key in WHOLE_BODY_KEYS])
        entry["keypoints"] = joined[part].ravel().tolist()
        entry["num_keypoints"] = int(np.count_nonzero(joined[part][:, 2]))
    content["categories"] = [{**PERSON, "keypoints": list(names)}]
    selected = copy.deepcopy(results)
    for entry in selected:
        entry["keypoints"] = np.reshape(entry["keypoints"], (-1, 3))[part].ravel().tolist()
    sigmas = SKELETONS[WHOLE_BODY].sigmas[part]
    return pycocotools_says(written(folder, content), selected, sigmas=sigmas)["AP"]


def test_whole_bodies_and_their_parts_have_the_ap_of_pycocotools(tmp_path):
    truth, results = whole_bodies()
    dataset = read_written(tmp_path, truth, "whole_body.json")
    predictions = predictions_of(results)
    ours = {"whole": compute_coco_metrics(dataset, predictions)["AP"]}
    ours |= compute_part_metrics(dataset, predictions)
    parts = {"whole": slice(0, 133)}
    parts |= {f"AP_{name}": part for name, part in BODY_PARTS.items()}
    judged = {name: judged_ap(tmp_path, truth, results, part) for name, part in parts.items()}
    assert ours == pytest.approx(judged, abs=1e-9)
    assert len({round(value, 6) for value in ours.values()}) == 6


def test_a_model_of_bodies_is_compared_with_the_body_alone_which_is_said(tmp_path):
    truth, results = whole_bodies()
    dataset = read_written(tmp_path, truth, "whole_body.json")
    whole = compute_part_metrics(dataset, predictions_of(results))
    events = []
    body = select_keypoints(model_of("coco-17"), dataset, events.append)
    for entry in results:
        entry["keypoints"] = entry["keypoints"][: 3 * 17]
    ours = compute_coco_metrics(body, predictions_of(results))["AP"]
    assert ours == pytest.approx(whole["AP_body"], abs=1e-9)
    assert "has the 133 keypoints of COCO-WholeBody; net finds the 17" in events[0].message
    assert select_keypoints(model_of("coco-17"), body, events.append) is body
    assert select_keypoints(model_of(WHOLE_BODY), dataset, events.append) is dataset
    assert len(events) == 1


def model_of(skeleton):
    """A model that only declares its keypoints."""
    return ModelSpec(
        "net",
        Family.PUBLIC,
        Path("net"),
        description="",
        task="human_pose_estimation",
        framework=Framework.ONNX,
        license=License("MIT"),
        files=(),
        skeleton=skeleton,
    )


@pytest.mark.parametrize("name", ["coco-17", "halpe-26", "crowdpose-14", WHOLE_BODY])
def test_each_keypoint_set_has_its_own_sigmas(name):
    skeleton = SKELETONS[name]
    annotated = coco.CocoDataset("data", Path("data.json"), Path(), skeleton.keypoints, ())
    assert keypoint_sigmas(annotated) == pytest.approx(skeleton.sigmas, abs=1e-12)


def test_hidden_keypoints_count_as_labelled(tmp_path):
    truth, results = whole_bodies()
    for entry in truth["annotations"]:
        entry["face_kpts"][2::3] = [1] * (len(entry["face_kpts"]) // 3)
    dataset = read_written(tmp_path, truth, "whole_body.json")
    assert "AP_face" in compute_part_metrics(dataset, predictions_of(results))
