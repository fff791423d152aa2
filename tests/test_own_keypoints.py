"""A network that was trained for twelve keypoints of one's own, from its checkpoint to its accuracy."""

import hashlib
import json
from functools import cache
from itertools import pairwise

import numpy as np
import pytest
import yaml

import posezoo as posezoo_package
from fakes.coco import PERSON, person, written
from fakes.command import assert_success, posezoo, printed
from fakes.soak import soak
from fakes.when_used import import_when_used
from posezoo.core.errors import PosezooError
from posezoo.media.images import SAMPLE_PHOTOS, read_image
from posezoo.networks import build_network
from posezoo.poses.letterbox import letterbox_image
from posezoo.poses.openpose import DECODER

pytest.importorskip("faster_coco_eval", reason="needs faster-coco-eval")
torch = import_when_used("torch")

NETWORK = "mobile_pose_mobilenetv3_small"
COUNT = 12

#: Those of a person without the face: COCO states their sigmas.
NAMES = [
    f"{side}_{joint}"
    for joint in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
    for side in ("left", "right")
]

#: x, y, width and height of two people of the photo.
BOXES = [(20, 20, 300, 480), (270, 60, 200, 420)]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("trained") / "mine.pth"
    torch.save(build_network(NETWORK, keypoints=COUNT).state_dict(), path)
    return path


@pytest.fixture(scope="module")
def model(checkpoint, tmp_path_factory):
    """Its IR."""
    return converted(checkpoint, tmp_path_factory.mktemp("converted"))


def converted(checkpoint, folder, *flags):
    """The IR that the user gets."""
    chosen = ("--network", NETWORK, "--checkpoint", checkpoint, "--model_name", "mine")
    done = posezoo("convert", *chosen, "--precisions", "FP32", "--weights_dir", folder, *flags)
    assert_success(done)
    return folder / "public" / "mine" / "FP32" / "mine.xml"


def found(model, folder):
    """(12, 3): the keypoints of the photo as a whole."""
    chosen = ("--detector", "none", "--input", SAMPLE_PHOTOS[0], "--output", folder)
    done = posezoo("run", model, *chosen)
    assert_success(done)
    (image,) = json.loads((folder / "poses.json").read_text())["images"]
    (pose,) = image["poses"]
    assert pose["skeleton"] == f"keypoints-{COUNT}"
    return np.array([[each["x"], each["y"], each["score"]] for each in pose["keypoints"]])


def annotated(path, people):
    """A file in COCO's format, which says where the keypoints of the two people are."""
    annotations = [
        person(number, 1, points, bbox=box)
        for number, (points, box) in enumerate(zip(people, BOXES[: len(people)], strict=True), 1)
    ]
    image = {"id": 1, "file_name": SAMPLE_PHOTOS[0].name, "width": 512, "height": 512}
    category = {**PERSON, "keypoints": NAMES}
    content = {"images": [image], "annotations": annotations, "categories": [category]}
    return written(path.parent, content, path.name)


def evaluated(model, annotations, folder):
    """AP, and the keypoints of each person, as the annotations count pixels."""
    data = ("--annotations", annotations, "--images", SAMPLE_PHOTOS[0].parent, "--boxes", "truth")
    output = printed(
        posezoo("evaluate", model, *data, "--force", "--format", "json", "--output", folder)
    )
    results = json.loads((folder / "results.json").read_text())
    people = [np.reshape(each["keypoints"], (COUNT, 3)) for each in results]
    return json.loads(output)["AP"], people


def test_keypoints_of_ones_own_are_converted_run_and_evaluated(model, tmp_path):
    assert len(found(model, tmp_path / "run")) == COUNT
    wrong = [np.tile((5.0, 5.0, 2.0), (COUNT, 1)) for _ in BOXES]
    accuracy, people = evaluated(
        model, annotated(tmp_path / "wrong.json", wrong), tmp_path / "wrong"
    )
    assert accuracy == 0 and len(people) == len(BOXES)
    # Where the network found them, in the order of its outputs.
    for points in people:
        points[:, 2] = 2
    right = annotated(tmp_path / "right.json", people)
    assert evaluated(model, right, tmp_path / "right")[0] == pytest.approx(1)


def test_a_checkpoint_alone_is_recognized(checkpoint, tmp_path):
    assert len(found(checkpoint, tmp_path / "run")) == COUNT


