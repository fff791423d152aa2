"""What a page supposes that its reader has.

``python -m fakes.desk FOLDER PAGE`` writes it with the two photos of the package, in an environment without pytest.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from fakes.coco import NAMES, PERSON, person
from fakes.pages import ROOT, blocks_of
from posezoo.media.images import SAMPLE_PHOTOS

#: The people of the package's photos, annotated by eye: the astronaut, and the man with the camera.
PEOPLE = (
    {
        "nose": (224, 122),
        "left_eye": (248, 103),
        "right_eye": (202, 101),
        "left_shoulder": (318, 270),
        "right_shoulder": (95, 265),
    },
    {
        "nose": (254, 163),
        "right_eye": (236, 147),
        "right_ear": (188, 140),
        "right_shoulder": (98, 163),
        "right_elbow": (85, 292),
    },
)
BOXES = ((20, 10, 345, 500), (0, 62, 330, 450))
NETWORKS = ("net.onnx", "mine.onnx")
INPUTS = ("inputs.npz", "more.npz")


def put_on_desk(
    desk: Path, photos: Sequence[Path], annotations: dict[str, Any], zoo: Path, text: str
) -> None:
    """Write the files that pages name.

    Args:
        desk: an existing folder.
        photos: two photos or more.
        annotations: COCO's annotations of their people.
        zoo: a folder with ``models``.
        text: the page; what takes long to make, or needs packages, is made only if a block of the
            page names it.
    """
    named = "\n".join(block for _, block in blocks_of(text))
    (desk / "photos").mkdir()
    for photo in photos:
        shutil.copy(photo, desk / "photos")
    for path in (desk / "photos" / "person_keypoints.json", desk / "people.json"):
        path.write_text(json.dumps(annotations), "utf-8")
    for photo, name in zip(photos, ("photo.jpg", "crowd.jpg"), strict=False):
        cv2.imwrite(str(desk / name), cv2.imread(str(photo)))
    (desk / "your_zoo").symlink_to(zoo)
    shutil.copy(ROOT / "licenses" / "MIT-HRNet.txt", desk / "MIT.txt")
    if any(name in named for name in NETWORKS + INPUTS):
        write_networks(desk)
    write_video(desk / "walk.avi", cv2.imread(str(photos[1])), shift=8)
    if "yolov3-tiny.weights" in named:
        from fakes.caffe import squeeze_net
        from fakes.darknet import yolo_v3_tiny

        yolo_v3_tiny().save(desk).rename(desk / "yolov3-tiny.weights")
        (desk / "net.cfg").rename(desk / "yolov3-tiny.cfg")
        squeeze_net().save(desk, "deploy").rename(desk / "res10.caffemodel")
    if "mine.pth" in named:
        write_checkpoint(desk / "mine.pth")
    if "twelve.pth" in named:
        write_checkpoint(desk / "twelve.pth", keypoints=12)


def write_networks(desk: Path) -> None:
    """Small ONNX networks, and inputs for them; README's install has no onnx."""
    from fakes.network import HEIGHT, WIDTH, network

    for name in NETWORKS:
        (desk / name).write_bytes(network("onnx"))
    for name in INPUTS:
        np.savez(desk / name, image=np.full((1, 3, HEIGHT, WIDTH), 0.5, np.float32))


def write_video(path: Path, picture: np.ndarray, shift: int) -> None:
    """Five frames of a picture, each of them shifted by so many pixels."""
    codec = cv2.VideoWriter.fourcc(*"MJPG")
    video = cv2.VideoWriter(str(path), codec, 10, picture.shape[1::-1])
    for number in range(5):
        video.write(np.roll(picture, number * shift, axis=1))
    video.release()


def write_checkpoint(path: Path, **options: int) -> None:
    """The random weights of a small network of ours, the same on each run."""
    import torch

    from posezoo.networks import build_network

    torch.manual_seed(0)
    torch.save(build_network("mobile_pose_mobilenetv3_small", **options).state_dict(), path)


def annotate_samples() -> dict[str, Any]:
    """COCO's annotations of the package's photos, each with a person."""
    annotations = []
    images = []
    shown = zip(SAMPLE_PHOTOS, PEOPLE, BOXES, strict=True)
    for number, (photo, seen, box) in enumerate(shown, 1):
        points = [(*seen[name], 2) if name in seen else (0, 0, 0) for name in NAMES]
        annotations.append(person(number, number, points, bbox=box))
        rows, columns_, _ = cv2.imread(str(photo)).shape
        images.append(
            {"id": number, "file_name": Path(photo).name, "width": columns_, "height": rows}
        )
    return {"images": images, "annotations": annotations, "categories": [PERSON]}


def main() -> None:
    """Write the files of one page, whose zoo is a copy of ours."""
    desk, page = (Path(word).resolve() for word in sys.argv[1:])
    zoo = desk.with_name("zoo_of_the_reader")
    for name in ("models", "licenses"):
        shutil.copytree(ROOT / name, zoo / name)
    photos = [Path(photo) for photo in SAMPLE_PHOTOS]
    put_on_desk(desk, photos, annotate_samples(), zoo, page.read_text("utf-8"))


if __name__ == "__main__":
    main()
