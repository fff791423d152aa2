"""What is said of a model, an .xml, an .onnx or a checkpoint: each verb uses it, or refuses it before it writes."""

import shutil
from functools import cache

import cv2
import numpy as np
import onnx
import pytest
from onnx import helper

import posezoo as posezoo_package
from fakes import graphs
from fakes.coco import PERSON, person, written
from fakes.command import json_of, posezoo, read_json, refusal, succeeded
from fakes.irs import write_ir
from fakes.when_used import import_when_used
from posezoo.cli.main import create_parser, verb_parsers
from posezoo.networks import build_network

pytest.importorskip("cv2")
torch = import_when_used("torch")
pytestmark = pytest.mark.usefixtures("pytorch_here")

NAMES = [f"point_{number}" for number in range(17)]
#: The ports of networks with heatmaps of these keypoints.
IMAGE, MAPS = ("image", graphs.FLOAT, (1, 3, 64, 96)), ("maps", graphs.FLOAT, (1, 17, 16, 24))
#: A model whose decoder takes one person at a time; nothing of it is downloaded.
MODEL = "rtmpose-s"
_OF_MODELS = (
    "--decoder heatmap",
    "--decoder_options nonsense=1",
    "--detector nonsense",
    "--height 256",
    "--as rtmpose-m",
    "--mean_values 1",
    "--scale_values 2",
    "--reverse_input_channels",
    "--layout NCHW",
)
_OF_FILES = (
    "--skeleton blazepose-33",
    "--decoder openpose",
    "--decoder_options nonsense=1",
    "--detector nonsense",
    "--height 256",
    "--mean_values 1 2",
    "--scale_values 0",
    "--layout NHWC",
    "--precision FP16-INT8",
)
#: By what is named, the flags of which each value does not fit it.
UNFIT = {
    "model": ("--skeleton coco-17", *_OF_MODELS),
    "xml": ("--as rtmpose-m", *_OF_FILES),
    "onnx": ("--as nonsense", *_OF_FILES),
    "pth": ("--skeleton blazepose-33", *_OF_MODELS),
}
#: The command of each verb; {named} is what is named.
VERBS = {
    "run": "run {named} --input {photo} --output out",
    "demo": "demo -m {named} -i {photo} -no_show -o out.png",
    "evaluate": "evaluate {named} --annotations {annotations} --images {photos} --output out",
    "benchmark": "benchmark --pipeline {named} --seconds 0.01 --output out.json",
    "quantize": "quantize {named} --dataset_dir {photos} --output out",
    "export": "export {named} --to folder out --decode",
    "info": "info {named}",
    "convert": "convert {named}",
}
#: What no verb of these reads.
UNREAD = {("quantize", "onnx"), ("convert", "xml")}


@cache
def flags_of(verb):
    return {*verb_parsers(create_parser((verb,)))[verb]._option_string_actions}


def spell(flag, verb):
    """A flag as a verb has it, maybe for several values; None if it has none."""
    name, *values = flag.split()
    offered = flags_of(verb)
    spellings = (name,) if verb == "quantize" else (name, f"{name}s")  # its --precisions are INT8's
    found = next((each for each in spellings if each in offered), None)
    return found and " ".join([found, *values])


@pytest.fixture(scope="module")
def named(tmp_path_factory):
    """What is named, and the files of the commands, by the words in them."""
    folder = tmp_path_factory.mktemp("named")
    torch.manual_seed(0)
    network = build_network("mobile_pose_mobilenetv3_small", keypoints=17)
    torch.save(network.state_dict(), folder / "mine.pth")
    photos = folder / "photos"
    photos.mkdir()
    picture = np.random.default_rng(0).integers(0, 255, (120, 90, 3), np.uint8)
    images = []
    for number in range(3):
        cv2.imwrite(str(photos / f"{number}.png"), picture + number)
        images.append({"id": number, "file_name": f"{number}.png", "width": 90, "height": 120})
    (folder / "mine.yml").write_text(f"keypoints: [{', '.join(NAMES)}]\n", "utf-8")
    points = [(10 + number, 20 + number, 2) for number in range(17)]
    write_annotations(folder, images, person(1, 0, points, bbox=(5, 5, 70, 100)))
    return {
        "model": MODEL,
        "xml": write_ir(folder / "heat.xml", {"maps": (1, 17, 16, 24)}, image=(1, 3, 64, 96)),
        "onnx": write_onnx(folder / "maps.onnx"),
        "pth": folder / "mine.pth",
        "photo": photos / "0.png",
        "photos": photos,
        "skeleton": folder / "mine.yml",
        "annotations": folder / "people.json",
    }


