"""Write what the solutions of the installed package mediapipe find: run_solutions.py PHOTO... OUT.json

It runs with MediaPipe and with posezoo's stand-in alike. Each photo is an image of its own, and over some of them a window
moves as the frames of a video. Landmarks are x and y in pixels, and z and the visibility; of a
world landmark x, y and z in meters.
"""

import json
import sys

import cv2
import mediapipe as mp
import numpy as np

FRAMES = 30
#: Photos with whole bodies, and those with hands and faces.
BODIES = ("000000000785.jpg", "000000433998.jpg", "000000442450.jpg")
HANDS_AND_FACES = ("000000229358.jpg", "000000256353.jpg", "000000349860.jpg")

solutions = mp.solutions
SOLUTIONS = {
    "pose": lambda is_static: solutions.pose.Pose(is_static, enable_segmentation=True),
    "hands": lambda is_static: solutions.hands.Hands(is_static, max_num_hands=4),
    "hands_lite": lambda is_static: solutions.hands.Hands(is_static, 4, model_complexity=0, min_detection_confidence=0.3),
    "face_mesh": lambda is_static: solutions.face_mesh.FaceMesh(is_static, 4),
    "face_mesh_refined": lambda is_static: solutions.face_mesh.FaceMesh(is_static, 4, refine_landmarks=True),
    "face_detection": lambda _: solutions.face_detection.FaceDetection(),
    "face_detection_full": lambda _: solutions.face_detection.FaceDetection(model_selection=1),
    "holistic": lambda is_static: solutions.holistic.Holistic(is_static, refine_face_landmarks=True),
    "selfie_segmentation": lambda _: solutions.selfie_segmentation.SelfieSegmentation(),
    "selfie_segmentation_landscape": lambda _: solutions.selfie_segmentation.SelfieSegmentation(1),
}  # fmt: skip
WITHOUT_VIDEO = ("face_detection", "face_detection_full", "selfie_segmentation")


def points_of(landmarks):
    return [[at.x, at.y, at.z, at.visibility] for at in landmarks.landmark]


def describe_detection(detection):
    location = detection.location_data
    box = location.relative_bounding_box
    corners = [[box.xmin, box.ymin], [box.xmin + box.width, box.ymin + box.height]]
    return corners + [[at.x, at.y] for at in location.relative_keypoints]


def describe(results):
    """Groups of landmarks by name, each None or a list of points; and the scores and labels."""
    groups, scores = {}, []
    for name in dir(results):
        value = getattr(results, name)
        if name == "segmentation_mask" and value is not None:
            groups[name] = np.round(value[::8, ::8], 4).tolist()
        elif name.endswith("landmarks") and not name.startswith("multi"):
            groups[name] = value and points_of(value)
        elif name.startswith("multi") and name.endswith("landmarks"):
            groups.update(
                {f"{name}/{place}": points_of(each) for place, each in enumerate(value or ())}
            )
        elif name == "multi_handedness":
            hands = [hand.classification[0] for hand in value or ()]
            scores = [[hand.label, hand.index, hand.score] for hand in hands]
        elif name == "detections":
            groups.update(
                {
                    f"{name}/{place}": describe_detection(each)
                    for place, each in enumerate(value or ())
                }
            )
            scores = [["face", each.label_id[0], each.score[0]] for each in value or ()]
    return {"groups": groups, "scores": scores}  # fmt: skip


def film(photo):
    height, width = photo.shape[:2]
    size = (int(0.8 * width), int(0.8 * height))
    for frame in range(FRAMES):
        turn = 2 * np.pi * frame / FRAMES
        x, y = (0.1 * width * (1 + np.sin(turn)), 0.1 * height * (1 + np.cos(turn)))
        yield cv2.warpAffine(photo, np.float64([[1, 0, -x], [0, 1, -y]]), size)


def main(*args):
    *photos, out = args
    found = {}
    for name, create in SOLUTIONS.items():
        with create(True) as solution:
            for photo in photos:
                image = cv2.cvtColor(cv2.imread(photo), cv2.COLOR_BGR2RGB)
                key = f"{name}/{photo.rpartition('/')[2]}"
                found[key] = describe(solution.process(image)) | {"size": image.shape[1::-1]}
        for photo in photos:
            filmed = BODIES if name in ("pose", "holistic") else HANDS_AND_FACES
            if photo.endswith(filmed) and not name.startswith(WITHOUT_VIDEO):
                with create(False) as solution:
                    for place, frame in enumerate(film(cv2.imread(photo)[..., ::-1])):
                        key = f"{name}_video/{photo.rpartition('/')[2]}/{place}"
                        found[key] = describe(solution.process(frame)) | {
                            "size": frame.shape[1::-1]
                        }
    with open(out, "w", encoding="utf-8") as file:
        json.dump(found, file)


main(*sys.argv[1:])
