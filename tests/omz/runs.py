"""Runs a command line in a folder of its own, and collects its result."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fakes.checkout import ROOT
from fakes.command import Ended, omz_tool
from fakes.network import network
from fakes.waiting import HANG_S
from omz.table import Row
from omz.zoo import BODIES

MO_ENV = ROOT / "build" / "mo-env"

# Open Model Zoo's tools find their models beside themselves; telemetry would wait a second for a network.
THEIRS = """
import sys
from importlib import import_module
from pathlib import Path
sys.modules["openvino_telemetry"] = None
import yaml
from omz_tools import _common
yaml.safe_load = lambda stream: yaml.load(stream, yaml.CSafeLoader)  # the same in a tenth of the time
# Those of older releases, whose models it would refuse.
_common.KNOWN_FRAMEWORKS.update(dict.fromkeys(("caffe", "mxnet", "paddle")), caffe2="caffe2_to_onnx.py")
if __name__ == "__main__":
    tool, root = sys.argv[1:3]
    _common.MODEL_ROOT = Path(root)
    sys.argv[:3] = [tool]
    import_module(f"omz_tools.omz_{tool}").main()
"""

# The same for one call after the other, each in a fork: to import the tools takes longer than most of what they do.
MANY_OF_THEIRS = """
import json, os, sys, traceback
from importlib import import_module
from pathlib import Path
sys.modules["openvino_telemetry"] = None
import yaml
from omz_tools import _common
yaml.safe_load = lambda stream: yaml.load(stream, yaml.CSafeLoader)
_common.KNOWN_FRAMEWORKS.update(dict.fromkeys(("caffe", "mxnet", "paddle")), caffe2="caffe2_to_onnx.py")
tools = {tool: import_module(f"omz_tools.omz_{tool}") for tool in ("downloader", "converter", "info_dumper")}

def run(call):
    os.chdir(call["folder"])
    for descriptor, path in ((1, call["stdout"]), (2, call["stderr"])):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT), descriptor)
    _common.MODEL_ROOT = Path(call["zoo"])
    sys.argv[:] = [call["tool"], *call["args"]]
    try:
        tools[call["tool"]].main()
    except SystemExit as ended:
        if isinstance(ended.code, str):
            print(ended.code, file=sys.stderr)
            return 1
        return ended.code or 0
    except BaseException:
        traceback.print_exc()
        return 1
    return 0

for line in sys.stdin:
    child = os.fork()
    if not child:
        code = run(json.loads(line))
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""

#: Runs a tool with a zoo and arguments, in a folder.
Command = Callable[[str, Path, Sequence[str], Path], Ended]


def theirs(tool: str, zoo: Path, args: Sequence[str]) -> list[str]:
    """Runs Open Model Zoo's own tool with a zoo."""
    return [str(MO_ENV / "bin" / "python"), "-c", THEIRS, tool, str(zoo), *args]


def ours(tool: str, zoo: Path, args: Sequence[str]) -> list[str]:
    """Runs posezoo's tool with the same zoo."""
    script = ROOT / "tools" / "downloader" / f"{tool}.py"
    return [sys.executable, str(script), "--models_dir", str(zoo), *args]


class Theirs:
    """Runs Open Model Zoo's own tools, one call after the other, in a process that has imported them."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._process = subprocess.Popen(
            [str(MO_ENV / "bin" / "python"), "-c", MANY_OF_THEIRS],
            env={
                "PATH": os.pathsep.join((str(MO_ENV / "bin"), os.environ["PATH"])),
                **_environ(home),
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Theirs:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.stdin.close()
        self._process.wait(timeout=HANG_S)
        self._process.stdout.close()

    def __call__(self, tool: str, zoo: Path, args: Sequence[str], folder: Path) -> Ended:
        outputs = [self._home / name for name in ("stdout", "stderr")]
        for output in outputs:
            output.unlink(missing_ok=True)
        call = {
            "tool": tool,
            "zoo": str(zoo),
            "args": list(args),
            "folder": str(folder),
            "stdout": str(outputs[0]),
            "stderr": str(outputs[1]),
        }
        print(json.dumps(call), file=self._process.stdin, flush=True)
        code = int(self._process.stdout.readline())
        printed = [output.read_text("utf-8") for output in outputs]
        return subprocess.CompletedProcess([tool, *args], code, *printed)


class Ours:
    """Runs posezoo's tools."""

    def __init__(self, home: Path) -> None:
        self._environ = _environ(home)

    def __call__(self, tool: str, zoo: Path, args: Sequence[str], folder: Path) -> Ended:
        return omz_tool(tool, "--models_dir", zoo, *args, cwd=folder, **self._environ)


