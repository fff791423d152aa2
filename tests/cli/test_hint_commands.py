"""What each hint with a command advises is done, and leads further: to the end, or to another message."""

import ast
import configparser
import json
import re
import shlex
import shutil
import subprocess

import cv2
import numpy as np
import pytest
from packaging.requirements import Requirement

from fakes.coco import annotations, person
from fakes.command import omz_tool, posezoo
from fakes.exports import write_zoo
from fakes.irs import write_ir
from fakes.source import nodes_in
from fakes.videos import write_frames
from fakes.when_used import needs
from fakes.zoo import declared_file, model_yml, omz_yml, write_model
from posezoo.core.install_commands import install_command
from test_hints import ROOT, SOURCES, VERBS, hints_of

onnx = needs("onnx")
pytest.importorskip("faster_coco_eval", reason="needs faster-coco-eval")

#: Words of a hint, the commands whose last one shows it, and what it advises, where $ is its command. -M is
#: --models_dir; a step in capitals prepares a file; what is no other program is a command of posezoo.
CASES = (
    ("posezoo list shows what they need here", "run openpose", "list"),
    ("posezoo help --all shows all verbs", "gett_it", "help --all"),
    ("--help shows its usage", "get net --attempts x", "get --help"),
    ("check --log", "get net -M models --log no/such", "get net -M models --log log"),
    ("check --models_dir", "list -M nowhere", "list -M models"),
    ("check --models_dir", "get --all -M photos", "get --all -M models"),
    ("check --models_dir", "lint -M photos", "lint -M models"),
    ("name a folder; posezoo creates a missing one", "mirror create photo.png net -M models", "mirror create m net -M models"),
    ("posezoo mirror create ", "POSEZOO_MODELS_DIR=models mirror check m", "POSEZOO_MODELS_DIR=models $; mirror check m"),
    ("if it was withdrawn", "lock net -M models --lock l; lock net -M two --lock l", "lock net -M two --lock l --prune"),
    ("use the registry that the lock is of", "lock net -M models --lock l; lock --all -M two --lock l", "lock other -M two --lock l"),
    ("posezoo lock MODEL adds entries", "lock --check --lock l -M models", "lock net -M models --lock l"),
    ("check --models_dir and --registry", "lock net -M models --lock l; get other -M two --lock l --locked", "get net -M models --lock l --locked --dry_run"),
    ("posezoo download ", "convert net -M models", "$; convert net -M models"),
    ("name a model: posezoo list", "run --input photo.png -M models", "list -M models"),
    ("posezoo list shows them all", "get nosuch -M models", "list -M models"),
    ("posezoo list --framework pytorch", "convert --network net --checkpoint net.onnx -M models", "$"),
    ("--help lists the endings", "convert net.onnx.1", "convert --help"),
    ("posezoo doctor lists the settings", "CONFIG=nosuch=1 list -M models", "doctor; rm posezoo.cfg; list -M models"),
    ("shows its license", "POSEZOO_ALLOW_LICENSES=MIT get net -M models", "$"),
    ("--images PHOTOS", "get net -M models -o mine --precisions FP16-INT8", "$; get net -M models -o mine --precisions FP16-INT8"),
    ("--precisions selects others", "benchmark net -M models --precisions FP16-INT8", "benchmark net -M models --precisions FP16 --seconds 0.1"),
    ("--annotations FILE names it", "quantize net -M models --images photos --metric ap", "quantize net -M models --images photos --metric ap --annotations people.json"),
    ("--mean_values 0 --scale_values 1 writes unstated.yml", "run unstated.xml --input photo.png --detector none", "run unstated.xml --as net -M models --input photo.png --detector none; new unstated.xml --mean_values 0 --scale_values 1; run unstated.xml --as unstated.yml --input photo.png --detector none"),
    ("--mean_values 0 --scale_values 1 writes unstated.yml", "export unstated.xml --to folder out --decode", "new unstated.xml --mean_values 0 --scale_values 1; export unstated.xml --to folder out --decode --as unstated.yml"),
    ("remove --input_type, --input_layout and --resize, or add --decode", "export heat.xml --to folder out --resize", "export heat.xml --to folder out; export heat.xml --to folder out2 --resize --decode"),
    ("--to folder, ovms and triton without --decode take any outputs", "export plain.xml --to cpp out", "export plain.xml --to ovms out; export plain.xml --to triton out2; export plain.xml --to folder out3"),
    ("--to folder takes any model", "export heat.xml --to modelapi out", "export heat.xml --to folder out; export heat.xml --to folder out2 --decode"),
    ("--to folder writes the IR", "export heat.xml --to dlstreamer out", "export heat.xml --to folder out"),
    ("--detector none exports the network alone", "export other -M two --to modelapi out", "export other -M two --to folder out --detector none"),
    ("posezoo convert creates it", "rm heat.bin; run heat.xml --input photo.png", "get net -M models -o mine; run mine/public/net/FP16/net.xml --input photo.png --detector none"),
    ("name one with --input", "run heat.xml --track --input photo.png --detector none", "run heat.xml --track --input walk.avi --detector none"),
    ("posezoo doctor lists the devices", "run heat.xml --input photo.png --device CUDA", "doctor"),
    ("posezoo run --input ", "run photo.png", "run heat.xml --input photo.png --detector none"),
    ("to find the poses in it: posezoo run --input ", "photo.png", "run heat.xml --input photo.png --detector none"),
    ("posezoo run heat.xml --input ", "run heat.xml photo.png", "run heat.xml --input photo.png --detector none"),
    ("or --coco_home; or posezoo dataset get coco-val2017", "evaluate heat.xml", "evaluate heat.xml --annotations people.json --images photos --boxes truth"),
    ("--accept_terms", "dataset get coco-val2017", "$"),
    ("or name their folder: --weights_dir DIR", "info net --licenses -M models --weights_dir no", "download net -M models -o mine; info net --licenses -M models --weights_dir mine"),
    ("--license SPDX", "new mine --from net.onnx -M own", "new mine --from net.onnx -M own --license MIT"),
    ("name another folder: --models_dir DIR", "new mine --from net.onnx -M photo.png --license MIT", "new mine --from net.onnx -M own --license MIT"),
    ("or add --framework", "new mine --from net.onnx.1 -M own --license MIT", "new mine --from net.onnx.1 -M own --license MIT --framework onnx"),
    ("or name another --weights_dir", "download net -M models; new net --from ir/public/net/net.onnx -M own --license MIT", "new net --from ir/public/net/net.onnx -M own --license MIT --weights_dir other"),
    ("name the folder of your models: --models_dir DIR", "lint --changed_since HEAD", "git; lint --changed_since HEAD -M models"),
    ("posezoo lint --format json prints one", "lint -M models --baseline b.json", "lint -M models --format json > b.json; lint -M models --baseline b.json"),
    ("--force replaces it", "shims bin; EDIT=bin/omz_converter shims bin", "shims bin --force"),
    ("--input_model FILE, or", "mo", "mo --input_model net.onnx"),
    ("give --framework ", "mo --input_model net.onnx.1", "mo --input_model net.onnx.1 --framework onnx"),
    ("--output_dir names the folder", "mo --input_model net.onnx --model_name a/b", "mo --input_model net.onnx --model_name b --output_dir a"),
    ('pip install "openvino-dev===2024.6.0"', "mo --input_model net.onnx --tensorboard_logdir x", "pip"),
    ("--size H,W", "benchmark any.xml --seconds 0.1", "benchmark any.xml --seconds 0.1 --size 64,96"),
    ("--trust_on_first_use accepts", "get weak -M weak", "get weak -M weak --trust_on_first_use"),
    ("--allow_http allows it", "get weak -M weak --trust_on_first_use", "get weak -M weak --trust_on_first_use --allow_http"),
    ("--images names the folder of the images", "evaluate heat.xml --annotations people.json --images no", "evaluate heat.xml --annotations people.json --images photos --boxes truth"),
    (" lists them", "evaluate heat.xml --annotations more.json --images photos", "$"),
    ("--skip_unreadable evaluates without", "evaluate heat.xml --annotations more.json --images photos --boxes truth", "evaluate heat.xml --annotations more.json --images photos --boxes truth --skip_unreadable"),
    ("--skip_unreadable leaves out some", "evaluate heat.xml --annotations people.json --images bad --boxes truth", "evaluate heat.xml --annotations people.json --images bad --boxes truth --skip_unreadable"),
    ("or --category names another", "evaluate heat.xml --annotations other.json --images photos", "evaluate heat.xml --annotations other.json --images photos --boxes truth --category hand"),
    ("choose one: --category", "evaluate heat.xml --annotations two.json --images photos", "evaluate heat.xml --annotations two.json --images photos --boxes truth --category man"),
    ("--category NAME chooses", "evaluate net -M models --annotations boxes.json --images photos", "evaluate net -M models --annotations boxes.json --images photos --category hand"),
    ("in the file of --skeleton", "evaluate heat.xml --annotations own.json --images photos", "evaluate heat.xml --annotations own.json --images photos --boxes truth --skeleton own.yml"),
    ("--skeleton FILE declares another", "evaluate heat.xml --annotations sigmas.json --images photos --boxes truth", "evaluate heat.xml --annotations sigmas.json --images photos --boxes truth --skeleton own.yml"),
    ("--to folder, ovms and triton without --decode take it", "export cropped.xml --to folder out --decode", "export cropped.xml --to folder out; export cropped.xml --to ovms out2; export cropped.xml --to triton out3"),
    ("--to folder writes the IR", "export cropped.xml --to dlstreamer out", "export cropped.xml --to folder out"),
    ("--input_shape [1,3,HEIGHT,WIDTH]", "new any.onnx --mean_values 0 --scale_values 1; export any.onnx --as any.yml --to folder out --decode", "$; export fixed.xml --as any.yml --to folder out --decode"),
    ("posezoo convert creates one", "run garbage.xml --input photo.png", "convert net -M models -o mine"),
    ("if you agree with the change", "lock net -M models --lock l; SED=models/public/net/model.yml:BGR:RGB get net -M models --lock l --locked", "get net -M models --lock l; lock net -M models --lock l; get net -M models --lock l --locked"),
    ("if it is from openvino-dev", "EDIT=omz_converter shims .", "shims other"),
    ("name a registry of your own: --models_dir DIR", "new mine --from net.onnx --license MIT", "new mine --from net.onnx --license MIT -M own"),
    ("posezoo get makes it", "verify --all -M models -o mine", "get net -M models -o mine; verify --all -M models -o mine"),
    ("repairs the first", "get net -M models -o mine; EDIT=mine/public/net/FP16/net.xml verify net -M models -o mine", "$; verify net -M models -o mine"),
    ("convert it without --decode", "get net -M models -o mine --decode; evaluate mine/public/net/FP16/net.xml --annotations people.json --images photos --flip", "get net -M models -o mine; evaluate mine/public/net/FP16/net.xml --annotations people.json --images photos --flip"),
    ("remove --max_people", "get net -M models --decode --max_people 3", "get net -M models --decode"),
    ("--decoder ", "run plain.xml --input photo.png", "new plain.xml --decoder yolox; run plain.xml --input photo.png --as plain.yml"),
    ("--to folder DIR takes any", "run odd.xml --input photo.png", "export odd.xml --to folder out"),
    ("remove --resize, or declare", "get loose -M loose --resize", "get loose -M loose"),
    ("--allow_upstream_code", "get coded -M odd", "get coded -M odd --allow_upstream_code"),
    ("--trust_on_first_use, with the same --lock", "CP=ir/public/weak/net.onnx convert weak -M weak", "$"),
    ("use --allow_rollback", "lock net -M models --lock l; SED=models/public/net/model.yml:BGR:RGB lock net -M models --lock l; SED=models/public/net/model.yml:RGB:BGR lock net -M models --lock l", "lock net -M models --lock l --allow_rollback"),
    ("then posezoo lock ", "lock net -M models --lock l; get net -M models --lock l --locked", "get net -M models --lock l; lock net -M models --lock l; get net -M models --lock l --locked"),
    ("remove --decode; these", "get iris --decode --dry_run", "get iris --dry_run"),
    ("add --decode: the IR then", "export blazepose-full --to dlstreamer out --dry_run", "export blazepose-full --to dlstreamer out --dry_run --decode"),
    ("--changed_since needs Git", "PATH=/nowhere lint -M models --changed_since HEAD", "git; lint -M models --changed_since HEAD"),
    ("give another --output_dir", "mo --input_model onnx.xml --framework onnx", "mo --input_model onnx.xml --framework onnx --output_dir a; mo --input_model onnx.xml --framework onnx --model_name b"),
    ("--metric ", "quantize net -M models --images photos --metric top1", "quantize net -M models --images photos --metric ap --annotations people.json"),
    ("posezoo recommend lists models", "run rcnn.xml --input photo.png", "recommend --all -M models"),
    ("with --input_shape, without --dynamic", "run any.xml --input photo.png --detector none", "convert any.onnx --input_shape [1,3,64,96] --scale_values 1 1 1 -o fixed.xml; run fixed.xml --input photo.png --detector none"),
    ("see which registry is in use: posezoo doctor", "download movenet-lightning", "doctor"),
    ("give a folder with a copy: --mirror DIR", "download movenet-lightning", "download movenet-lightning --mirror photos"),
    ("posezoo doctor shows the indexes", "download blazepose-full", "doctor"),
    ("again with posezoo mirror create", "get web -M web --mirror photos", "mirror create photos web -M web"),
    ("--mo build/mo-env/bin/mo", "get mx -M odd --mo photo.png", "make"),
    ("--min_person_score is for a person detector", "run net -M models --input photo.png --min_person_score 0.5", "run net -M models --input photo.png"),
    ("--precision FP16 for a model", "quantize net -M models -o mine --images photos; export net -M models -o mine --to onnx out --precision FP16-INT8", "export net -M models -o mine --to onnx out --precision FP16; export net -M models -o mine --to cpp out2 --precision FP16-INT8"),
    ("--format json prints any skeleton", "run heat.xml --skeleton own.yml --input photo.png --detector none --format openpose", "run heat.xml --skeleton own.yml --input photo.png --detector none --format json"),
    ("--output names a folder", "run heat.xml --input photo.png --detector none --format openpose --output one.png", "run heat.xml --input photo.png --detector none --format openpose --output some"),
)  # fmt: skip

