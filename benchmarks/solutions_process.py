"""Time one solution of the installed package mediapipe: solutions_process.py SOLUTION FOLDER

Prints JSON: milliseconds of wall and CPU time an image (median), on photos and on a video, and the
most memory in MiB. It runs with MediaPipe and with posezoo's stand-in alike.
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

assert sys.platform != "win32", "Windows has no module resource"
solution, folder = sys.argv[1:]
mp = import_module("mediapipe")
module, name = {
    "pose": ("pose", "Pose"),
    "hands": ("hands", "Hands"),
    "face_detection": ("face_detection", "FaceDetection"),
    "face_mesh": ("face_mesh", "FaceMesh"),
    "holistic": ("holistic", "Holistic"),
    "selfie_segmentation": ("selfie_segmentation", "SelfieSegmentation"),
}[solution]
create = getattr(getattr(mp.solutions, module), name)


def read(path: str) -> Any:
    """An image, RGB."""
    image: Any = cv2.imread(path)
    return image[..., ::-1].copy()


photos = [read(path) for path in sorted(glob.glob(f"{folder}/*.jpg"))]
# A person with face and hands, at ten places.
still = cv2.resize(read(f"{folder}/000000256353.jpg"), (640, 480))
video = [np.roll(still, 2 * place, axis=1) for place in range(10)] * 3


def measure(images: list[Any], **options: bool) -> tuple[float, float]:
    """Milliseconds of wall and CPU time an image."""
    wall, cpu = [], []
    with create(**options) as instance:
        instance.process(images[0])
        for image in images:
            before, used = time.perf_counter(), time.process_time()
            instance.process(image)
            wall.append(1000 * (time.perf_counter() - before))
            cpu.append(1000 * (time.process_time() - used))
    return round(float(np.median(wall)), 2), round(float(np.median(cpu)), 2)


is_static = {} if "face_detection" in module or "selfie" in module else {"static_image_mode": True}
photo_ms, photo_cpu_ms = measure(photos, **is_static)
video_ms, video_cpu_ms = measure(video)
print(
    json.dumps(
        {
            "photo_ms": photo_ms,
            "photo_cpu_ms": photo_cpu_ms,
            "video_ms": video_ms,
            "video_cpu_ms": video_cpu_ms,
            "memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        }
    )
)