def write_annotations(folder, images, annotation):
    category = {**PERSON, "keypoints": NAMES}
    document = {"images": images, "annotations": [annotation], "categories": [category]}
    written(folder, document, "people.json")


def write_onnx(path):
    """Heatmaps of 17 keypoints; it says that images are taken as they are."""
    maps = np.zeros((1, 17, 16, 24), np.float32)
    for number in range(17):
        maps[0, number, 2 + number % 12, 4 + number] = 0.9
    nodes = [
        helper.make_node("ReduceMean", ["image"], ["mean"], axes=[1, 2, 3], keepdims=1),
        helper.make_node("Mul", ["mean", "zero"], ["nothing"]),
        helper.make_node("Add", ["constant", "nothing"], ["maps"]),
    ]
    zero = np.zeros((1, 1, 1, 1), np.float32)
    constants = {"constant": maps, "zero": zero}
    model = onnx.load_from_string(graphs.written("maps", nodes, [IMAGE], [MAPS], constants))
    prop = model.metadata_props.add()
    prop.key, prop.value = "model_info reverse_input_channels", "False"
    onnx.save(model, path)
    return path


def command(verb, named, kind, *flags):
    words = VERBS[verb].format(**{**named, "named": named[kind]}).split()
    given = [word.format(**named) for flag in flags for word in flag.split()]
    return [*words, *given]


@pytest.mark.parametrize(
    ("verb", "kind"),
    [(verb, kind) for verb in VERBS for kind in UNFIT if (verb, kind) not in UNREAD],
)
def test_what_does_not_fit_is_wrong_usage_and_nothing_is_written(verb, kind, named, tmp_path):
    wrong = []
    for flag in filter(None, (spell(flag, verb) for flag in UNFIT[kind])):
        ended = posezoo(*command(verb, named, kind, flag), cwd=tmp_path)
        written = [path.name for path in tmp_path.iterdir()]
        if ended.returncode != 2 or written or "Traceback" in ended.stderr:
            wrong.append((flag, ended.returncode, written, ended.stderr[-200:]))
            for path in tmp_path.iterdir():
                shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert wrong == []


def as_arguments(flag, named):
    """A flag as arguments of ``posezoo.load``."""
    name, *values = flag.format(**named).removeprefix("--").split()
    value = values[0] if values else True
    if name in ("detector", "precision"):
        return {name: value}
    if name == "decoder_options":
        return {"options": posezoo_package.Options(decoder_options=dict([value.split("=")]))}
    if name == "height":
        return {"options": posezoo_package.Options(height=int(value))}
    value = list(map(float, values)) if name.endswith("_values") else value
    return {
        "preparation": posezoo_package.Preparation(
            **{"as": {"like": value}}.get(name, {name: value})
        )
    }


@pytest.mark.parametrize("kind", UNFIT)
def test_load_refuses_what_does_not_fit_before_it_writes(kind, named, tmp_path):
    wrong = []
    for flag in UNFIT[kind]:
        if flag.split()[0] == "--layout":
            continue  # it has no such argument
        try:
            arguments = as_arguments(flag, named)
            posezoo_package.load(
                named[kind], **arguments, weights_dir=tmp_path / "out", listener=None
            )
        except posezoo_package.PosezooError as error:
            if error.exit_code == 2 and not [*tmp_path.iterdir()]:
                continue
            wrong.append((flag, error.exit_code, error.problem))
        else:
            wrong.append((flag, "taken", ""))
    assert wrong == []


@pytest.mark.parametrize("kind", ["xml", "onnx", "pth"])
def test_the_keypoints_have_the_names_that_the_user_gives(kind, named, tmp_path):
    flags = (f"--skeleton {named['skeleton']}", "--detector none")
    ran = json_of(
        succeeded(posezoo(*command("run", named, kind, *flags, "--format json"), cwd=tmp_path))
    )
    (image,) = ran["images"]
    assert [each["name"] for each in image["poses"][0]["keypoints"]] == NAMES
    if kind == "xml":
        return
    words = " ".join(flags[: 1 + (kind == "onnx")]).split()
    folder = ("-o", "made.xml") if kind == "onnx" else ("--weights_dir", "made")
    succeeded(
        posezoo("convert", named[kind], *words, *folder, "--precisions", "FP16", cwd=tmp_path)
    )
    (xml,) = tmp_path.rglob("*.xml")
    succeeded(posezoo(*command("export", {"xml": xml}, "xml", "--detector none"), cwd=tmp_path))
    (card,) = (tmp_path / "out").rglob("card.json")
    assert "point_16" in card.read_text("utf-8")