#: Hints with a command that no case here produces, with the reason.
NOT_RUN = {
    "check --list": "of omz_downloader; tests/omz/test_list_file.py",
    "--list takes a text file": "of omz_downloader; tests/omz/test_list_file.py",
    "name one by its number: --input 0": "a camera, which test machines lack",
    "reconnect_s, or --reconnect": "a camera; tests/media/test_live_source.py",
    "run without a window; or: ": "another OpenCV; .ci/neighbours.py, tests/media/test_window.py",
    "give another --output": "the file itself as the result; tests/run/test_preparation.py",
    "export it to ONNX with its authors' code": "their code; docs/explanations/how_it_was_made.md",
    "--prune removes the line": "a second training; tests/cli/verbs/test_lock.py",
    "keep the lines of one side": "a merge of Git; tests/test_team_month.py",
    "record it again: ": "a merge of Git; tests/test_team_month.py",
    "declares other files of ": "a second training; tests/upkeep/verbs/test_new.py",
    "if you trust the file, ": "a file that takes long or much memory; tests/core/workers/test_processes.py",
    "fewer threads: --jobs 1": "a limit of the system; tests/cli/test_limits.py",
    "what posezoo doctor says": "a machine without any host; tests/run/verbs/test_run.py",
    "names a picture of your own": "files of a detector; tests/measure/verbs/test_benchmark.py",
    "makes an IR, which says all itself": "weights; tests/upkeep/verbs/test_new_beside.py",
    "another --weights_dir": "a file of another user, and tests may run as root",
    "unpacks it again": "an archive; tests/core/convert/test_frontends.py",
    "--sample FILE compares": "a fault that an input shows; tests/convert/test_one_verdict.py",
    "--self_check off": "a reader that crashes, or random numbers; tests/proof/test_self_check.py",
    "only --require_proof refuses": "a proof that fails; tests/proof/test_self_check.py",
    "makes INT8, too": "ranges of another network; tests/core/convert/test_publish.py",
    "--mo PATH": "needs Model Optimizer; tests/omz/test_model_optimizer.py",
    "--add_mo_arg=--input=": "of converter.py, and needs Model Optimizer",
    "remove --decode": "needs Model Optimizer",
    "--allow_private_redirects": "a redirect into a private network; tests/core/download/test_url_rules.py",
    "--header HOST": "a server with logins; tests/core/download/test_http.py",
    "--stall_timeout": "a server that is silent; tests/packages/test_small_answers.py",
    "records the files as they are now": "is the command of another case",
    "with posezoo get, and load": "a frozen program; tests/core/workers/test_program.py",
    "and remove --dynamic": "no model of the zoo declares it",
    "and --max_people": "outputs that a decoder refuses; tests/export/decoded/test_decoding.py",
    "--to cpp runs its IR": "an operation that ONNX lacks; tests/export/test_onnx_runtime.py",
    "or use posezoo convert, which": "OpenVINO alone reads the file; tests/formats/test_onnx_rewriting.py",
    "--models_dir names another registry": "an installed package",
    "posezoo run shows the names": "a detector that finds nothing of the data set's",
    "--images names the folder of their frames": "annotations of several videos",
    "--network NETWORK": "weights of PyTorch; tests/test_first_minutes.py",
    "posezoo convert --network": "weights of PyTorch; tests/networks/test_pretrained.py",
    "--model_name M names it": "weights of PyTorch; tests/cli/test_own_weights.py",
    "posezoo shims --wheel DIR": "Windows; tests/cli/test_on_windows.py",
    "--force writes its wheels anyway": "an old OpenVINO; tests/omz/verbs/test_shims.py",
    "posezoo benchmark MODEL --output": "measures for long; tests/pages/verbs/test_list_info.py",
    "posezoo list shows the models": "a composite whose parts are gone",
    "posezoo info ": "a name that is not missing; tests/pages/verbs/test_list_info.py",
    "pip install supervision": "of Python; tests/poses/test_keypoints.py",
    "makes another one": "an INT8 IR that was made otherwise; tests/quantize/test_quantization.py",
    "--max_drop D": "a network that loses much; tests/quantize/test_quantization.py",
    " makes its IR": "a task without a decoder; tests/run/test_load.py",
    "or convert it without --resize": "of Python; tests/run/runtime/test_graph.py",
    "convert it with --min_score": "a decoder for several people; tests/run/verbs/test_run.py",
    "converts it again": "an IR of another model.yml; tests/measure/test_complexity_count.py",
    "dask scheduler": "a cluster; tests/scale/test_cluster_flag.py",
    "without --decode_in_inference": "a flag of YOLOX's own program",
}
PLACEHOLDERS = {"PHOTOS": "photos", "[1,3,HEIGHT,WIDTH]": "[1,3,64,96]"}
#: What a sentence may have after posezoo's name that is part of a command.
WORD = r"-\S+ (?!(?:shows|records|lists|repairs|converts|makes)\b)[^-\s]\S*|-\S+|net|weak|plain\.xml|any\.onnx|m\b|create|info|get(?= coco)|coco-\S+"


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    """Registries, networks, photos with annotations, and a video."""
    folder = tmp_path_factory.mktemp("desk")
    write_registries(folder)
    write_networks(folder)
    write_photos(folder)
    return folder


