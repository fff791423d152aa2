"""Time one solution of the installed package mediapipe: solutions_process.py SOLUTION FOLDER...

Prints JSON: milliseconds of wall and CPU time an image (median), on photos and on a video; in how
many of them the solution found all that it looks for, because only these count; and the most memory
in MiB. It runs with MediaPipe and with posezoo's stand-in alike.
"""

import glob
import json
import resource
import sys
import time
from importlib import import_module
from typing import Any

import cv2
import numpy as np
from work_done import require_found

assert sys.platform != "win32", "Windows has no module resource"
solution, *folders = sys.argv[1:]
mp = import_module("mediapipe")
#: Each module and class, and the parts of its results.
module, name, parts = {
    "pose": ("pose", "Pose", ["pose_landmarks"]),
    "hands": ("hands", "Hands", ["multi_hand_landmarks"]),
    "face_detection": ("face_detection", "FaceDetection", ["detections"]),
    "face_mesh": ("face_mesh", "FaceMesh", ["multi_face_landmarks"]),
    "holistic": (
        "holistic",
        "Holistic",
        [f"{part}_landmarks" for part in ("pose", "face", "left_hand", "right_hand")],
    ),
    "selfie_segmentation": ("selfie_segmentation", "SelfieSegmentation", ["segmentation_mask"]),
}[solution]
create = getattr(getattr(mp.solutions, module), name)


def read(path: str) -> Any:
    """An image, RGB."""
    image: Any = cv2.imread(path)
    return image[..., ::-1].copy()


def is_complete(results: Any) -> bool:
    """Whether each part was found."""
    return all(getattr(results, part) is not None for part in parts)


def measure(images: list[Any], kind: str, **options: bool) -> tuple[dict[str, float], list[Any]]:
    """Milliseconds of wall and CPU time of the images in which all was found; and these images."""
    wall, cpu, complete = [], [], []
    with create(**options) as instance:
        instance.process(images[0])
        for image in images:
            before, used = time.perf_counter(), time.process_time()
            results = instance.process(image)
            taken, computed = time.perf_counter() - before, time.process_time() - used
            if is_complete(results):
                wall.append(1000 * taken)
                cpu.append(1000 * computed)
                complete.append(image)
    require_found(f"{solution}, {kind}", len(complete))
    figures = {
        f"{kind}_ms": round(float(np.median(wall)), 2),
        f"{kind}_cpu_ms": round(float(np.median(cpu)), 2),
        f"{kind}_found": len(complete),
    }
    return figures, complete


photos = [read(path) for folder in folders for path in sorted(glob.glob(f"{folder}/*.[jp][pn]g"))]
is_static = {} if "face_detection" in module or "selfie" in module else {"static_image_mode": True}
of_photos, complete = measure(photos * 3, "photo", **is_static)
# The last photo in which all was found, at ten places.
still = cv2.resize(complete[-1], (640, 480))
of_video, _ = measure([np.roll(still, 2 * place, axis=1) for place in range(10)] * 3, "video")
memory_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
print(json.dumps({**of_photos, **of_video, "memory_mib": memory_mib}))