@pytest.mark.parametrize("kind", ["xml", "onnx"])
def test_info_says_each_value_of_a_file_and_its_source(kind, named, tmp_path):
    ended = posezoo(*command("info", named, kind, "--format json"), cwd=tmp_path)
    (answer,) = json_of(succeeded(ended))
    sources = {row["name"]: (row["value"], row["source"]) for row in answer["values"]}
    assert sources["decoder"] == ("heatmap", "the network")
    assert sources["keypoints"] == (17, "the network")
    assert sources["color"] == ("BGR", "model_info")


@pytest.mark.parametrize("flags", ["--reverse_input_channels", f"--as {MODEL}"])
def test_what_a_file_states_itself_is_not_said_again(flags, named, tmp_path):
    ended = posezoo(*command("run", named, "xml", flags, "--detector none"), cwd=tmp_path)
    assert "already states how images are prepared for it, in its model_info" in refusal(
        ended, code=2
    )


#: All that fits a file, in one command; and the same for ``posezoo.load``.
FITTING = (
    "--skeleton {skeleton} --decoder heatmap --mean_values 10 --scale_values 2"
    " --reverse_input_channels --detector none"
)
#: The same, in a model.yml that ``posezoo new`` wrote.
DECLARED = "--as {declared} --detector none"
PRINTED = ("--detector none", "--format json")
#: The score of each keypoint in the picture below: its red is 90.
SCORE = (90 - 10) / 2 / 100


@pytest.fixture(scope="module")
def fitting(tmp_path_factory, named):
    """A network whose scores are a hundredth of what its first channel takes, and a picture of one color."""
    folder = tmp_path_factory.mktemp("fitting")
    cv2.imwrite(str(folder / "0.png"), np.full((64, 96, 3), (30, 60, 90), np.uint8))
    image = {"id": 0, "file_name": "0.png", "width": 96, "height": 64}
    write_annotations(folder, [image], person(1, 0, [20, 20, 2] * 17, bbox=(0, 0, 96, 64)))
    lines = [f"keypoints: [{', '.join(NAMES)}]", f"sigmas: [{', '.join(['0.1'] * 17)}]"]
    (folder / "mine.yml").write_text("\n".join(lines), "utf-8")
    maps = np.zeros((1, 17, 16, 24), np.float32)
    maps[:, :, 8, 12] = 0.01
    nodes = [
        helper.make_node("Gather", ["image", "first"], ["channel"], axis=1),
        helper.make_node("ReduceMean", ["channel"], ["mean"], axes=[1, 2, 3], keepdims=1),
        helper.make_node("Mul", ["constant", "mean"], ["maps"]),
    ]
    constants = {"constant": maps, "first": np.zeros(1, np.int64)}
    content = graphs.written("maps", nodes, [IMAGE], [MAPS], constants)
    (folder / "first.onnx").write_bytes(content)
    openvino = import_when_used("openvino")
    openvino.save_model(openvino.convert_model(folder / "first.onnx"), folder / "plain.xml")
    flags = FITTING.format(skeleton=folder / "mine.yml").split()
    succeeded(posezoo("new", folder / "first.onnx", *flags))
    return {
        **named,
        "declared": folder / "first.yml",
        "onnx": folder / "first.onnx",
        "xml": folder / "plain.xml",
        "photo": folder / "0.png",
        "photos": folder,
        "annotations": folder / "people.json",
        "skeleton": folder / "mine.yml",
    }


def keypoints_of(file, photo, cwd):
    """The keypoints that a file gives without a word about it."""
    ended = posezoo("run", file, "--input", photo, "--format", "json", cwd=cwd)
    return json_of(succeeded(ended))["images"][0]["poses"][0]["keypoints"]


def of_run(fitting, kind, cwd):
    ended = posezoo(*command("run", fitting, kind, FITTING, "--format json"), cwd=cwd)
    return json_of(succeeded(ended))["images"][0]["poses"][0]["keypoints"]


def of_demo(fitting, kind, cwd):
    succeeded(posezoo(*command("demo", fitting, kind, DECLARED, "--json_lines k.jsonl"), cwd=cwd))
    return read_json(cwd / "k.jsonl")["poses"][0]["keypoints"]


def of_load(fitting, kind, _cwd):
    preparation = posezoo_package.Preparation(
        skeleton=fitting["skeleton"],
        decoder="heatmap",
        mean_values=10,
        scale_values=2,
        reverse_input_channels=True,
    )
    model = posezoo_package.load(fitting[kind], detector=None, preparation=preparation)
    (pose,) = model(fitting["photo"])
    return pose.to_json()["keypoints"]