def write_registries(folder):
    write_zoo(folder)
    shutil.copytree(folder / "models", folder / "two")
    (folder / "two" / "public" / "net").rename(folder / "two" / "public" / "other")
    with (folder / "models" / "public" / "net" / "model.yml").open("a") as file:
        file.write("people: {photo: whole_image}\n")
    network = onnx.load(folder / "net.onnx")
    for port in (*network.graph.input, *network.graph.output):
        for axis in port.type.tensor_type.shape.dim[2:]:
            axis.dim_param = "side"
    onnx.save(network, folder / "any.onnx")
    for name in ("net.onnx.1", "onnx.xml"):
        shutil.copy(folder / "net.onnx", folder / name)
    (folder / "names.txt").write_text("net\n")
    net, any_size = (declared_file(folder / f"{name}.onnx") for name in ("net", "any"))
    unpinned = {"size": "unknown", "max_size": 9999, "checksum": "unknown"}
    far = {"source": "http://models.invalid/net.onnx"}
    image = {"name": "image", "shape": [1, 3, -1, -1], "layout": "NCHW"}
    loose = ["--input_model=$dl_dir/any.onnx"]
    made = ["--input_model=$conv_dir/made.onnx"]
    models = {
        "weak/weak": model_yml(framework="onnx", files=[net | unpinned | far]),
        "web/web": model_yml(framework="onnx", files=[net | far]),
        "loose/loose": omz_yml(files=[any_size], model_optimizer_args=loose, input_info=[image]),
        "odd/made": omz_yml(files=[net], model_optimizer_args=made),
        "odd/coded": omz_yml(files=[net], model_optimizer_args=made),
        "odd/mx": model_yml(framework="mxnet"),
    }
    for place, content in models.items():
        root, name = place.split("/")
        write_model(folder / root, name, content)
    (folder / "odd" / "public" / "coded" / "pre-convert.py").write_text("raise SystemExit(1)\n")


