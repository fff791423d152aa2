"""Each solution gives what MediaPipe gives, for photos and videos; tests/recorded/mediapipe has its answers."""

import subprocess
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from judges import solution_cases
from judges.packages import mediapipe_files, mediapipe_python
from judges.solution_cases import CASES, answer

BY = "mediapipe 0.10.21"
SAMPLES = Path(__file__).resolve().parents[2] / "src" / "posezoo" / "media" / "samples"
MODULES = ("pose", "hands", "face_mesh", "face_detection", "holistic", "selfie_segmentation")

#: How far landmarks may be away: in pixels, the median and the largest of a photo, and of a video, whose regions follow
#: from landmarks.
PHOTO_PX, VIDEO_PX = (0.1, 1.0), (0.5, 5.0)


def read_sample(name):
    return np.ascontiguousarray(cv2.imread(str(SAMPLES / name))[..., ::-1])


def film(picture):
    """A window moves over a picture, by some pixels a frame; then nobody is there; then it begins again.

    The region of a frame follows from the landmarks before, so a difference grows three times a frame.
    """
    height, width = picture.shape[:2]
    frames = [picture[4 * step :, 6 * step :][: height - 32, : width - 48] for step in range(3)]
    return np.stack([*frames, *[np.full_like(frames[0], 128)] * 2, *frames])


@pytest.fixture(scope="module")
def pictures():
    """The sample photos and the drawn hand, two of a kind side by side, and nothing; and videos: RGB."""
    astronaut, hand = read_sample("astronaut.png"), read_sample("hand.png")
    two_hands = np.concatenate([hand, hand[:, ::-1]], axis=1)
    return {
        "astronaut": astronaut,
        "camera": read_sample("camera.png"),
        "hand": hand,
        "two_hands": two_hands,
        "two_faces": np.concatenate([astronaut, astronaut[:, ::-1]], axis=1),
        "blank": np.full_like(astronaut, 128),
        "walk": film(astronaut),
        "waving": film(two_hands),
    }


@pytest.fixture(scope="module")
def theirs(recorded, pictures, tmp_path_factory):
    """What MediaPipe answers to all cases."""

    def ask():
        folder = tmp_path_factory.mktemp("asked")
        asked, out = folder / "pictures.npz", folder / "answers.npz"
        np.savez(asked, **pictures)
        command = [mediapipe_python(), solution_cases.__file__, asked, out]
        subprocess.run(command, check=True, capture_output=True, timeout=600)
        with np.load(out) as answers:
            return dict(answers)

    return recorded.arrays("mediapipe/solutions", BY, ask)


@pytest.fixture(scope="module")
def solutions(mediapipe):
    """Our solutions, as ``mp.solutions``, with the networks of MediaPipe's wheel."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in mediapipe.items():
            patch.setenv(name, value)
        modules = {name: import_module(f"posezoo.solutions.{name}") for name in MODULES}
        yield SimpleNamespace(**modules)


def pixels_apart(ours, judged, size):
    """How far visible landmarks are away, in pixels; hands and faces state no visibility."""
    away = np.hypot(*((ours - judged)[:, :2] * size).T)
    is_seen = judged[:, 3] > 0.5 if judged.shape[1] == 4 else np.zeros(0)
    return away[is_seen] if is_seen.any() else away


def check_other_values(name, ours, judged):
    """Compare what is not in pixels; False if there is nothing else."""
    apart = np.abs(ours - judged)
    group = name.rpartition("/")[2]
    if group == "mask":
        assert apart.mean() <= 1e-3, name
    elif group.startswith("side"):
        assert apart[0, [0, 2]].max() == 0 and apart[0, 1] <= 0.01, name
    elif "world" in group:
        assert np.median(apart[:, :3]) <= 0.005, name
    else:
        assert apart.shape[1] == 2 or np.median(apart[:, 2:]) <= 0.01, name
        return False
    return True


def require_network(name):
    """Skip the test if a network that MediaPipe's wheel does not have was not downloaded by npm."""
    if all(file.name != name for file, _ in mediapipe_files()):
        pytest.skip("npm is not installed")


# The heavy network is the full one with five times as many weights.
@pytest.mark.parametrize(
    "case",
    CASES,
)
def test_a_solution_gives_what_mediapipe_gives(case, solutions, theirs, pictures):
    if case in ("pose_lite", "pose_heavy"):
        require_network(f"pose_landmark_{case.removeprefix('pose_')}.tflite")
    judged = {name: group for name, group in theirs.items() if name.startswith(f"{case}/")}
    ours = answer(solutions, case, pictures)
    assert ours.keys() == judged.keys() and judged
    for bounds, ndim in ((PHOTO_PX, 3), (VIDEO_PX, 4)):
        away = [
            pixels_apart(ours[name], group, pictures[picture].shape[-2:-4:-1])
            for name, group in judged.items()
            for picture in [name.split("/")[1]]
            if pictures[picture].ndim == ndim and not check_other_values(name, ours[name], group)
        ]
        if away:
            median, largest = bounds
            distances = np.concatenate(away)
            assert np.median(distances) <= median and distances.max() <= largest
