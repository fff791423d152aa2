"""The commands of docs/howto/measure_your_own.md."""

import json
import shutil

import cv2
import pytest

from fakes.command import posezoo, printed
from fakes.pages import ROOT, commands

PAGE = ROOT / "docs" / "howto" / "measure_your_own.md"


def test_the_page_measures_on_photos_and_videos_as_pasted(npm_mirror, shared, tmp_path):
    """Two photos, and a video of one that stands still."""
    pytest.importorskip("faster_coco_eval", reason="needs faster-coco-eval")
    photos = shared / "data" / "photos"
    content = json.loads((photos / "person_keypoints.json").read_text("utf-8"))
    (tmp_path / "photos").mkdir()
    images = content["images"][:2]
    numbers = [image["id"] for image in images]
    people = [each for each in content["annotations"] if each["image_id"] in numbers]
    for image in images:
        shutil.copy(photos / image["file_name"], tmp_path / "photos")
    few = {**content, "images": images, "annotations": people}
    (tmp_path / "people.json").write_text(json.dumps(few), "utf-8")

    first = cv2.imread(str(tmp_path / "photos" / images[0]["file_name"]))[:426]  # codecs want even
    codec = cv2.VideoWriter.fourcc(*"MJPG")
    video = cv2.VideoWriter(str(tmp_path / "walk.avi"), codec, 10, first.shape[1::-1])
    for _ in range(6):
        video.write(first)
    video.release()

    environ = {"POSEZOO_MIRROR": str(npm_mirror), "POSEZOO_WEIGHTS_DIR": str(tmp_path / "models")}
    # Another program would have written it.
    words = ("--annotations", "people.json", "--images", "photos", "-o", ".")
    printed(posezoo("evaluate", "movenet-thunder", *words, cwd=tmp_path, **environ))
    outputs = []
    for command in commands(PAGE):
        output = printed(posezoo(*command.split()[1:], cwd=tmp_path, **environ))
        outputs.append(output)
    of_results, on_device, by_posture, of_video = outputs
    assert "results.json: " in of_results and "AP" in of_results
    assert "on CPU" in on_device
    assert "POSTURE" in by_posture and "upright" in by_posture
    frames = json.loads((tmp_path / "poses" / "walk_poses.json").read_text("utf-8"))["frames"]
    assert len(frames) == 6 and all(frame["poses"][0]["track_id"] == 1 for frame in frames)
    assert "6 frames, at most 1 person in one" in of_video