def write_networks(folder):
    maps = {"heatmaps": (1, 17, 16, 24)}
    rcnn = {
        "boxes": (9, 4),
        "labels": (9,),
        "scores": (9,),
        "keypoints": (9, 17, 3),
        "more": (9, 17),
    }
    write_ir(folder / "heat.xml", maps)
    write_ir(folder / "unstated.xml", maps, states_images=False)
    write_ir(folder / "any.xml", maps, image=(1, 3, -1, -1))
    write_ir(folder / "cropped.xml", maps, info={("model_info", "resize_type"): "crop"})
    write_ir(folder / "named.xml", maps, info={("model_info", "labels"): "a b c"})
    write_ir(folder / "classes.xml", {"scores": (1, 1000)})
    write_ir(folder / "rcnn.xml", rcnn)
    write_ir(folder / "plain.xml", {"head": (1, 7, 3)})
    write_ir(folder / "odd.xml", {"head": (1, 2, 3, 4, 5)})
    (folder / "garbage.xml").write_text("<html>")


def write_photos(folder):
    for place in ("photos", "bad"):
        (folder / place).mkdir()
    for number in (1, 2, 3):
        image = np.random.default_rng(number).integers(0, 255, (64, 96, 3), np.uint8)
        cv2.imwrite(str(folder / "photos" / f"{number:012}.jpg"), image)
        data = (folder / "photos" / f"{number:012}.jpg").read_bytes()
        (folder / "bad" / f"{number:012}.jpg").write_bytes(data[: 300 if number == 1 else None])
    cv2.imwrite(str(folder / "photo.png"), image)
    write_frames(folder / "walk.avi", [image], fps=10)
    people = [person(n, n, [[20, 20, 2]] * 17, bbox=(5, 5, 80, 50)) for n in (1, 2, 3)]
    content = annotations(3, people, (96, 64))
    (category,) = content["categories"]
    points = [f"point{number}" for number in range(17)]
    hand = {**category, "name": "hand"}
    categories = {
        "people": [category],
        "two": [{**hand, "name": "man"}, {**hand, "id": 2}],
        "other": [{**category, "id": 7}, hand],
        "own": [{**category, "keypoints": points}],
        "sigmas": [{**category, "keypoints": points, "sigmas": [0.05] * 17}],
        "boxes": [{"id": 1, "name": "hand"}],
    }
    for name, listed in categories.items():
        (folder / f"{name}.json").write_text(json.dumps({**content, "categories": listed}))
    (folder / "more.json").write_text(json.dumps(annotations(4, people, (96, 64))))
    names = ", ".join(points)
    sigmas = ", ".join(["0.05"] * 17)
    (folder / "own.yml").write_text(f"keypoints: [{names}]\nsigmas: [{sigmas}]\n")