def _environ(home: Path) -> dict[str, str]:
    return {"HOME": str(home), "CI": "true"}


@dataclass(frozen=True)
class Came:
    """The result of a run, as far as scripts rely on it."""

    said: str
    exit: int
    models: list[str]
    failed: list[str]
    files: dict[str, str]
    events: list[tuple[object, ...]]
    info: list[dict[str, Any]]


def run(row: Row, command: Command, zoo: Path, folder: Path) -> Came:
    """Run a row in an empty folder."""
    _seed(row, folder)
    if row.first:
        command(row.tool, zoo, _split(row.first, folder), folder)
    ended = command(row.tool, zoo, _split(row.args, folder), folder)
    facts, events = _json(ended.stdout, row)
    return Came(
        said=ended.stdout + ended.stderr,
        exit=ended.returncode,
        models=_models(ended.stdout, row, facts),
        # Theirs come out of a set.
        failed=sorted(ended.stdout.partition("FAILED:\n")[2].splitlines()),
        files=_files(folder),
        events=events,
        info=facts,
    )


def _split(args: str, folder: Path) -> list[str]:
    places = {"{list}": str(folder / "models.lst"), "{cache}": str(folder / "cache")}
    return [re.sub(r"\{\w+\}", lambda match: places[match[0]], arg) for arg in shlex.split(args)]


def _seed(row: Row, folder: Path) -> None:
    folder.mkdir(parents=True)
    digest = hashlib.sha384(BODIES["one"]).hexdigest()
    for name, said in row.files.items():
        path = folder / name.replace("{one}", f"{digest[:2]}/{digest[2:]}")
        path.parent.mkdir(parents=True, exist_ok=True)
        bodies = {"{lost}": BODIES["lost"], "{net}": network("onnx")}
        path.write_bytes(bodies.get(said, said.encode()))


def _json(stdout: str, row: Row) -> tuple[list[dict[str, Any]], list[tuple[object, ...]]]:
    """The output of info_dumper, and the download events."""
    if row.tool == "info_dumper":
        facts = json.loads(stdout) if stdout.startswith("[") else []
        return [known(fact) for fact in facts], []
    if "--progress_format json" not in row.args:
        return [], []
    told = [json.loads(line) for line in stdout.splitlines() if line.startswith("{")]
    keys = ("$type", "model", "model_file", "successful")
    events = [tuple(each.get(key) for key in keys) for each in told]
    # How often progress is reported is a matter of time; with several jobs, files come in any order.
    has_jobs = "-j" in row.args
    steady = sorted(
        dict.fromkeys(events),
        key=lambda event: (str(event[1]), str(event[2] or "") if has_jobs else ""),
    )
    return [], steady


_KEYS = (
    "name", "composite_model_name", "description", "framework", "license_url", "accuracy_config", "model_config",
    "precisions", "subdirectory", "task_type", "model_stages",
)  # fmt: skip


def known(facts: dict[str, Any]) -> dict[str, Any]:
    """The output of info_dumper for a model, with the keys of Open Model Zoo."""
    inputs = [
        {key: fact[key] for key in ("name", "shape", "layout")} for fact in facts["input_info"]
    ]
    return {**{key: facts[key] for key in _KEYS}, "input_info": inputs}


def _models(stdout: str, row: Row, facts: list[dict[str, Any]]) -> list[str]:
    """The models that a run worked on or listed."""
    if facts:
        return [fact["name"] for fact in facts]
    if "--print_all" in row.args:
        return stdout.split()
    told = re.findall(r"(?:#\|\| Downloading|Converting|Skipping) (\S+)", stdout)
    return sorted(set(told))


def _files(folder: Path) -> dict[str, str]:
    """The files in the folder, without posezoo's own files and empty folders of a cache."""
    found = sorted(
        path for path in folder.rglob("*") if path.is_file() and path.name != "provenance.json"
    )
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in found
    }
