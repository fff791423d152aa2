"""rfdetr's own pre- and postprocessing and ours, with the same network file.

The network finds discs of colors, so it sees an exchange of red and blue. The judge is the preprocessing that rfdetr has
for exported files, in NumPy, and its ``PostProcess``.
"""

import cv2
import pytest
from PIL import Image

from fakes.irs import state_images
from fakes.loaded_irs import load_ir
from fakes.published_models import MEAN, SCALE
from fakes.when_used import import_when_used
from judges.agreement import Agreement
from judges.packages import check_version, rfdetr_module
from posezoo.core.ir.openvino_import import import_openvino
from posezoo.proof.reference_outputs import EXACT

disc_people = import_when_used("fakes.disc_people")
torch = import_when_used("torch")


ov = import_openvino()
SIDE = 576
RFDETR = "rfdetr 1.11.2"
# The default of RFDETR.predict.
THRESHOLD = 0.5


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    """As rfdetr exports it."""
    folder = tmp_path_factory.mktemp("rfdetr")
    return ov.Core().read_model(disc_people.rf_detr_discs(folder, SIDE))


@pytest.fixture(scope="module")
def estimator(network, tmp_path_factory):
    """The IR takes BGR, 0 to 255, as those of posezoo."""
    steps = ov.preprocess.PrePostProcessor(network.clone())
    image = steps.input()
    image.tensor().set_color_format(ov.preprocess.ColorFormat.BGR).set_layout(ov.Layout("NCHW"))
    image.preprocess().convert_color(ov.preprocess.ColorFormat.RGB).mean(MEAN).scale(SCALE)
    image.model().set_layout(ov.Layout("NCHW"))
    xml = tmp_path_factory.mktemp("ir") / "rf_detr.xml"
    ov.save_model(state_images(steps.build()), xml, compress_to_fp16=False)
    return load_ir(xml)


def ask_rfdetr(network, pictures):
    """Keypoints (17, 2) of each person, as rfdetr finds them in each picture."""
    check_version("rfdetr", RFDETR)
    preprocess = rfdetr_module("export._runtime.preprocess").preprocess_to_nchw
    postprocess = rfdetr_module("models.postprocess").PostProcess(100, [17])
    compiled = ov.Core().compile_model(network, "CPU", EXACT)

    def find(picture):
        image = Image.fromarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB))
        outputs = compiled(preprocess(image, SIDE, SIDE))
        names = {"pred_boxes": "dets", "pred_logits": "labels", "pred_keypoints": "keypoints"}
        tensors = {name: torch.tensor(outputs[output]) for name, output in names.items()}
        (found,) = postprocess(tensors, torch.tensor([picture.shape[:2]]))
        is_person = found["scores"] > THRESHOLD
        return [person[:, :2] for person in found["keypoints"][is_person].numpy()]

    return [find(picture) for picture in pictures]


def test_rf_detr_finds_the_people_of_rfdetr(recorded, network, estimator, pictures):
    """Both stretch the picture to the input; rfdetr does not round its values to whole numbers."""
    assert estimator.decoder == "rf_detr"
    every = [*pictures, *[disc_people.draw_people(seed) for seed in range(20)]]
    answer = recorded.people("rfdetr", RFDETR, lambda: ask_rfdetr(network, every))
    agreement = Agreement(answer.by)
    for picture, judged in zip(every, answer.people, strict=True):
        agreement.add(judged, [pose.keypoints[:, :2] for pose in estimator(picture)])
    agreement.check("rf_detr")