#: The keypoints of one's own, none of which is COCO's: a name, and a place in the photo.
PLACES = {
    "kopf": (250, 90), "hals": (250, 150),
    "l_schulter": (330, 170), "r_schulter": (170, 170),
    "l_ellbogen": (380, 250), "r_ellbogen": (120, 250),
    "l_hand": (350, 330), "r_hand": (150, 330),
    "l_huefte": (300, 320), "r_huefte": (200, 320),
    "l_fuss": (310, 450), "r_fuss": (190, 450),
}  # fmt: skip
PAIRS = [[name, f"r{name[1:]}"] for name in PLACES if name.startswith("l_")]
CHAINS = [
    ["kopf", "hals"],
    *(["hals", f"{side}_schulter", f"{side}_ellbogen", f"{side}_hand"] for side in "lr"),
    *(["hals", f"{side}_huefte", f"{side}_fuss"] for side in "lr"),
]
EDGES = [list(edge) for chain in CHAINS for edge in pairwise(chain)]
KOERPER = {
    "keypoints": list(PLACES),
    "limbs": CHAINS,
    "flips": PAIRS,
    "sigmas": [0.08] * COUNT,
    "fields": [{"limb": edge, "channel": 2 * place} for place, edge in enumerate(EDGES)],
}

#: The networks, with the arguments that twelve keypoints make, their outputs and their inputs.
NETWORKS = {
    "mobile_pose_mobilenetv3_small": {"keypoints": COUNT},
    "hrnet": {"keypoints": COUNT, "width": 8},
    "lightweight_openpose": {"heatmaps": COUNT + 1, "pafs": 2 * len(EDGES)},
}
IMAGENET = {"mean": [123.675, 116.28, 103.53], "scale": [58.395, 57.12, 57.375]}
RGB = {"color": "RGB", "reverse_input_channels": True, **IMAGENET}
PORTS = {
    "lightweight_openpose": {
        "color": "BGR", "mean": [128] * 3, "scale": [256] * 3, "shape": [1, 3, 256, 456]
    },
    "hrnet": {"name": "image", "shape": [1, 3, 256, 192], **RGB},
}  # fmt: skip


def built(name):
    """The network with weights that keep the size of values through all layers."""
    network = build_network(name, **NETWORKS[name])
    for layer in network.modules():
        if isinstance(layer, torch.nn.Conv2d):
            torch.nn.init.kaiming_normal_(layer.weight)
            if layer.bias is not None:
                torch.nn.init.normal_(layer.bias, std=0.1)
    return network


def boxed_photo():
    """The photo in the network's input, and how it came there."""
    sizing = DECODER.input_sizing
    photo = read_image(SAMPLE_PHOTOS[0])
    return letterbox_image(photo, (456, 256), sizing.padding, sizing=sizing)


@cache
def fitted_openpose():
    """Weights that find the person at ``PLACES``: the last layers are fitted by least squares."""
    torch.manual_seed(0)
    network = built("lightweight_openpose")
    transform, boxed = boxed_photo()
    places = transform.matrix[:, :2] @ np.array(list(PLACES.values())).T
    places = (places + transform.matrix[:, 2:]).T / 8 - 0.5
    cells = np.stack(np.meshgrid(np.arange(57), np.arange(32)), axis=2).astype(float)
    squared = ((cells - places[:, None, None]) ** 2).sum(axis=3)
    heatmaps = np.exp(-squared / 2)
    wanted = {"heatmaps": np.concatenate([heatmaps, 1 - heatmaps.max(axis=0, keepdims=True)])}
    names = list(PLACES)
    fields = []
    for start, end in EDGES:
        one, other = places[names.index(start)], places[names.index(end)]
        way = other - one
        share = (((cells - one) @ way) / (way @ way)).clip(0, 1)
        near = ((cells - one - share[..., None] * way) ** 2).sum(axis=2) < 1.5
        fields += [near * side for side in way / np.linalg.norm(way)]
    wanted["pafs"] = np.array(fields)
    seen = {}
    layers = dict(network.named_modules())
    for role in wanted:
        layer = layers[f"refinement_stages.0.{role}.1.0"]
        layer.register_forward_hook(lambda _, given, __, role=role: seen.update({role: given[0]}))
    with torch.no_grad():
        network(torch.from_numpy((boxed.transpose(2, 0, 1)[None] - 128) / 256).float())
        for role, maps in wanted.items():
            features = seen[role][0].flatten(1).double().numpy()
            features = np.vstack([features, np.ones(features.shape[1])])
            weights = 1 + 50 * np.abs(maps[:-1]).max(axis=0).ravel()
            weighted = features * weights
            fit = np.linalg.lstsq(
                weighted @ features.T, weighted @ maps.reshape(len(maps), -1).T, rcond=1e-8
            )[0]
            layer = layers[f"refinement_stages.0.{role}.1.0"]
            layer.weight.copy_(torch.from_numpy(fit[:-1].T)[:, :, None, None])
            layer.bias.copy_(torch.from_numpy(fit[-1]))
    return network.state_dict()