def prepare(step, value, folder):
    path, *texts = value.split(":")
    target = folder / path
    target.parent.mkdir(parents=True, exist_ok=True)
    if step == "CP":
        shutil.copy(folder / "net.onnx", target)
    elif step == "CONFIG":
        (folder / "posezoo.cfg").write_text(f"[posezoo]\n{value}\n")
    elif step == "EDIT":
        with target.open("a") as file:
            file.write("# edited\n")
    else:
        target.write_text(target.read_text().replace(*texts))


def run_line(line, folder):
    """Run one command of a case."""
    words = ["--models_dir" if word == "-M" else word for word in shlex.split(line)]
    environ = {"POSEZOO_WEIGHTS_DIR": "ir"}
    while re.match("[A-Z_]+=", words[0]):
        name, _, value = words.pop(0).partition("=")
        if name in ("CP", "CONFIG", "EDIT", "SED"):
            prepare(name, value, folder)
        else:
            environ[name] = value
    if words[0] == "rm":
        (folder / words[1]).unlink()
    elif words[0] == "git":
        for command in ("init -q", "add .", "-c user.name=a -c user.email=a@b commit -qm a"):
            subprocess.run(["git", *command.split()], cwd=folder, check=True)
    elif words[0] == "make":
        subprocess.run(["make", "-n", "build/mo-env"], cwd=ROOT, check=True, capture_output=True)
    elif words[0] == "mo":
        return omz_tool(*words, cwd=folder, **environ)
    elif ">" in words:
        shown = posezoo(*words[: words.index(">")], cwd=folder, **environ)
        (folder / words[-1]).write_text(shown.stdout)
        return shown
    else:
        return posezoo(*words, cwd=folder, **environ)
    return subprocess.CompletedProcess(words, 0, "", "")


