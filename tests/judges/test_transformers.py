"""Our crop and decoder of ViTPose, and those of transformers, on the same photos with the same network."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
import yaml

from fakes.colored_discs import COLORS, HeatmapDiscs, check_drawn_discs, discs_onnx
from judges.agreement import Agreement
from judges.packages import judge, name_of
from judges.photos import pixel_indices, random_boxes
from posezoo.poses.ssd_detection import Box
from posezoo.poses.top_down import crop_align
from posezoo.run.runtime.loading import load_ir
from posezoo.run.runtime.runtime_config import LoadOptions

INPUT = (192, 256)


@pytest.fixture(scope="module")
def processor():
    """ViTPose's own pre- and postprocessing, without torchvision."""
    judge("transformers")
    from transformers.models.vitpose.image_processing_pil_vitpose import VitPoseImageProcessorPil

    return VitPoseImageProcessorPil()


def corner_and_sides(box: np.ndarray) -> list[float]:
    """A box (x0, y0, x1, y1) in COCO's form."""
    return [*box[:2], *(box[2:] - box[:2])]


@pytest.mark.slow
def test_vitpose_sees_the_same_crop(processor, pictures):
    """transformers warps with SciPy in floats, we as ViTPose's authors with OpenCV, which rounds positions to 1/32 px."""
    differences = []
    for seed, picture in enumerate(pictures):
        height, width = picture.shape[:2]
        for box in random_boxes(2, (width, height), seed):
            seen = processor(
                picture, boxes=[[corner_and_sides(box)]], do_rescale=False, do_normalize=False
            )["pixel_values"][0].transpose(1, 2, 0)
            ours = crop_align(Box(*box), (width, height), INPUT).extract(picture)
            differences.append(np.abs(ours.astype(float) - seen).mean())
    assert np.median(differences) < 1 and np.max(differences) < 3


@pytest.fixture(scope="module")
def vitpose(place):
    """The IR of a small network in ViTPose's form."""
    content = discs_onnx(HeatmapDiscs(17), place.models.parent, 256, 192, "heatmaps")
    place.publish("rtmpose-t", content)
    path = place.models / "public" / "rtmpose-t" / "model.yml"
    declared = yaml.safe_load(path.read_text("utf-8"))
    outputs = [{"name": "heatmaps", "shape": [1, 17, 64, 48], "role": "heatmaps"}]
    decoder = {"name": "heatmap", "convention": "udp"}
    path.write_text(yaml.safe_dump(declared | {"outputs": outputs, "decoder": decoder}), "utf-8")
    place.run("get", "rtmpose-t", "-o", place.out, "--precisions", "FP32")
    return place.ir("rtmpose-t")


def compare(processor, ir, pictures, **options: int) -> Agreement:
    estimator = load_ir(ir, options=LoadOptions(decoder_options=options))
    network = HeatmapDiscs(17).eval()
    agreement = Agreement(name_of("transformers"))
    for seed, picture in enumerate(pictures):
        for box in random_boxes(2, picture.shape[1::-1], seed):
            boxes = [[corner_and_sides(box)]]
            rgb = np.ascontiguousarray(picture[..., ::-1])
            inputs = processor(rgb, boxes=boxes, return_tensors="pt")
            with torch.no_grad():
                heatmaps = network(inputs["pixel_values"].float())
            judged = processor.post_process_pose_estimation(
                SimpleNamespace(heatmaps=heatmaps), boxes=boxes
            )[0][0]["keypoints"].numpy()
            (pose,) = estimator(picture, boxes=[tuple(box)])
            agreement.add([judged], [pixel_indices(pose)])
    return agreement


@pytest.mark.slow
def test_vitpose_finds_the_keypoints_of_transformers(processor, pictures, vitpose):
    """transformers smooths maps with a sigma of 0.8 cells, whatever the width of the kernel; so does OpenCV with 3.

    What is left is the side of a picture: to SciPy all is black from the center of the outermost pixels.
    """
    compare(processor, vitpose, pictures, blur=3).check("vitpose")


@pytest.mark.slow
def test_vitpose_smooths_maps_as_its_authors(processor, pictures, vitpose):
    """With OpenCV's Gaussian of 11 cells, whose sigma is 2; transformers has these 11 cells with 0.8."""
    agreement = compare(processor, vitpose, pictures)
    agreement.check_people("vitpose_default")
    assert agreement.figures()["median"] <= 0.01


@pytest.mark.slow
@pytest.mark.parametrize("keypoint", range(len(COLORS)))
def test_a_heatmap_network_finds_a_disc_where_it_was_drawn(vitpose, keypoint):
    """A cell is half a pixel."""
    check_drawn_discs(load_ir(vitpose), keypoint)