@pytest.fixture(
    scope="module",
    params=[soak(name) if name == "hrnet" else name for name in NETWORKS],
)
def zoo(request, tmp_path_factory):
    """A team's zoo: a checkpoint, its model.yml, and the skeleton that both of its users name."""
    network = request.param
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("zoo")
    weights = folder / "mine.pth"
    is_openpose = network == "lightweight_openpose"
    tensors = fitted_openpose() if is_openpose else None
    torch.save(tensors or built(network).state_dict(), weights)
    (folder / "skeletons").mkdir()
    (folder / "skeletons" / "koerper.yml").write_text(yaml.safe_dump(KOERPER))
    (folder / "licenses").mkdir()
    (folder / "licenses" / "MIT-team.txt").write_text("Copyright 2026 The team\nMIT\n")
    outputs = [{"name": "heatmaps", "shape": [1, COUNT, 64, 48], "role": "heatmaps"}]
    if is_openpose:
        outputs = [
            {"name": f"stage_1_output_{place}_{role}", "shape": [1, count, 32, 57], "role": role}
            for place, role, count in (("0", "pafs", 2 * len(EDGES)), ("1", "heatmaps", COUNT + 1))
        ]
    port = {"name": "data", "shape": [1, 3, 256, 192], "layout": "NCHW", **PORTS.get(network, RGB)}
    model = {
        "description": "Twelve keypoints of the team.",
        "task_type": "human_pose_estimation",
        "framework": "pytorch",
        "license": {"spdx": "MIT", "text": "MIT-team.txt"},
        "files": [
            {
                "name": "mine.pth",
                "size": weights.stat().st_size,
                "checksum": hashlib.sha384(weights.read_bytes()).hexdigest(),
                "source": {"$type": "file", "path": str(weights)},
            }
        ],
        "network": {"name": network, **NETWORKS[network]},
        "checkpoint": "mine.pth",
        "inputs": [port],
        "outputs": [{**output, "layout": "NCHW"} for output in outputs],
        "decoder": {"name": "openpose" if is_openpose else "heatmap"},
        "skeleton": "koerper",
        # Random weights find the same people in INT8 only by chance.
        "quantization": {"max_shift_px": 64, "min_agreement": 1.0e-9},
    }
    if is_openpose:
        # Fitted by large differences, these layers find nobody in INT8.
        fitted = ["*/heatmaps.1.0/*", "*/pafs.1.0/*"]
        reason = "Fitted by large differences."
        model["quantization"]["in_float"] = [{"layers": fitted, "reason": reason}]
    else:
        model["people"] = {"photo": "the whole image", "video": "the whole image"}
    (folder / "public" / "ours").mkdir(parents=True)
    (folder / "public" / "ours" / "model.yml").write_text(yaml.safe_dump(model))
    return network, folder


def did(*args):
    return printed(posezoo(*args))


