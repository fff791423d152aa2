"""Write the landmarks that MediaPipe's own Pose finds: run_mediapipe.py [--whole_graph] [--masks] [--video] PHOTO... OUT.json

``make judges`` makes the environment in which it runs. Each landmark is x and y in pixels of the photo, and its
visibility; z in these pixels; and x, y and z in meters. There is none if no person is found.
With --video, the photos are the frames of a video of 30 frames a second: a person is followed, and smoothed.
With --masks, the mask of the person in the first photo is in OUT.json.0.npy, (H, W) float32, and so on.
"""

import json
import sys

import cv2
import mediapipe as mp
import numpy as np

WHOLE_GRAPH = "--whole_graph"
MASKS = "--masks"
VIDEO = "--video"


def find_landmarks(pose, photo: str, mask: str) -> list[list[float]]:
    image = cv2.imread(photo)
    height, width = image.shape[:2]
    result = pose.process(cv2.cvtColor(image, cv2.COLOR_BGR2RGB))
    if not result.pose_landmarks:
        return []
    if result.segmentation_mask is not None:
        np.save(mask, result.segmentation_mask)
    pairs = zip(result.pose_landmarks.landmark, result.pose_world_landmarks.landmark)  # noqa: B905 - Python 3.9
    return [
        [at.x * width, at.y * height, at.visibility, at.z * width, world.x, world.y, world.z]
        for at, world in pairs
    ]


def main(*args: str) -> None:
    if WHOLE_GRAPH in args:
        # Python drops the options of calculators whose messages it does not know.
        import mediapipe.calculators.util.refine_landmarks_from_heatmap_calculator_pb2  # noqa: F401
    *photos, out = (arg for arg in args if arg not in (WHOLE_GRAPH, MASKS, VIDEO))
    options = {"static_image_mode": VIDEO not in args, "enable_segmentation": MASKS in args}
    with mp.solutions.pose.Pose(model_complexity=1, **options) as pose:
        found = [
            find_landmarks(pose, photo, f"{out}.{place}.npy") for place, photo in enumerate(photos)
        ]
    with open(out, "w", encoding="utf-8") as file:
        json.dump(found, file)


main(*sys.argv[1:])
