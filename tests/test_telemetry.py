"""Neither posezoo nor a program that it exports reports to anybody, nor leaves an identifier in the home folder.

The tests' fence turns off the reports of the packages that they load. Here each program starts as at a user's: with
an empty home folder, and without the fence's variables.
"""

import json
import os
import re
import shutil
import sys
from configparser import ConfigParser
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from fakes import fence, seeker
from fakes.checkout import ROOT
from fakes.coco import person
from fakes.command import run_process, succeeded
from fakes.exports import write_zoo
from fakes.model_api import convert_simcc, simcc_network, simcc_spec
from posezoo.cli.verbs import SUMMARIES
from posezoo.core.declarations.model import Precision
from posezoo.core.layout import ModelLayout
from posezoo.export.export_writer import write_export
from posezoo.export.model_export import read_ir_facts
from posezoo.export.target_type import ExportFolder
from posezoo.export.targets import TARGETS

#: What docs/operators.md names.
OWN = (Path(".cache/posezoo"), Path(".local/share/posezoo"))
#: Connections and messages, with all characters of texts as \\xNN.
TRACE = [
    "strace",
    "--seccomp-bpf",
    "-f",
    "-qq",
    "-xx",
    "-s",
    "300",
    "-e",
    "trace=connect,sendto,sendmsg,sendmmsg",
]
#: A name in a question to a name server: its labels, each after its length.
NAME = re.compile(rb"(?:[\x01-\x3f][A-Za-z][\w-]*)+(?=\0\0)")

#: Annotations of one of the photos, in the format of COCO.
PEOPLE = {
    "images": [{"id": 1, "file_name": "00.png", "width": seeker.SIDE, "height": seeker.SIDE}],
    "categories": [{"id": 1, "name": "person"}],
    "annotations": [person(1, 1, [20, 20, 2] * 17, bbox=(4, 4, 40, 40))],
}
#: For each verb the command lines that use the packages which it loads, each after those that it needs.
VERBS = {
    "benchmark": ["benchmark net --seconds 0.1"],
    "cache": ["download net", "cache list", "cache remove net"],
    "card": ["card net"],
    "completion": ["completion bash"],
    "convert": ["convert net.onnx --output ir/net.xml"],
    "dataset": ["dataset info --annotations people.json --images photos"],
    "demo": ["demo -m net -i photos -no_show -o demo"],
    "doctor": ["doctor"],
    "download": ["download net --weights_dir downloaded"],
    "evaluate": ["evaluate net --annotations people.json --images photos --output accuracy"],
    "export": ["export net --to onnx exported"],
    "get": ["get net --weights_dir got"],
    "info": ["info net"],
    "lint": ["lint"],
    "list": ["list"],
    "lock": ["get net", "lock net"],
    "mirror": ["mirror create mirror net", "mirror check mirror"],
    "new": ["new drafted --from net.onnx --license MIT --models_dir drafts"],
    "prove": ["prove net"],
    "quantize": ["quantize net --images photos --output int8"],
    "recommend": ["recommend"],
    "run": ["run net --input photos --output poses"],
    "shims": ["shims bin"],
    "verify": ["get net", "verify net"],
}
#: The packages that only some environments have.
PACKAGES = {"evaluate": "faster_coco_eval", "quantize": "nncf"}


@cache
def can_trace():
    command = [*TRACE, "-o", os.devnull, "true"]
    return bool(shutil.which("strace")) and not run_process(command).returncode


def is_own(path):
    """Whether a path below the home folder is one of ``OWN``, below it, or above it."""
    return any(path in (own, *own.parents) or own in path.parents for own in OWN)


def asked_in(trace):
    """The addresses that programs connected to or sent messages to, and the names that they asked for."""
    quoted = [
        (before, bytes.fromhex(text.replace("\\x", "")))
        for before, text in re.findall(r'(\w*, |\w*[(]|)"((?:\\x..)+)"', trace)
    ]
    asked = [text for before, text in quoted if before in ("inet_addr(", "AF_INET6, ")]
    names = [name for _, text in quoted for name in NAME.findall(text)]
    asked += [re.sub(rb"[\x01-\x3f]", b".", name).lstrip(b".") for name in names]
    # systemd's own resolver has a socket.
    asked += [text for _, text in quoted if b"io.systemd.Resolve" in text]
    return {text.decode("utf-8", "replace") for text in asked}