def test_a_checkpoint_with_a_skeleton_of_ones_own_takes_every_step(zoo, tmp_path):
    network, folder = zoo
    is_openpose = network == "lightweight_openpose"
    weights, skeleton = folder / "mine.pth", folder / "skeletons" / "koerper.yml"
    chosen = ("--network", network, "--checkpoint", weights, "--model_name", "alone")
    did(
        "convert",
        *chosen,
        "--skeleton",
        skeleton,
        "--precisions",
        "FP32",
        "--weights_dir",
        tmp_path,
    )
    # Its IR is all that another machine gets.
    alone = tmp_path / "public" / "alone" / "FP32" / "alone.xml"
    boxes = ("--detector", "none") if not is_openpose else ()
    said = did("run", alone, *boxes, "--input", SAMPLE_PHOTOS[0], "--output", tmp_path / "run")
    assert "are numbered" not in said and "are assumed" not in said
    (image,) = json.loads((tmp_path / "run" / "poses.json").read_text())["images"]
    pose = image["poses"][0]  # the best
    assert pose["skeleton"] == "koerper"
    assert [point["name"] for point in pose["keypoints"]] == list(PLACES)
    places = {
        point["name"]: (point["x"], point["y"], 2 if point["score"] > 0 else 0)
        for point in pose["keypoints"]
    }
    assert sum(place[2] > 0 for place in places.values()) >= 3

    # The annotations name the keypoints in another order.
    names = sorted(PLACES)
    truth = annotated(tmp_path / "truth.json", [np.array([places[name] for name in names], float)])
    content = json.loads(truth.read_text())
    content["categories"][0]["keypoints"] = names
    labelled = sum(place[2] > 0 for place in places.values())
    size = {"bbox": [0, 0, 512, 512], "area": 130_000}
    content["annotations"][0] |= {**size, "num_keypoints": labelled}
    truth.write_text(json.dumps(content))
    data = ("--annotations", truth, "--images", SAMPLE_PHOTOS[0].parent, "--force")
    measured = json.loads(
        did("evaluate", alone, *data, *boxes, "--format", "json", "--output", tmp_path / "of")
    )
    assert measured["AP"] == pytest.approx(1)

    ours = ("ours", "--models_dir", folder, "--weights_dir", tmp_path / "models")
    did("get", *ours)
    assert json.loads(
        did("evaluate", *ours, *data, *boxes, "--format", "json", "--output", tmp_path / "our")
    )["AP"] == pytest.approx(1)
    photos = tmp_path / "photos"
    photos.mkdir()
    for photo in SAMPLE_PHOTOS:
        (photos / photo.name).write_bytes(photo.read_bytes())
    did("quantize", *ours, "--dataset_dir", photos)
    # It finds at least one person whom FP32 finds, or else nothing is published.
    int8 = tmp_path / "models" / "public" / "ours" / "FP16-INT8" / "ours.xml"
    did("run", int8, *boxes, "--input", SAMPLE_PHOTOS[0], "--output", tmp_path / "int8")
    assert "koerper" in (tmp_path / "int8" / "poses.json").read_text()
    (card,) = json.loads(did("card", "ours", "--models_dir", folder, "--format", "json"))
    assert card["skeleton"]["name"] == "koerper"
    assert card["skeleton"]["keypoints"][:2] == ["kopf", "hals"]
    did("card", "ours", "--models_dir", folder, "--output", tmp_path / "cards")
    assert "kopf" in next((tmp_path / "cards").rglob("koerper.svg")).read_text()
    page = did("card", "--html", "ours", "--models_dir", folder)
    assert f"{COUNT}, koerper" in page
    did("export", *ours, "--to", "folder", tmp_path / "exported")
    assert "kopf hals l_schulter" in next((tmp_path / "exported").rglob("ours.xml")).read_text()


@pytest.fixture(scope="module")
def limbless(tmp_path_factory):
    """Weights of a bottom-up network, which do not say what its limbs are."""
    network = build_network("lightweight_openpose", **NETWORKS["lightweight_openpose"])
    path = tmp_path_factory.mktemp("limbless") / "mine.pth"
    torch.save(network.state_dict(), path)
    return path


def test_what_cannot_be_run_is_refused_before_it_is_converted(limbless, tmp_path):
    refused = posezoo("run", limbless, "--output", tmp_path / "run")
    assert refused.returncode == 1 and "their limbs are unknown; --skeleton FILE" in refused.stderr
    assert "self-check" not in refused.stderr
    (tmp_path / "short.yml").write_text("keypoints: [a, b]\nlimbs: [[a, c]]\n")
    refused = posezoo("run", limbless, "--skeleton", tmp_path / "short.yml")
    assert "short.yml:2:13: limbs[0][1]: expected one of a, b, got 'c'" in refused.stderr


def test_convert_refuses_weights_whose_limbs_are_unknown_and_says_that_others_are_numbered(
    checkpoint, limbless, tmp_path
):
    own = ("--network", "lightweight_openpose", "--checkpoint", limbless)
    refused = posezoo("convert", *own, "--model_name", "lop", "--weights_dir", tmp_path / "ir")
    assert refused.returncode == 1 and "their limbs are unknown; --skeleton FILE" in refused.stderr
    assert not (tmp_path / "ir").exists()
    own = ("--network", NETWORK, "--checkpoint", checkpoint, "--weights_dir", tmp_path / "ir")
    planned = posezoo("convert", *own, "--dry_run")
    assert_success(planned)
    assert f"warning: {NETWORK}: its 12 keypoints are only numbered" in planned.stderr


def test_demo_and_get_take_a_skeleton_only_with_a_file_of_ones_own(limbless, tmp_path):
    chosen = ("--skeleton", "coco-17", "-i", SAMPLE_PHOTOS[0], "-no_show")
    refused = posezoo("demo", *chosen)
    assert refused.returncode == 2 and "--skeleton: only for an .xml or" in refused.stderr
    with pytest.raises(PosezooError, match="skeleton: only for an"):
        posezoo_package.get("hrnet-w32", skeleton="coco-17", weights_dir=tmp_path, listener=None)
    assert not list(tmp_path.iterdir())
    refused = posezoo("demo", "-m", limbless, *chosen)
    assert refused.returncode == 2 and "self-check" not in refused.stderr