def advised_command(text):
    """The first command of posezoo in a text, without the words of the sentence that follow."""
    found = re.search(rf"posezoo ((?:{'|'.join(VERBS)})(?: (?:{WORD}))*)", text)
    assert found, text
    words = (word.strip("',;") for word in found[1].split())
    return " ".join(PLACEHOLDERS.get(word, word) for word in words)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0].strip()}: {case[1]}")
def test_what_a_hint_advises_leads_further(desk, tmp_path, case):
    hint, mistake, advice = case
    shutil.copytree(desk, tmp_path, dirs_exist_ok=True)
    for line in mistake.split("; "):
        shown = run_line(line, tmp_path)
    text = shown.stderr + shown.stdout
    assert hint in text
    if advice == "pip":
        for quoted in re.findall('pip install "([^"]+)"', text):
            Requirement(quoted)
        return
    problems = re.findall(r"(?m)^.*(?:error|ERROR).*$", text)
    assert problems or shown.returncode
    for line in advice.split("; "):
        command = advised_command(text) if "$" in line else ""
        followed = run_line(line.replace("$", command), tmp_path)
        again = [problem for problem in problems if problem in followed.stderr + followed.stdout]
        assert not again, line
        assert "a bug in posezoo" not in followed.stderr
        assert followed.returncode != 2, followed.stderr