class Desk:
    """A user's working folder, with an empty home folder in it."""

    def __init__(self, folder):
        self.folder = folder
        self.home = folder / "home"
        self._asked = set()

    def run(self, *command):
        kept = {name: os.environ[name] for name in fence.KEPT & os.environ.keys()}
        own = {"HOME": str(self.home), "POSEZOO_MODELS_DIR": str(self.folder / "models")}
        trace = self.folder / "trace"
        tracer = [*TRACE, "-o", trace] if can_trace() else []
        ended = run_process([*tracer, *command], cwd=self.folder, env=kept | own)
        if tracer:
            self._asked |= asked_in(trace.read_text())
        return succeeded(ended)

    def posezoo(self, line):
        return self.run(sys.executable, "-m", "posezoo", *line.split())

    def left(self):
        """What lies in the home folder that is not posezoo's own."""
        paths = sorted(path.relative_to(self.home) for path in self.home.rglob("*"))
        return [path.as_posix() for path in paths if not is_own(path)]

    def asked(self):
        """Whom the programs asked."""
        if not can_trace():
            pytest.skip("strace cannot trace here")
        return sorted(self._asked)

    def tidy(self):
        """Leave the cache to the next test, and nothing else."""
        self._asked.clear()
        for left in reversed(self.left()):
            path = self.home / left
            path.unlink() if path.is_file() else path.rmdir()


@pytest.fixture(scope="module")
def shared_desk(tmp_path_factory):
    pytest.importorskip("openvino", reason="needs openvino")
    folder = tmp_path_factory.mktemp("desk")
    write_zoo(folder, people={"photo": "the whole image", "video": "tracking"})
    seeker.write_photos(folder / "photos")
    (folder / "people.json").write_text(json.dumps(PEOPLE))
    desk = Desk(folder)
    desk.home.mkdir()
    return desk


@pytest.fixture
def desk(shared_desk):
    yield shared_desk
    shared_desk.tidy()


def test_each_verb_is_used():
    assert sorted(VERBS) == sorted(SUMMARIES)
    assert all(lines[-1].startswith(verb) for verb, lines in VERBS.items())


@pytest.mark.parametrize(
    "verb",
    VERBS,
)
def test_a_verb_reports_to_nobody(desk, verb):
    if verb in PACKAGES:
        pytest.importorskip(PACKAGES[verb], reason=f"needs {PACKAGES[verb]}")
    for line in VERBS[verb]:
        desk.posezoo(line)
    assert desk.left() == []
    assert desk.asked() == []


#: The exports with a program: the flags, and the command that runs it on a photo.
PROGRAMS = {
    "onnx": ("onnx out", "{python} out/net/sample.py {photo} out/drawn.png"),
    "folder with the decoder": (
        "folder out --decode",
        "{python} out/net/sample.py {photo} out/drawn.png",
    ),
    "folder": ("folder out", "{python} out/net/sample.py {photo} out/drawn.png"),
}


@pytest.mark.parametrize("export", PROGRAMS)
def test_an_exported_program_reports_to_nobody(desk, export):
    flags, program = PROGRAMS[export]
    out = desk.folder / "out"
    shutil.rmtree(out, ignore_errors=True)
    desk.posezoo(f"export net --to {flags}")
    desk.run(
        *(word.format(python=sys.executable, photo="photos/00.png") for word in program.split())
    )
    assert desk.left() == []
    assert desk.asked() == []


def test_an_exported_program_for_model_api_reports_to_nobody(desk, tmp_path):
    if sys.version_info < (3, 11):
        pytest.skip("openvino-model-api needs Python 3.11")
    pytest.importorskip("model_api.models", reason="needs openvino-model-api")
    spec = simcc_spec(tmp_path, simcc_network())
    facts = read_ir_facts(
        spec, Precision.FP32, convert_simcc(tmp_path), ModelLayout(tmp_path, tmp_path)
    )
    files = TARGETS.find("modelapi").render(facts, ExportFolder({}))
    write_export(tmp_path / "out", lambda _: list(files))
    desk.run(sys.executable, tmp_path / "out" / spec.name / "sample.py", "photos/00.png")
    assert desk.left() == []
    assert desk.asked() == []


#: Imports all packages that an extra of posezoo installs, as posezoo does.
IMPORTER = """
import contextlib, sys, time
from posezoo.core.errors import import_optional
for name in sys.argv[1:]:
    with contextlib.suppress(Exception):
        import_optional(name, extra="all")
time.sleep(1)
"""


def packages_of_extras():
    """The import names of the packages that setup.cfg names, but for those of contributors."""
    config = ConfigParser(interpolation=None)
    config.read(ROOT / "setup.cfg", "utf-8")
    extras = dict(config["options.extras_require"])
    for name in ("test", "docs", "release", "check"):
        del extras[name]
    lines = "\n".join([config["options"]["install_requires"], *extras.values()]).splitlines()
    wanted = {
        canonicalize_name(Requirement(line).name)
        for line in lines
        if line[:1] not in ("", "#", "%")
    }
    assert len(wanted) > 25
    return [
        package
        for package, makers in packages_distributions().items()
        if package.isidentifier() and wanted & {*map(canonicalize_name, makers)}
    ]


def test_no_package_that_posezoo_installs_reports_when_it_imports_it(desk):
    desk.run(sys.executable, "-c", IMPORTER, *packages_of_extras())
    assert desk.left() == []
    assert desk.asked() == []
