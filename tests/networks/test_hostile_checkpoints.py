"""Commands refuse harmful checkpoints with one line: nothing runs, and no file is left."""

from __future__ import annotations

import io
import json
import os
import sys
from dataclasses import dataclass

import pytest

from fakes.checkout import ROOT
from fakes.checkpoints import (
    program,
    row,
    storage,
    tensor,
    torch_zip,
)
from fakes.command import posezoo, run_process
from fakes.founding import serve
from fakes.running import SRC
from fakes.when_used import import_when_used
from networks.checkpoints.test_hostile import Command
from posezoo.core.declarations.model import ModelSpec
from posezoo.core.registry import open_registry

torch = import_when_used("torch")
pytest.importorskip("resource", reason="needs POSIX's measure of a process")

MOST_MIB = 400  # generous: only a file that is believed takes this
NETWORK = "mobile_pose_mobilenetv3_small"
POSEZOO = (sys.executable, "-m", "posezoo")
CONVERTER = (sys.executable, str(ROOT / "tools" / "downloader" / "converter.py"))
DOWNLOADER = (sys.executable, str(ROOT / "tools" / "downloader" / "downloader.py"))


@dataclass(frozen=True)
class Ended:
    """The result of a command, and the MiB of its largest child process."""

    code: int
    stdout: str
    stderr: str
    peak_mib: float


# A process of its own, small: what the system says of its children holds no less than it had itself.
_MEASURE = """
import json, resource, subprocess, sys
ended = subprocess.run(sys.argv[1:], capture_output=True, text=True)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
peak_mib = used.ru_maxrss / (1 << 20 if sys.platform == "darwin" else 1 << 10)
print(json.dumps([ended.returncode, ended.stdout, ended.stderr, peak_mib]))
"""


def measured(*command):
    ended = run_process(
        [sys.executable, "-I", "-S", "-c", _MEASURE, *map(str, command)],
        check=True,
        env={**os.environ, "PYTHONPATH": str(SRC)},
    )
    return Ended(*json.loads(ended.stdout))


def saved(value, *, zipped=True):
    stream = io.BytesIO()
    torch.save(value, stream, _use_new_zipfile_serialization=zipped)
    return stream.getvalue()


HOSTILE = {
    "a command, zip": (lambda folder: saved({"a": Command(folder)}), "refers to 'posix.system'"),
    "a whole module, legacy": (lambda _: saved(torch.nn.ReLU(), zipped=False), "torch.nn.modules.activation"),
    "sizes beyond the file": (
        lambda _: torch_zip(program({"a": tensor(storage("0", 1 << 60), (2,), (1,))}), {"0": row(1, 2)}),
        "declared with 4611686018427387904 bytes, and has 8",
    ),
}  # fmt: skip


def is_one_line(stderr, path):
    """An error that names the file, with an optional hint."""
    first, *hints = stderr.splitlines()
    return (
        first.startswith(f"error: {path}: ")
        and len(hints) <= 1
        and all("hint: " in hint for hint in hints)
    )


#: These claim to be large, or run a command: they are read by a process of their own.
MEASURED = (
    "a command, zip",
    "sizes beyond the file",
)


@pytest.mark.parametrize("kind", HOSTILE)
def test_harmful_weights_are_refused(tmp_path, kind):
    make, problem = HOSTILE[kind]
    path = tmp_path / "net.pth"
    path.write_bytes(make(tmp_path))
    words = ("convert", "--network", NETWORK, "--checkpoint", path, "-o", tmp_path / "out", "-q")
    if kind in MEASURED:
        ended = measured(*POSEZOO, *words)
        assert ended.peak_mib < MOST_MIB
        code, stdout, stderr = ended.code, ended.stdout, ended.stderr
    else:
        here = posezoo(*words)
        code, stdout, stderr = here.returncode, here.stdout, here.stderr
    assert (code, stdout) == (1, "")
    assert is_one_line(stderr, path) and problem in stderr, stderr
    assert [each.name for each in tmp_path.iterdir()] == ["net.pth"]


@pytest.mark.parametrize("kind", HOSTILE)
def test_harmful_published_files_are_refused(tmp_path, server, kind):
    """The digest is right: the registry was deceived."""
    make, problem = HOSTILE[kind]
    spec = open_registry().find("higher-hrnet-w32-human-pose-estimation")
    assert isinstance(spec, ModelSpec)
    serve(spec, make(tmp_path), server, tmp_path / "models")
    which = ("--name", spec.name, "--models_dir", tmp_path / "models")
    assert measured(*DOWNLOADER, *which, "-o", tmp_path / "out").code == 0
    before = sorted((tmp_path / "out").rglob("*"))
    ended = measured(*CONVERTER, *which, "-d", tmp_path / "out")
    assert ended.code == 1 and ended.stdout.endswith(f"FAILED:\n{spec.name}\n")
    path = tmp_path / "out" / spec.subdirectory / spec.checkpoint
    assert f"{path}: " in ended.stderr and problem in ended.stderr, ended.stderr
    assert "Traceback" not in ended.stderr
    assert ended.peak_mib < MOST_MIB
    assert sorted((tmp_path / "out").rglob("*")) == before
    assert not (tmp_path / "ran").exists()
