"""Ask the solutions of the package mediapipe, or of posezoo: what they find in pictures and videos.

MediaPipe's own environment runs it, too, so it imports numpy alone: solution_cases.py PICTURES.npz OUT.npz
"""

import sys

import numpy as np


def pose(complexity):
    return lambda solutions, is_static: solutions.pose.Pose(
        is_static, complexity, enable_segmentation=True
    )


def hands(count, complexity):
    return lambda solutions, is_static: solutions.hands.Hands(is_static, count, complexity)


def face_mesh(refine):
    return lambda solutions, is_static: solutions.face_mesh.FaceMesh(is_static, 2, refine)


def face_detection(selection):
    return lambda solutions, _: solutions.face_detection.FaceDetection(model_selection=selection)


def holistic(solutions, is_static):
    return solutions.holistic.Holistic(is_static, refine_face_landmarks=True)


def selfie_segmentation(solutions, _):
    return solutions.selfie_segmentation.SelfieSegmentation()


BODIES = ("astronaut", "camera", "blank")
HANDS = ("hand", "two_hands", "blank")
FACES = ("astronaut", "two_faces", "blank")

#: By its name: what makes the solution, the photos, and the video that it is asked.
CASES = {
    "pose_lite": (pose(0), BODIES, ""),
    "pose_full": (pose(1), BODIES, "walk"),
    "pose_heavy": (pose(2), BODIES, ""),
    "one_hand": (hands(1, 1), HANDS, ""),
    "two_hands": (hands(2, 1), HANDS, "waving"),
    "four_hands": (hands(4, 1), HANDS, ""),
    "two_hands_lite": (hands(2, 0), HANDS, ""),
    "face_detection_near": (face_detection(0), FACES, ""),
    "face_detection_far": (face_detection(1), FACES, ""),
    "face_mesh": (face_mesh(False), FACES, ""),
    "face_mesh_refined": (face_mesh(True), FACES, "walk"),
    "holistic": (holistic, ("astronaut", "hand", "blank"), "walk"),
    "selfie_segmentation": (selfie_segmentation, ("astronaut", "camera"), ""),
}  # fmt: skip


def points_of(landmarks):
    return [[at.x, at.y, at.z, at.visibility] for at in landmarks.landmark]


def describe_detection(detection):
    """The corners of the box, the keypoints, and in the last row the score."""
    location = detection.location_data
    box = location.relative_bounding_box
    corners = [[box.xmin, box.ymin], [box.xmin + box.width, box.ymin + box.height]]
    keypoints = [[at.x, at.y] for at in location.relative_keypoints]
    return [*corners, *keypoints, [detection.score[0], 0]]


def describe(results):
    """An array for each group of landmarks that was found, each detection, the hands, and a mask's every 8th pixel."""
    described = {}
    for name in ("pose_landmarks", "pose_world_landmarks", "face_landmarks", "left_hand_landmarks", "right_hand_landmarks"):  # fmt: skip
        if getattr(results, name, None):
            described[name] = points_of(getattr(results, name))
    for name in ("multi_hand_landmarks", "multi_hand_world_landmarks", "multi_face_landmarks"):
        for place, landmarks in enumerate(getattr(results, name, None) or ()):
            described[f"{name} {place}"] = points_of(landmarks)
    for place, hand in enumerate(getattr(results, "multi_handedness", None) or ()):
        side = hand.classification[0]
        described[f"side {place}"] = [[side.index, side.score, side.label == "Left"]]
    for place, detection in enumerate(getattr(results, "detections", None) or ()):
        described[f"detections {place}"] = describe_detection(detection)
    mask = getattr(results, "segmentation_mask", None)
    if mask is not None:
        described["mask"] = mask[::8, ::8]
    # In an array of 512 pixels, 0.005 of a pixel.
    return {name: np.round(np.asarray(group, np.float32), 5) for name, group in described.items()}


def answer(solutions, case, pictures):
    """What a solution finds, by ``CASE/PICTURE/GROUP``, and ``CASE/VIDEO/FRAME/GROUP``.

    Args:
        pictures: uint8 (H, W, 3), RGB, by name; and videos of (frames, H, W, 3).
    """
    make, photos, video = CASES[case]
    answers = {}
    with make(solutions, True) as solution:
        for photo in photos:
            for group, points in describe(solution.process(pictures[photo])).items():
                answers[f"{case}/{photo}/{group}"] = points
    if not video:
        return answers
    with make(solutions, False) as solution:
        for place, frame in enumerate(pictures[video]):
            for group, points in describe(solution.process(frame)).items():
                answers[f"{case}/{video}/{place:02}/{group}"] = points
    return answers


def main(pictures_path, out):
    import mediapipe

    with np.load(pictures_path) as stored:
        pictures = {name: stored[name] for name in stored.files}
    answers = {}
    for case in CASES:
        answers.update(answer(mediapipe.solutions, case, pictures))
    np.savez_compressed(out, **answers)


if __name__ == "__main__":
    main(*sys.argv[1:])
