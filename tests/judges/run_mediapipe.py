"""Write the landmarks that MediaPipe's own Pose finds: run_mediapipe.py [--whole_graph] PHOTO... OUT.json

``make judges`` makes the environment in which it runs. Each landmark is x and y in pixels of the photo, and its
visibility; z in these pixels; and x, y and z in meters. There is none if no person is found.
"""

import json
import sys

import cv2
import mediapipe as mp

WHOLE_GRAPH = "--whole_graph"


def find_landmarks(pose, photo: str) -> list[list[float]]:
    image = cv2.imread(photo)
    height, width = image.shape[:2]
    result = pose.process(cv2.cvtColor(image, cv2.COLOR_BGR2RGB))
    if not result.pose_landmarks:
        return []
    pairs = zip(result.pose_landmarks.landmark, result.pose_world_landmarks.landmark)  # noqa: B905 - Python 3.9
    return [
        [at.x * width, at.y * height, at.visibility, at.z * width, world.x, world.y, world.z]
        for at, world in pairs
    ]


def main(*args: str) -> None:
    if WHOLE_GRAPH in args:
        # Python drops the options of calculators whose messages it does not know.
        import mediapipe.calculators.util.refine_landmarks_from_heatmap_calculator_pb2  # noqa: F401
    *photos, out = (arg for arg in args if arg != WHOLE_GRAPH)
    with mp.solutions.pose.Pose(static_image_mode=True, model_complexity=1) as pose:
        found = [find_landmarks(pose, photo) for photo in photos]
    with open(out, "w") as file:
        json.dump(found, file)


main(*sys.argv[1:])
