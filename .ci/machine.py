"""Run commands, and make environments, in a folder of this run."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from promises import ROOT

UV = str(Path(sys.executable).with_name("uv"))
#: uv and pip, and posezoo, name a host that does not answer.
ABSENT_HOST = re.compile(r"Failed to fetch|Name or service not known|\w\.\w\S*: no connection: ")


def run(
    command: Sequence[str | Path], folder: Path = ROOT, **environ: str
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, with what it printed in `stdout`."""
    return subprocess.run(
        command, cwd=folder, env={**settings(), **environ}, stdin=subprocess.DEVNULL, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, errors="replace",
    )  # fmt: skip


@cache
def settings() -> Mapping[str, str]:
    """The environment of all commands: pip's index and folders for uv, which does not read pip's
    configuration; a cache that no earlier run filled, and no default model or measurements of the
    tester; each Python that pyenv has.
    """
    # What make that runs this program tells its own commands is not for those that this one runs.
    foreign = {"MAKEFLAGS", "MAKELEVEL", "MFLAGS", "PYTHONDONTWRITEBYTECODE", "PYTHONPATH"}
    foreign |= {"VIRTUAL_ENV"}
    environ = {
        name: value
        for name, value in os.environ.items()
        if name not in foreign and not name.startswith("POSEZOO_")
    }
    index = environ.get("PIP_INDEX_URL") or pip_config("global.index-url")
    if index:
        environ["UV_DEFAULT_INDEX"] = index
    if folders := environ.get("PIP_FIND_LINKS"):
        environ["UV_FIND_LINKS"] = folders
    pythons = sorted(Path(environ.get("PYENV_ROOT", "/none")).glob("versions/3.*/bin"))
    environ["PATH"] = os.pathsep.join([environ.get("PATH", os.defpath), *map(str, pythons)])
    return environ | {
        "UV_PYTHON_DOWNLOADS": "never",
        "MACOSX_DEPLOYMENT_TARGET": "14.0",
        "XDG_CACHE_HOME": str(place() / "cache"),
        "XDG_DATA_HOME": str(place() / "data"),
        "UV_CACHE_DIR": environ.get("UV_CACHE_DIR", str(Path.home() / ".cache" / "uv")),
    }


def pip_config(key: str) -> str:
    """A setting of pip, empty if it has none."""
    command = [sys.executable, "-m", "pip", "config", "get", key]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


@cache
def place() -> Path:
    """The folder of this run: another one may run at the same time."""
    build = ROOT / "build"
    build.mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=build, prefix="environments-"))
    folder.chmod(0o755)  # some tests start programs as another user
    return folder


def not_tested(reason: str) -> None:
    """Say what this machine cannot test."""
    print(f"== not tested here: {reason}", flush=True)


def end_of(printed: str, lines: int = 6) -> str:
    """The last lines of what a command printed."""
    return "\n".join(f"  {line}" for line in printed.strip().splitlines()[-lines:])


def is_offline(printed: str) -> bool:
    """Whether a command names a host of the internet that this machine cannot reach."""
    return bool(ABSENT_HOST.search(printed))


def path_with(env: Path) -> str:
    """The PATH with the commands of an environment before all others."""
    return f"{env / 'bin'}{os.pathsep}{settings()['PATH']}"


def install(env: Path, words: Sequence[str], folder: Path, python: str = sys.executable) -> str:
    """Make an environment with what follows `pip install`; why it could not be made, or empty."""
    for command in (
        [UV, "venv", "-q", "--clear", "--python", python, str(env)],
        [UV, "pip", "install", "-q", "--python", str(env), *words],
    ):
        ended = run(command, folder)
        if ended.returncode:
            break
    else:
        return ""
    if "--extra-index-url" not in words:
        return end_of(ended.stdout)
    # pip goes on without an index that does not answer.
    flag = list(words).index("--extra-index-url")
    not_tested(f"what {words[flag + 1]} has: it does not answer")
    return install(env, [*words[:flag], *words[flag + 2 :]], folder, python)