#: A flag, or a verb with what follows it, or pip.
COMMAND = re.compile(
    rf"(?<![\w=-])--[a-z]|\bposezoo (?:{'|'.join(VERBS)})\b(?! runs)|\bpip install"
)


def test_each_hint_with_a_command_has_a_case():
    known = [hint for hint, *_ in CASES] + [*NOT_RUN]
    missing = []
    for path in SOURCES:
        for line, text in hints_of(path):
            is_problem = re.match(
                "--[a-z_]+(: |=| runs| compares|$)|.* (needs|cannot be used)$",
                text,
            )
            if COMMAND.search(text) and not is_problem and not any(each in text for each in known):
                missing.append(f"{path.relative_to(ROOT)}:{line}: {text}")
    assert not missing, "add a case to CASES:\n" + "\n".join(missing)


def test_extras_in_hints_exist():
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    extras = set(config["options.extras_require"])
    named = {
        str(node.value.value)
        for path in SOURCES
        if "extra=" in (code := path.read_text("utf-8"))  # to parse all takes seconds
        for node in nodes_in(code)
        if isinstance(node, ast.keyword)
        and (node.arg, type(getattr(node.value, "value", None))) == ("extra", str)
    }
    assert len(named) > 5
    for extra in named - {""}:  # the user chooses that package
        assert set(extra.split(",")) <= extras
        assert f"[{extra}]" in shlex.split(install_command(extra))[-1]
