"""Every file beside the data may be a stranger's, whatever it is: no command waits for it, believes it or
calls it a bug. One row for each name that posezoo writes or reads; a new name needs a row.
"""

import ast
import json
import os
import re
import shutil
from pathlib import Path

import pytest

import posezoo
from fakes import seeker
from fakes.command import posezoo as run_posezoo
from fakes.files import give_away
from fakes.network import network
from fakes.waiting import interrupted
from fakes.when_used import needs
from fakes.zoo import declared_file, onnx_yml, write_model

needs("openvino")
needs("onnx")

SOURCES = Path(posezoo.__file__).parent

MODEL = "out/public/net"
IR = f"{MODEL}/FP16"
CHECKS = (
    "verify net",
    "info net",
    "cache remove net --dry_run",
    "lock net --check",
    "get net --dry_run",
)
USES = (*CHECKS, "get net --quiet", "lock net", "card net")
RUN = "run ir/seeker.xml --detector none -i photos -o r --quiet"

#: The file of each row in the zoo of these tests, and the commands that read it, by the name that posezoo
#: gives it.
ROWS = {
    ".posezoo": ("r/.posezoo", (RUN,)),
    "provenance.json": (f"{IR}/provenance.json", USES),
    "provenance.json of downloads": (f"{MODEL}/provenance.json", (*USES, "verify")),
    "card.json": (f"{MODEL}/card.json", USES),
    "README.md": (f"{MODEL}/README.md", USES),
    ".*.part": (f"{MODEL}/.net.onnx.part", ("download net", *USES)),
    ".*.part.json": (f"{MODEL}/.net.onnx.part.json", ("download net", *USES)),
    ".*.part of a manifest": (f"{IR}/.provenance.json.part", USES),
    ".*.*-*.part": (f"{IR}/.net.xml.7-0123abcd.part", USES),
    ".*.guard": ("./.posezoo.lock.guard", USES),
    "metadata.yaml": (
        f"{IR}/metadata.yaml",
        ("run net -i photo.png", f"run {IR}/net.xml -i photo.png"),
    ),
    "metadata.yaml of a model": (
        f"{IR}/metadata.yaml",
        (f"run {IR}/net.xml --detector none -i photos",),
    ),
    "posezoo.lock": ("posezoo.lock", (*USES, "get net --locked")),
    "posezoo.cfg": ("posezoo.cfg", ("doctor", "info net")),
    "measured.yml": (
        "models/public/net/measured.yml",
        ("info net", "card net", "lint net"),
    ),
    "model.yml": ("models/public/net/model.yml", CHECKS),
    "names.yml": ("models/names.yml", ("info net", "lint", "list")),
    "papers.yml": ("models/papers.yml", ("info net", "card net", "lint")),
    "rehearsed.tsv": ("models/rehearsed.tsv", ("info net",)),
    "quantization.yml": ("models/quantization.yml", ("info net", "lint")),
    "accuracy-check.yml": (
        "models/public/net/accuracy-check.yml",
        ("info net", "lint"),
    ),
    "access_points.json": ("models/access_points.json", ("lint", "get net --dry_run")),
    "composite-model.yml": ("models/public/two/composite-model.yml", ("list", "lint")),
    "LICENSE": (f"{MODEL}/LICENSE", USES),
    "poses.json": ("r/poses.json", (RUN,)),
    "poses-*.jsonl": ("r/poses-0123456789ab.jsonl", (RUN,)),
    "*.json of a result": ("r/.posezoo/poses.json.json", (RUN, RUN)),
    "*_poses.png": ("r/03_poses.png", (RUN,)),
    "default.txt": (
        "home/.local/share/posezoo/default.txt",
        ("doctor", "run -i photo.png --registry posezoo"),
    ),
    ".gitignore": (".gitignore", ("new other --from net.onnx --license MIT --dry_run",)),
    ".gitattributes": (".gitattributes", ("new other --from net.onnx --license MIT --dry_run",)),
}

#: Names in the code that are no rows: the files are parts of the package, written but never read, read
#: only if the user names them, or kept in the cache by their digest.
NO_ROWS = {
    "*-*.jsonl", "-*.jsonl", "predictions-*.jsonl",  # with the journal of a run
    "*-int8.json", "-int8.json", "*_keypoints.json", "_keypoints.json", "config.json",
    "posezoo-export.json",
    "*-*.compiled", "*.compiled", ".*-*.new", "*.prototxt", "*.yml", "model.json",
    "face_parts.json", "importable.json", "keypoint_positions.json", "layer_tables.json",
    "mo_arguments.json", "model_procs.yml", "tables.json",
    "setup.cfg", "direct_url.json", "pyvenv.cfg", "uv-receipt.toml", ".*-*.part",
}  # fmt: skip

DEEP = b"[" * 1500

