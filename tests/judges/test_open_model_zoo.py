"""Open Model Zoo's own wrappers and ours: OpenPose on photos, associative embedding on drawn maps.

With their decoders, which tests use as peers, the result is theirs. Our own decoders find the same people at other
places: theirs are at quarters of a cell. Photos are cut to squares: beside another photo, their input is black at the right, and ours is grey at both sides.
"""

import sys

import numpy as np
import openvino
import pytest

from fakes import crowds, omz_decoders
from fakes.processor import HAS_VNNI_WITHOUT_AMX
from judges.agreement import Agreement
from judges.annotated import average_precision
from judges.packages import OPEN_MODEL_ZOO, open_model_zoo
from judges.photos import cut_square
from posezoo import decode
from posezoo.core.declarations.model import Precision
from posezoo.core.pipeline.get import get_irs
from posezoo.poses.keypoints import SKELETONS, coco_order, to_pixel_indices
from posezoo.run.runtime.loading import load_estimator
from posezoo.run.runtime.runtime_config import LoadOptions

#: Of a network with an input of 512 x 512; a cell of the maps is 4 or 8 pixels wide.
SIZE = (512, 512)
SCENES = [(kind, seed) for kind in ("plain", "sizes", "overlapping") for seed in range(8)]


def known(keypoints):
    """(17, 2): keypoints without the missing ones, whose score is 0."""
    return np.where(keypoints[:, 2:] > 0, keypoints[:, :2], np.nan)


def in_coco_order(pose):
    return pose.keypoints[list(coco_order(SKELETONS[pose.skeleton]))]


@pytest.fixture(scope="module")
def openpose(zoo):
    spec = zoo.registry.find("human-pose-estimation-0001")
    return spec, get_irs(spec, Precision.FP16_INT8, zoo)


@pytest.mark.parametrize("has_same_decoder", [True, False])
def test_openpose_finds_the_people_of_open_model_zoo(
    recorded, openpose, pictures, square_truth, monkeypatch, has_same_decoder
):
    # The answer is from a processor without AMX, and the bounds are narrow.
    if not HAS_VNNI_WITHOUT_AMX and (has_same_decoder or recorded.asks):
        pytest.skip("needs a CPU with VNNI and without AMX")
    if has_same_decoder:
        monkeypatch.setattr(
            "posezoo.poses.openpose.decode_openpose",
            lambda maps, size, options, *_, **__: omz_decoders.decode_openpose(maps, size, options),
        )
    spec, irs = openpose
    squares = [cut_square(picture) for picture in pictures]
    options = LoadOptions(target_size=256, aspect_size=(256, 256))
    estimator = load_estimator(spec, irs, options)

    def ask():
        with open_model_zoo() as (models, adapters):
            core = openvino.Core()
            exact = {"INFERENCE_PRECISION_HINT": "f32"}
            adapter = adapters.OpenvinoAdapter(core, str(irs[spec.name]), plugin_config=exact)
            configuration = {"aspect_ratio": 1.0, "confidence_threshold": 0.1}
            wrapper = models.OpenPose(adapter, configuration, preload=True)
            return [list(wrapper(square)[0][0]) for square in squares]

    answer = recorded.people("open-model-zoo/openpose", OPEN_MODEL_ZOO, ask)
    agreement = Agreement(answer.by)
    theirs, ours = [], []
    for picture, judged in zip(squares, answer.people, strict=True):
        found = [in_coco_order(pose) for pose in estimator(picture)]
        agreement.add([known(person) for person in judged], [known(person) for person in found])
        theirs.append([to_pixel_indices(person) for person in judged])
        ours.append([to_pixel_indices(person) for person in found])
    agreement.ap = average_precision(square_truth, theirs), average_precision(square_truth, ours)
    if has_same_decoder:
        agreement.check("openpose_same_decoder")
    else:
        agreement.record("openpose")


def ask_for_groups(maps):
    """The people of heatmaps, their peaks and tags, in cells."""
    with open_model_zoo() as (models, _):
        module = sys.modules[models.HpeAssociativeEmbedding.__module__]
        # As its wrapper calls it.
        decoder = module.AssociativeEmbeddingDecoder(
            num_joints=17,
            adjust=True,
            refine=True,
            delta=0.0,
            max_num_people=30,
            detection_threshold=0.1,
            tag_threshold=1,
            pose_threshold=0.1,
            use_detection_val=True,
            ignore_too_much=False,
            dist_reweight=True,
        )
        found = [
            decoder(heatmaps.copy(), tags, nms_heatmaps=nms)[0] for heatmaps, nms, tags in maps
        ]
        return [list(people[:, :, :3]) for people in found]


def test_embeddings_are_grouped_as_by_open_model_zoo(recorded):
    drawn = []
    for kind, seed in SCENES:
        heatmaps, tags = crowds.embedding_maps(crowds.group(kind, seed, SIZE), seed)
        nms = np.where(heatmaps == crowds.pooled(heatmaps, 2), heatmaps, 0)
        drawn.append((heatmaps, nms, tags))
    answer = recorded.people(
        "open-model-zoo/embeddings", OPEN_MODEL_ZOO, lambda: ask_for_groups(drawn)
    )
    agreement = Agreement(answer.by)
    for (heatmaps, _, tags), people in zip(drawn, answer.people, strict=True):
        found = decode("associative_embedding", {"heatmaps": heatmaps, "embeddings": tags}, SIZE)
        cell = SIZE[0] / heatmaps.shape[3]
        judged = [known(person * (cell, cell, 1)) for person in people]
        agreement.add(judged, [known(pose.keypoints) for pose in found])
    agreement.check_people("embeddings")
