"""What is said where a part of MediaPipe is not in the stand-in."""

from posezoo.solutions.explanations import explain


def test_the_longest_path_explains():
    assert explain("mediapipe.tasks.python.vision.hand_landmarker.HandLandmark").endswith(
        "solutions.hands finds hands"
    )
    assert explain("mediapipe.tasks.python.vision").endswith("or use mediapipe.solutions")