#: What a stranger's file may be, by what writes it.
KINDS = {
    "a pipe": os.mkfifo if hasattr(os, "mkfifo") else None,
    "a folder": os.mkdir,
    "a link to nothing": lambda path: path.symlink_to("nothing"),
    "a link to itself": lambda path: path.symlink_to(path.name),
    "an endless device": lambda path: path.symlink_to("/dev/zero"),
    "empty": lambda path: path.write_bytes(b""),
    "a number": lambda path: path.write_bytes(b"7"),
    "a list": lambda path: path.write_bytes(b"[[], {}]"),
    "unknown words": lambda path: path.write_bytes(
        json.dumps(
            {
                "sha384": 7,
                "url": 7,
                "staged": {"net.xml": 7, "../../outside": ["sha384:0"], "net.bin": [7, {}]},
                "model": "net",
                "files": {
                    "--yes": {"sha384": 7},
                    "../../outside": {"sha384": "0" * 96},
                    "net.xml": 1,
                    "net.onnx": {"recipe": 1, "from": [], "blake3": "00", "size": "x"},
                    "README.md": {"recipe": [], "sha384": "0" * 95},
                },
                "key": {
                    "sources": {"a": [], "b": {}},
                    "arguments": {"inputs": [7], "decoding": {}},
                },
                "self_check": {"outputs": {"x": 1}},
            }
        ).encode()
    ),
    "not UTF-8": lambda path: path.write_bytes(b"# Gr\xf6\xdfe\n\xff\xfe"),
    "nested deeply": lambda path: path.write_bytes(b'{"files": %b' % DEEP),
    "nested deeply in YAML": lambda path: path.write_bytes(b"a: %b" % DEEP),
    "another user's": lambda path: (path.write_bytes(b"{}"), give_away(path)),
}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A registry of one model, its files, IR, card and lock."""
    folder = tmp_path_factory.mktemp("made")
    (folder / "net.onnx").write_bytes(network("onnx"))
    write_model(folder / "models", "net", onnx_yml(declared_file(folder / "net.onnx")))
    seeker.write_ir(folder / "ir")
    seeker.write_photos(folder / "photos", 9)
    (folder / "outside").write_text("precious")
    for command in ("get net --quiet", "lock net", RUN):
        assert call(folder, command).returncode == 0
    return folder


def call(folder, command):
    return run_posezoo(
        *command.split(),
        cwd=folder,
        HOME=str(folder / "home"),
        XDG_CACHE_HOME=str(folder / "home" / ".cache"),
        POSEZOO_MODELS_DIR="models",
        POSEZOO_WEIGHTS_DIR="out",
        POSEZOO_LOCK="posezoo.lock",
        POSEZOO_OFFLINE="",
    )


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such files")
@pytest.mark.parametrize(
    "kind",
    KINDS,
)
@pytest.mark.parametrize("row", ROWS)
def test_no_command_waits_for_a_stranger_s_file_or_calls_it_a_bug(made, tmp_path, row, kind):
    name, commands = ROWS[row]
    zoo = shutil.copytree(made, tmp_path / "zoo", symlinks=True)
    for command in commands:
        plant(KINDS[kind], zoo / name)
        with interrupted():
            ended = call(zoo, command)
        said = f"{command}: {ended.returncode}\n{ended.stderr}"
        assert ended.returncode in (0, 1, 2), said
        assert "a bug in" not in ended.stderr and "Traceback" not in ended.stderr, said
        assert (zoo / "outside").read_text() == "precious"


def plant(write, path):
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    write(path)


@pytest.mark.parametrize("digest", [7, None, [], "x", {"sha384": 1}])
def test_a_folder_of_a_model_that_no_registry_has_is_no_bug_and_no_flag(made, tmp_path, digest):
    zoo = shutil.copytree(made, tmp_path / "zoo", symlinks=True)
    for name in ("gone", "--yes"):
        (zoo / "out/public" / name).mkdir()
        stated = {"model": name, "files": {"a.onnx": {"sha384": digest}, "../../outside": digest}}
        (zoo / "out/public" / name / "provenance.json").write_text(json.dumps(stated))
    for command in ("verify --all", "cache remove gone --dry_run", "cache remove gone"):
        ended = call(zoo, command)
        assert ended.returncode in (0, 1), ended.stderr
        assert "a bug in" not in ended.stderr
        assert "--yes" not in ended.stdout
    assert (zoo / "outside").read_text() == "precious"


def test_each_name_that_posezoo_writes_or_reads_has_a_row():
    names = {row.partition(" of ")[0] for row in ROWS}
    unknown = {}
    for path in SOURCES.rglob("*.py"):
        source = path.read_text("utf-8")
        for name in find_names(source) if ENDING.search(source) else ():
            if name not in names | NO_ROWS:
                unknown.setdefault(name, path.relative_to(SOURCES).as_posix())
    assert unknown == {}, "these need a row, or must be among the names without one"


ENDING = re.compile(
    r"\.(json|jsonl|yml|yaml|lock|cfg|part|guard|key|tsv|new|compiled|prototxt|toml)\b"
)
NAME = re.compile(r"[\w.*@-]*[\w*]" + ENDING.pattern)


def find_names(source):
    """The texts of a program that are names of files; ``*`` stands for what is put in."""
    for node in ast.walk(ast.parse(source)):
        text = ""
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            text = node.value
        elif isinstance(node, ast.JoinedStr):
            parts = (each.value if isinstance(each, ast.Constant) else "*" for each in node.values)
            text = "".join(map(str, parts))
        if NAME.fullmatch(text):
            yield text