def of_convert(fitting, kind, cwd):
    words = FITTING.format(**fitting).split()
    succeeded(posezoo("convert", fitting[kind], "--output", "out.xml", *words, cwd=cwd))
    return keypoints_of("out.xml", fitting["photo"], cwd)


def of_export(fitting, kind, cwd):
    succeeded(posezoo(*command("export", fitting, kind, DECLARED), cwd=cwd))
    (xml,) = (cwd / "out").rglob("*.xml")
    return keypoints_of(xml, fitting["photo"], cwd)


def of_evaluate(fitting, kind, cwd):
    succeeded(posezoo(*command("evaluate", fitting, kind, DECLARED), cwd=cwd))
    (results,) = (cwd / "out").rglob("results.json")
    (row,) = read_json(results)
    return [{"name": name, "score": row["score"]} for name in NAMES]


@pytest.mark.parametrize(
    ("read", "kind"),
    [
        (read, kind)
        for read in (of_run, of_demo, of_load, of_convert, of_export, of_evaluate)
        for kind in ("onnx", "xml")
        if (read, kind) != (of_convert, "xml")
    ],
)
def test_each_value_that_fits_is_in_the_result(read, kind, fitting, tmp_path):
    keypoints = read(fitting, kind, tmp_path)
    assert [each["name"] for each in keypoints] == NAMES
    assert [each["score"] for each in keypoints] == pytest.approx([SCORE] * 17, abs=0.01)


@pytest.mark.parametrize("kind", ["onnx", "xml"])
def test_each_value_that_fits_is_in_the_description(kind, fitting, tmp_path):
    ended = posezoo(*command("info", fitting, kind, "--as {declared} --format json"), cwd=tmp_path)
    (answer,) = json_of(succeeded(ended))
    rows = {row["name"]: (row["value"], row["source"]) for row in answer["values"]}
    source = f"--as {fitting['declared']}"
    assert rows["decoder"] == ("heatmap", source)
    assert rows["color"] == ("RGB", source)
    assert rows["mean"] == ([10, 10, 10], source)
    assert rows["scale"] == ([2, 2, 2], source)


@pytest.mark.parametrize(
    ("verb", "kind"),
    [("benchmark", "onnx"), ("benchmark", "xml"), ("quantize", "xml")],
)
def test_a_preparation_that_fits_is_all_that_a_verb_needs(verb, kind, fitting, named, tmp_path):
    files = {**fitting, "photos": named["photos"]}
    dry_run = ("--dry_run",) if verb == "quantize" else ()
    silent = posezoo(*command(verb, files, kind, *dry_run), cwd=tmp_path)
    assert "does not say how images are prepared" in refusal(silent)
    succeeded(posezoo(*command(verb, files, kind, DECLARED, *dry_run), cwd=tmp_path))


@pytest.mark.parametrize("verb", ["run", "convert"])
def test_what_fits_weights_is_in_the_ir_that_is_made(verb, named, tmp_path):
    precision = spell("--precision FP32", verb)
    alone = () if verb == "convert" else ("--detector none",)
    flags = ("--skeleton {skeleton}", precision, *alone, "--weights_dir out")
    succeeded(posezoo(*command(verb, named, "pth", *flags), cwd=tmp_path))
    (xml,) = (tmp_path / "out").rglob("*.xml")
    (described,) = json_of(succeeded(posezoo("info", xml, "--format", "json", cwd=tmp_path)))
    values = {row["name"]: row["value"] for row in described["values"]}
    assert (values["precision"], values["skeleton"]) == ("FP32", "mine")
    ran = posezoo(*command("run", {**named, "xml": xml}, "xml", *PRINTED), cwd=tmp_path)
    (image,) = json_of(succeeded(ran))["images"]
    assert [each["name"] for each in image["poses"][0]["keypoints"]] == NAMES


def test_heights_for_a_network_of_fixed_size_are_refused_before_it_is_compiled(named, tmp_path):
    heights = f"--skeleton {named['skeleton']}", "--heights 256,128"
    ended = posezoo(*command("evaluate", named, "xml", *heights), cwd=tmp_path)
    assert "--heights 256: heat: its input size is fixed" in refusal(ended, code=2)
    assert not [*tmp_path.iterdir()]


def test_only_an_ir_is_quantized(named, tmp_path):
    ended = posezoo(*command("quantize", named, "onnx", "--dry_run"), cwd=tmp_path)
    assert f"posezoo convert {named['onnx']} makes one" in refusal(ended, code=2)


def test_a_flag_is_named_as_it_was_typed(named, tmp_path):
    both = ("--output_dir x", "--output y.xml")
    ended = posezoo(*command("convert", named, "onnx", *both), cwd=tmp_path)
    assert "either --output or --output_dir" in refusal(ended, code=2)
