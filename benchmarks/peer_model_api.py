"""The other side of bench_decoders: Open Model Zoo's decoders in openvino-model-api 0.2.5.4.

It runs in its own environment (`make peer-env`) and loads a file of maps. For each line `case
turns` on stdin, it prints a line of JSON: the milliseconds of each turn; or, for 0 turns, poses and
scores.

    build/model-api-env/bin/python benchmarks/peer_model_api.py maps.npz
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import cv2
import numpy as np

warnings.simplefilter("ignore")  # openvino.runtime is deprecated


def decoders() -> dict[str, Callable[[Mapping[str, Any]], Any]]:
    """The decoders of model_api, by the role of the maps."""
    from model_api.models.hpe_associative_embedding import AssociativeEmbeddingDecoder
    from model_api.models.open_pose import OpenPose, OpenPoseDecoder

    openpose = OpenPoseDecoder(18)
    embeddings = AssociativeEmbeddingDecoder(
        num_joints=17,
        max_num_people=30,
        detection_threshold=0.1,
        use_detection_val=True,
        ignore_too_much=False,
        tag_threshold=1,
        pose_threshold=0.1,
    )
    return {
        "openpose": lambda maps: openpose(
            maps["heatmaps"],
            OpenPose.heatmap_nms(maps["heatmaps"], maps["pooled_heatmaps"]),
            maps["pafs"],
        ),
        "associative_embedding": lambda maps: embeddings(
            maps["heatmaps"], maps["embeddings"], nms_heatmaps=maps["nms_heatmaps"]
        ),
    }


def main() -> None:
    """Read the maps, then answer until stdin ends."""
    cv2.setNumThreads(1)
    maps: dict[str, dict[str, Any]] = {}
    for key, values in np.load(sys.argv[1]).items():
        case, _, role = key.rpartition("/")
        maps.setdefault(case, {})[role] = values
    decode = decoders()
    for line in sys.stdin:
        case, turns = line.split()
        run = decode[case.split("/")[0]]
        if turns == "0":
            poses, scores = run({role: values.copy() for role, values in maps[case].items()})
            answer: Any = [np.asarray(poses)[:, :, :3].tolist(), np.asarray(scores).tolist()]
        else:
            answer = []
            for _ in range(int(turns)):
                start_time = time.perf_counter()
                run(maps[case])
                answer.append(1000 * (time.perf_counter() - start_time))
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
