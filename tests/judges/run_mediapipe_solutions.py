"""Write the hands and faces that MediaPipe's own programs find: run_mediapipe_solutions.py PHOTO... OUT.json

``make judges`` makes the environment in which it runs. OUT.json has, for each photo, by the names of our models a
list of dictionaries: ``points`` are x and y in pixels of the photo, and z in these pixels, if it is known; and for
hands ``label`` and ``world``.
"""

import json
import sys

import cv2
import mediapipe as mp

solutions = mp.solutions


def points_of(landmarks, size) -> list[list[float]]:
    width, height = size
    return [[at.x * width, at.y * height, at.z * width] for at in landmarks.landmark]


def find_hands(program, image, size) -> list[dict]:
    result = program.process(image)
    hands = zip(  # noqa: B905 - Python 3.9
        result.multi_hand_landmarks or [],
        result.multi_handedness or [],
        result.multi_hand_world_landmarks or [],
    )
    return [
        {
            "points": points_of(landmarks, size),
            "label": handedness.classification[0].label,
            "world": [[at.x, at.y, at.z] for at in world.landmark],
        }
        for landmarks, handedness, world in hands
    ]


def find_meshes(program, image, size) -> list[dict]:
    faces = program.process(image).multi_face_landmarks or []
    return [{"points": points_of(face, size)} for face in faces]


def find_faces(program, image, size) -> list[dict]:
    width, height = size
    places = [face.location_data for face in program.process(image).detections or []]
    return [
        {"points": [[at.x * width, at.y * height] for at in place.relative_keypoints]}
        for place in places
    ]


def main(*args: str) -> None:
    *photos, out = args
    many = {"static_image_mode": True}
    hands, mesh = solutions.hands.Hands, solutions.face_mesh.FaceMesh
    detection = solutions.face_detection.FaceDetection
    programs = {
        "hand-landmark-full": (find_hands, hands(max_num_hands=4, **many)),
        "hand-landmark-lite": (find_hands, hands(max_num_hands=4, model_complexity=0, **many)),
        "face-landmark": (find_meshes, mesh(max_num_faces=4, **many)),
        "face-landmark-attention": (
            find_meshes,
            mesh(max_num_faces=4, refine_landmarks=True, **many),
        ),
        "face-detection-short": (find_faces, detection()),
        "face-detection-full": (find_faces, detection(model_selection=1)),
    }
    found = []
    for photo in photos:
        bgr = cv2.imread(photo)
        image = cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)
        size = image.shape[1], image.shape[0]
        found.append({name: find(each, image, size) for name, (find, each) in programs.items()})
    with open(out, "w", encoding="utf-8") as file:
        json.dump(found, file)


main(*sys.argv[1:])
