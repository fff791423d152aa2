"""Each hint with a command or a flag: a mistake of a user shows it, and what it names leads further."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest

from fakes.command import omz_tool, posezoo
from fakes.exports import write_zoo
from fakes.irs import write_ir
from fakes.zoo import declared_file, model_yml, omz_yml, write_model
from test_hints import ROOT, SOURCES, hints_of

#: What a hint says, the command that shows it, and what the hint names. Commands before a semicolon prepare others; a
#: command that does not begin with the name of a tool is one of posezoo.
CASES = (
    ("posezoo help --all shows all verbs", "gett_it", "help --all"),
    ("posezoo get --help shows its usage", "get net --attempts x", "get --help"),
    ("check --log", "get net -M models --log no/such", "get net -M models --log log"),
    ("check --models_dir", "list -M nowhere", "list -M models"),
    ("check --models_dir", "get --all -M photos", "get --all -M models"),
    ("check --models_dir", "verify --metadata -M photos", "verify --metadata -M models"),
    ("check --list", "mirror create m --list none.txt", "mirror create m -M models --list names.txt"),
    ("--list takes a text file", "mirror create m --list photo.png", "mirror create m -M models --list names.txt"),
    ("name a folder; posezoo creates a missing one", "mirror create photo.png net -M models", "mirror create m net -M models"),
    ("posezoo mirror create m --all", "POSEZOO_MODELS_DIR=models mirror check m", "POSEZOO_MODELS_DIR=models $; mirror check m"),
    ("or use --prune", "lock net -M models --lock l; lock --all -M two --lock l", "lock --all -M two --lock l --prune"),
    ("posezoo lock MODEL adds entries", "lock --check --lock l -M models", "lock net -M models --lock l"),
    ("check --models_dir and --registry", "lock net -M models --lock l; get other -M two --lock l --locked", "get net -M models --lock l --locked --dry_run"),
    ("posezoo download net --models_dir models", "convert net -M models", "$; convert net -M models"),
    ("posezoo list shows them all", "get nosuch -M models", "list -M models"),
    ("posezoo list --framework pytorch", "convert --network net --checkpoint net.onnx -M models", "$"),
    ("--help lists the endings", "convert photo.png", "convert --help"),
    ("posezoo doctor lists the settings", "CONFIG=nosuch=1 list -M models", "doctor; rm posezoo.cfg; list -M models"),
    ("posezoo info net --models_dir models shows its license", "POSEZOO_ALLOW_LICENSES=MIT get net -M models", "$"),
    ("--dataset_dir PHOTOS", "get net -M models -o mine --precisions FP16-INT8", "$; get net -M models -o mine --precisions FP16-INT8"),
    ("--precisions selects others", "benchmark net -M models --precisions FP16-INT8", "benchmark net -M models --precisions FP16 --seconds 0.1"),
    ("several of --precisions", "benchmark net -M models --precisions FP16 --compare", "benchmark net -M models --precisions FP16,FP32 --compare --seconds 0.1"),
    ("--annotations FILE names it", "quantize net -M models --dataset_dir photos --metric ap", "quantize net -M models --dataset_dir photos --metric ap --annotations people.json"),
    ("leave out --as", "run heat.xml --as net -M models --input photo.png --detector none", "run heat.xml --input photo.png --detector none"),
    ("--as MODEL, or --mean_values", "run unstated.xml --input photo.png --detector none", "run unstated.xml --as net -M models --input photo.png --detector none; run unstated.xml --mean_values 0 0 0 --input photo.png --detector none"),
    ("--as MODEL, or --mean_values", "export unstated.xml --to folder out --decode", "export unstated.xml --to folder out --decode --scale_values 1 1 1"),
    ("remove --input_type, --input_layout and --resize, or add --decode", "export heat.xml --to folder out --resize", "export heat.xml --to folder out; export heat.xml --to folder out2 --resize --decode"),
    ("leave out --resize", "export heat.xml --to onnx out --resize", "export heat.xml --to onnx out"),
    ("--to folder, ovms and triton without --decode take any outputs", "export plain.xml --to cpp out", "export plain.xml --to ovms out; export plain.xml --to triton out2; export plain.xml --to folder out3"),
    ("--to folder takes any model", "export heat.xml --to modelapi out", "export heat.xml --to folder out; export heat.xml --to folder out2 --decode"),
    ("--to folder writes the IR", "export heat.xml --to dlstreamer out", "export heat.xml --to folder out"),
    ("--detector none exports the network alone", "export other -M two --to modelapi out", "export other -M two --to folder out --detector none"),
    ("posezoo convert creates it", "run mine/net.xml --input photo.png", "get net -M models -o mine; run mine/public/net/FP16/net.xml --input photo.png --detector none"),
    ("name one with --input", "run heat.xml --track --input photo.png --detector none", "run heat.xml --track --input walk.avi --detector none"),
    ("posezoo doctor lists the devices", "run heat.xml --input photo.png --device CUDA", "doctor"),
    ("to run on an image: --input photo.png", "run photo.png", "run heat.xml --input photo.png --detector none"),
    ("to find the poses in it: posezoo run --input photo.png", "photo.png", "run heat.xml --input photo.png --detector none"),
    ("images come after --input: posezoo run --input photo.png", "run --list photo.png", "run heat.xml --input photo.png --detector none"),
    ("or --coco_home; or posezoo dataset get coco-val2017", "evaluate heat.xml", "evaluate heat.xml --annotations people.json --images photos --boxes truth"),
    ("--accept_terms", "dataset get coco-val2017", "$"),
    ("choose another folder, or use --force", "gallery -M models -o models", "gallery -M models -o new; gallery -M models -o models --force"),
    ("use one of them", "gallery --pictures --dry_run -M models", "gallery --dry_run -M models -o new"),
    ("or name their folder: --weights_dir DIR", "licenses net -M models --weights_dir no", "download net -M models -o mine; licenses net -M models --weights_dir mine"),
    ("--license SPDX", "new mine --from net.onnx -M own", "new mine --from net.onnx -M own --license MIT"),
    ("name another folder: --models_dir DIR", "new mine --from net.onnx -M photo.png --license MIT", "new mine --from net.onnx -M own --license MIT"),
    ("or add --framework", "new mine --from net.onnx.1 -M own --license MIT", "new mine --from net.onnx.1 -M own --license MIT --framework onnx"),
    ("or name another --weights_dir", "download net -M models; new net --from ir/public/net/net.onnx -M own --license MIT", "new net --from ir/public/net/net.onnx -M own --license MIT --weights_dir other"),
    ("name the folder of your models: --models_dir DIR", "verify --metadata --changed_since HEAD", "git; verify --metadata --changed_since HEAD -M models"),
    ("--write_baseline writes one", "verify --metadata -M models --baseline b.json", "verify --metadata -M models --write_baseline b.json; verify --metadata -M models --baseline b.json"),
    ("--force replaces it", "shims bin; EDIT=bin/omz_converter shims bin", "shims bin --force"),
    ("--input_model FILE, or", "mo", "mo --input_model net.onnx"),
    ("give --framework onnx", "mo --input_model net.onnx.1", "mo --input_model net.onnx.1 --framework onnx"),
    ("--output_dir names the folder", "mo --input_model net.onnx --model_name a/b", "mo --input_model net.onnx --model_name b --output_dir a"),
    ('pip install "openvino-dev===2024.6.0"', "mo --input_model net.onnx --tensorboard_logdir x", ""),
    ("--size H,W", "benchmark any.xml --seconds 0.1", "benchmark any.xml --seconds 0.1 --size 64,96"),
    ("--trust_on_first_use accepts", "get weak -M weak", "get weak -M weak --trust_on_first_use"),
    ("--allow_http allows it", "get weak -M weak --trust_on_first_use", "get weak -M weak --trust_on_first_use --allow_http"),
    ("--images names the folder of the images", "evaluate heat.xml --annotations people.json --images no", "evaluate heat.xml --annotations people.json --images photos --boxes truth"),
    ("--images photos lists them", "evaluate heat.xml --annotations more.json --images photos", "$"),
    ("--skip_unreadable evaluates without", "evaluate heat.xml --annotations more.json --images photos --boxes truth", "evaluate heat.xml --annotations more.json --images photos --boxes truth --skip_unreadable"),
    ("--skip_unreadable leaves out some", "evaluate heat.xml --annotations people.json --images bad --boxes truth", "evaluate heat.xml --annotations people.json --images bad --boxes truth --skip_unreadable"),
    ("or --category names another", "evaluate heat.xml --annotations other.json --images photos", "evaluate heat.xml --annotations other.json --images photos --boxes truth --category hand"),
    ("choose one: --category", "evaluate heat.xml --annotations two.json --images photos", "evaluate heat.xml --annotations two.json --images photos --boxes truth --category man"),
    ("--category NAME chooses", "evaluate net -M models --annotations boxes.json --images photos", "evaluate net -M models --annotations boxes.json --images photos --category hand"),
    ("in the file of --skeleton", "evaluate heat.xml --annotations own.json --images photos", "evaluate heat.xml --annotations own.json --images photos --boxes truth --skeleton own.yml"),
    ("--skeleton FILE declares another", "evaluate heat.xml --annotations sigmas.json --images photos --boxes truth", "evaluate heat.xml --annotations sigmas.json --images photos --boxes truth --skeleton own.yml"),
    ("--to folder, ovms and triton without --decode take it", "export cropped.xml --to folder out --decode", "export cropped.xml --to folder out; export cropped.xml --to ovms out2; export cropped.xml --to triton out3"),
    ("--to folder writes the IR", "export cropped.xml --to dlstreamer out", "export cropped.xml --to folder out"),
    ("--input_shape [1,3,HEIGHT,WIDTH]", "export any.onnx --to folder out --decode --scale_values 1 1 1", "$; export fixed.xml --to folder out --decode --scale_values 1 1 1"),
    ("leave out --labels; --skeleton names keypoints", "run heat.xml --labels names.txt --input photo.png --detector none", "run heat.xml --skeleton own.yml --input photo.png --detector none"),
    ("posezoo convert creates one", "run garbage.xml --input photo.png", "convert net -M models -o mine"),
    ("--lock l records it", "lock net -M models --lock l; SED=models/public/net/model.yml:BGR:RGB get net -M models --lock l --locked", "$; get net -M models --lock l --locked"),
    ("start one: dask scheduler", "get net -M models --cluster 127.0.0.1:9", ""),
    ("if it is from openvino-dev", "EDIT=omz_converter shims .", "shims other"),
    ("name a registry of your own: --models_dir DIR", "new mine --from net.onnx --license MIT", "new mine --from net.onnx --license MIT -M own"),
    ("repairs the first", "get net -M models -o mine; EDIT=mine/public/net/FP16/net.xml verify net -M models -o mine", "$; verify net -M models -o mine"),
    ("posezoo get net", "record net -M models -o mine", "$; record net -M models -o mine"),
    ("convert it without --decode", "get net -M models -o mine --decode; evaluate mine/public/net/FP16/net.xml --annotations people.json --images photos --flip", "get net -M models -o mine; evaluate mine/public/net/FP16/net.xml --annotations people.json --images photos --flip"),
    ("leave out --height", "run net -M models --input photo.png --height 32", "run net -M models --input photo.png"),
    ("leave out --min_person_score", "run net -M models --input photo.png --min_person_score 0.5", "run net -M models --input photo.png"),
    ("remove --max_people", "get net -M models --decode --max_people 3", "get net -M models --decode"),
    ("posezoo run plain.xml --decoder", "run plain.xml --input photo.png", "$"),
)  # fmt: skip


def write_desk(folder: Path) -> None:
    """Networks, a registry, photos with annotations, and a video."""
    write_zoo(folder)
    shutil.copytree(folder / "models", folder / "two")
    with (folder / "models" / "public" / "net" / "model.yml").open("a") as file:
        file.write("people: {photo: whole_image}\n")
    (folder / "two" / "public" / "net").rename(folder / "two" / "public" / "other")
    shutil.copy(folder / "net.onnx", folder / "net.onnx.1")
    network = onnx.load(folder / "net.onnx")
    for port in (*network.graph.input, *network.graph.output):
        for axis in port.type.tensor_type.shape.dim[2:]:
            axis.dim_param = "side"
    onnx.save(network, folder / "any.onnx")
    (folder / "names.txt").write_text("net\n")
    maps = {"heatmaps": (1, 17, 16, 24)}
    write_ir(folder / "heat.xml", maps)
    write_ir(folder / "unstated.xml", maps, states_images=False)
    write_ir(folder / "any.xml", maps, image=(1, 3, -1, -1))
    write_ir(folder / "cropped.xml", maps, info={("model_info", "resize_type"): "crop"})
    write_ir(folder / "classes.xml", {"scores": (1, 1000)})
    write_ir(folder / "named.xml", maps, info={("model_info", "labels"): "a b c"})
    keypoint_rcnn = {
        "boxes": (9, 4),
        "labels": (9,),
        "scores": (9,),
        "keypoints": (9, 17, 3),
        "more": (9, 17),
    }
    write_ir(folder / "rcnn.xml", keypoint_rcnn)
    web = model_yml(
        files=[declared_file(folder / "net.onnx") | {"source": "https://models.invalid/net.onnx"}],
        framework="onnx",
    )
    write_model(folder / "web", "web", web)
    loose = omz_yml(
        framework="onnx",
        files=[declared_file(folder / "any.onnx")],
        model_optimizer_args=["--input_model=$dl_dir/any.onnx"],
        input_info=[{"name": "image", "shape": [1, 3, -1, -1], "layout": "NCHW"}],
    )
    write_model(folder / "loose", "loose", loose)
    write_model(
        folder / "odd",
        "made",
        omz_yml(
            framework="onnx",
            files=[declared_file(folder / "net.onnx")],
            model_optimizer_args=["--input_model=$conv_dir/made.onnx"],
        ),
    )
    write_model(folder / "odd", "mx", model_yml(framework="mxnet"))
    shutil.copy(folder / "net.onnx", folder / "onnx.xml")
    (folder / "garbage.xml").write_text("<html>")
    write_ir(folder / "plain.xml", {"head": (1, 7, 3)})
    (folder / "photos").mkdir()
    for index in range(3):
        image = np.random.default_rng(index).integers(0, 255, (64, 96, 3), np.uint8)
        cv2.imwrite(str(folder / "photos" / f"{index + 1:012}.jpg"), image)
    cv2.imwrite(str(folder / "photo.png"), image)
    codec = cv2.VideoWriter.fourcc(*"MJPG")
    video = cv2.VideoWriter(str(folder / "walk.avi"), codec, 10, (96, 64))
    video.write(image)
    video.release()
    from fakes.coco import annotations, person
    import json

    people = [person(n, n, [[20, 20, 2]] * 17, bbox=(5, 5, 80, 50)) for n in (1, 2, 3)]
    content = annotations(3, people, (96, 64))
    (folder / "people.json").write_text(json.dumps(content))
    (folder / "more.json").write_text(json.dumps(annotations(4, people, (96, 64))))
    (category,) = content["categories"]
    hand = {**category, "name": "hand"}
    own = {**category, "keypoints": [f"point{n}" for n in range(17)]}
    files = {
        "two": [{**hand, "name": "man"}, {**hand, "id": 2}],
        "hands": [hand],
        "other": [{**category, "id": 7}, hand],
        "own": [own],
        "sigmas": [{**own, "sigmas": [0.05] * 17}],
        "boxes": [{"id": 1, "name": "hand"}],
    }
    for name, categories in files.items():
        (folder / f"{name}.json").write_text(json.dumps(content | {"categories": categories}))
    weak = model_yml(
        files=[
            {
                "name": "net.onnx",
                "size": "unknown",
                "max_size": 9999,
                "checksum": "unknown",
                "source": "http://models.invalid/net.onnx",
            }
        ],
        framework="onnx",
    )
    write_model(folder / "weak", "weak", weak)
    (folder / "own.yml").write_text(
        "keypoints: ["
        + ", ".join(f"point{n}" for n in range(17))
        + "]\nsigmas: ["
        + ", ".join(["0.05"] * 17)
        + "]\n"
    )
    (folder / "bad").mkdir()
    for path in (folder / "photos").iterdir():
        (folder / "bad" / path.name).write_bytes(
            path.read_bytes()[: 300 if path.name.endswith("1.jpg") else None]
        )


PLACEHOLDERS = {"PHOTOS": "photos", "[1,3,HEIGHT,WIDTH]": "[1,3,64,96]"}


def advised(text: str) -> str:
    """The first command in a text, without the words of the sentence that follow."""
    shown = re.search(
        r"posezoo ([a-z]+(?: (?:-\S+(?: [^-\s]\S*)?|net|plain.xml|any.onnx|coco-val2017|create|m|photos|info|get(?= coco)))*)",
        text,
    )
    assert shown, text
    words = [PLACEHOLDERS.get(word.strip("'"), word) for word in shown[1].rstrip(",;").split()]
    return " ".join(words)


def call(line: str, folder: Path):
    words = [word if word != "-M" else "--models_dir" for word in shlex.split(line)]
    environ = {"POSEZOO_WEIGHTS_DIR": "ir"}
    while re.match("[A-Z_]+=", words[0]):
        name, _, value = words.pop(0).partition("=")
        if name == "CONFIG":
            (folder / "posezoo.cfg").write_text(f"[posezoo]\n{value}\n")
            continue
        if name == "EDIT":
            with (folder / value).open("a") as f:
                f.write("# edited\n")
            continue
        if name == "SED":
            path, old, new = value.split(":")
            (folder / path).write_text((folder / path).read_text().replace(old, new))
            continue
        environ[name] = value
    if words[0] == "rm":
        (folder / words[1]).unlink()
        return subprocess.CompletedProcess(words, 0, "", "")
    if words[0] == "git":
        for command in ("init -q", "add .", "-c user.name=a -c user.email=a@b commit -qm a"):
            subprocess.run(["git", *command.split()], cwd=folder, check=True)
        return subprocess.CompletedProcess(words, 0, "", "")
    if words[0] in ("mo", "converter", "downloader", "quantizer"):
        return omz_tool(*words, cwd=folder, **environ)
    return posezoo(*words, cwd=folder, **environ)
