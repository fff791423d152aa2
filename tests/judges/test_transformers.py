"""Our crop and decoder of ViTPose, and those of transformers, on the same photos with the same network."""

from types import SimpleNamespace

import numpy as np
import pytest
import yaml

from fakes.loaded_irs import load_ir
from fakes.when_used import import_when_used
from judges.agreement import Agreement
from judges.packages import judge
from judges.photos import pixel_indices, random_boxes
from posezoo.run.runtime.runtime_config import LoadOptions

colored_discs = import_when_used("fakes.colored_discs")
torch = import_when_used("torch")

INPUT = (192, 256)


TRANSFORMERS = "transformers 5.23.0"


def load_processor():
    """ViTPose's own pre- and postprocessing, without torchvision."""
    judge("transformers", TRANSFORMERS)
    from transformers.models.vitpose.image_processing_pil_vitpose import VitPoseImageProcessorPil

    return VitPoseImageProcessorPil()


@pytest.fixture(scope="module")
def vitpose(place):
    """The IR of a small network in ViTPose's form."""
    content = colored_discs.discs_onnx(
        colored_discs.HeatmapDiscs(17), place.models.parent, 256, 192, "heatmaps"
    )
    place.publish("rtmpose-t", content)
    path = place.models / "public" / "rtmpose-t" / "model.yml"
    declared = yaml.safe_load(path.read_text("utf-8"))
    outputs = [{"name": "heatmaps", "shape": [1, 17, 64, 48], "role": "heatmaps"}]
    decoder = {"name": "heatmap", "convention": "udp"}
    path.write_text(yaml.safe_dump(declared | {"outputs": outputs, "decoder": decoder}), "utf-8")
    place.run("get", "rtmpose-t", "-o", place.out, "--precisions", "FP32")
    return place.ir("rtmpose-t")


def ask_transformers(pictures, boxes):
    """The keypoints of the person in each box of each picture."""
    processor, network = load_processor(), colored_discs.HeatmapDiscs(17).eval()

    def find(picture, box):
        places = [[[*box[:2], *(box[2:] - box[:2])]]]  # in COCO's form
        rgb = np.ascontiguousarray(picture[..., ::-1])
        inputs = processor(rgb, boxes=places, return_tensors="pt")
        with torch.no_grad():
            maps = SimpleNamespace(heatmaps=network(inputs["pixel_values"].float()))
        found = processor.post_process_pose_estimation(maps, boxes=places)
        return found[0][0]["keypoints"].numpy()

    return [
        [find(picture, box) for box in its] for picture, its in zip(pictures, boxes, strict=True)
    ]


def compare(recorded, ir, pictures, **options):
    boxes = [random_boxes(2, picture.shape[1::-1], seed) for seed, picture in enumerate(pictures)]
    answer = recorded.people(
        "transformers/vitpose", TRANSFORMERS, lambda: ask_transformers(pictures, boxes)
    )
    estimator = load_ir(ir, options=LoadOptions(decoder_options=options))
    agreement = Agreement(answer.by)
    for picture, its, found in zip(pictures, boxes, answer.people, strict=True):
        for box, judged in zip(its, found, strict=True):
            (pose,) = estimator(picture, boxes=[tuple(box)])
            agreement.add([judged], [pixel_indices(pose)])
    return agreement


def test_vitpose_finds_the_keypoints_of_transformers(recorded, pictures, vitpose):
    """transformers smooths maps with a sigma of 0.8 cells, whatever the width of the kernel; so does OpenCV with 3.

    What is left is the side of a picture: to SciPy all is black from the center of the outermost pixels.
    """
    compare(recorded, vitpose, pictures, blur=3).check("vitpose")


def test_vitpose_smooths_maps_as_its_authors(recorded, pictures, vitpose):
    """With OpenCV's Gaussian of 11 cells, whose sigma is 2; transformers has these 11 cells with 0.8."""
    agreement = compare(recorded, vitpose, pictures)
    agreement.check_people("vitpose_default")
    assert agreement.figures()["median"] <= 0.01
