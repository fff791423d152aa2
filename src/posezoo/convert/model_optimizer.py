"""A real Model Optimizer (openvino-dev 2024.6 or older), in an environment of its own, as a child process.

It serves what OpenVINO of today does not read: Caffe, TensorFlow's object detection pipelines, and programs
inside of Model Optimizer (--transformations_config). Its packages and ours cannot be in one environment.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from posezoo.errors import ConversionError
from posezoo.layout import ModelLayout
from posezoo.spec.mo_args import OTHER_ORIGINALS, write_arguments
from posezoo.spec.model import Framework, ModelSpec, Precision

#: The newest Python that OpenVINO 2024.6, the last one with Model Optimizer, has wheels for.
NEWEST_PYTHON = (3, 12)

# What a model.yml, which a stranger may have written, must not tell it: which code it loads, and where it
# writes. Its own program takes beginnings of these, and whatever is glued to a letter.
_REFUSED = (
    "--extensions", "--caffe_parser_path", "--tensorflow_custom_layer_libraries", "--output_dir",
    "--model_name", "--tensorflow_custom_operations_config_update", "--tensorboard_logdir",
)  # fmt: skip
_REFUSED_LETTERS = ("-o", "-n", "-w", "-m")

HINT = "make mo-env makes an environment with it; --mo build/mo-env/bin/mo"

# Prints where Model Optimizer lies, which one it is, and who asks.
_PROBE = """
import importlib.metadata, importlib.util, json, sys
folder = version = ""
for name in ("openvino.tools.mo", "mo"):
    try:
        spec = importlib.util.find_spec(name)
    except ImportError:
        continue
    if spec is not None and spec.submodule_search_locations:
        folder = list(spec.submodule_search_locations)[0]
        break
for name in ("openvino-dev", "openvino"):
    try:
        version = importlib.metadata.version(name)
        break
    except importlib.metadata.PackageNotFoundError:
        pass
print(json.dumps([folder, version, list(sys.version_info[:2])]))
"""


@dataclass(frozen=True, slots=True)
class ModelOptimizer:
    """A Model Optimizer that was found.

    Attributes:
        command: what starts it.
        folder: of its package: what $mo_dir stands for, and $mo_ext_dir.
        version: of OpenVINO.
    """

    command: tuple[str, ...]
    folder: Path
    version: str

    @property
    def extensions_dir(self) -> Path:
        """What $mo_ext_dir stands for: a folder of old releases, else the package itself."""
        old = self.folder / "extensions"
        return old if old.is_dir() else self.folder


def find_model_optimizer(named: Path | None, python: Path | None = None) -> ModelOptimizer:
    """The Model Optimizer that is named, asked where its package is.

    Args:
        named: its ``mo``, an old release's ``mo.py``, the folder of an environment that has it, or the Python
            of one.
        python: what to start it with; where None, the Python beside ``mo``.

    Raises:
        ConversionError: it is not there, or its Python has none.
    """
    if named is None and python is None:
        raise ConversionError("no Model Optimizer was named", hint=HINT)
    place = _script(named) if named is not None else None
    if place is not None and place.name.startswith("python"):
        place, python = None, python or place
    interpreter = python or (_python_of(place) if place is not None else None)
    assert interpreter is not None
    folder, version, numbers = _probed(interpreter)
    if place is not None and place.suffix == ".py":
        return ModelOptimizer((str(interpreter), str(place)), place.parent, version)
    if not folder:
        raise ConversionError(
            f"{interpreter}: has no Model Optimizer{_of(version)}", hint=_install_hint(numbers)
        )
    command = (str(interpreter), "-m", "openvino.tools.mo") if place is None else (str(place),)
    return ModelOptimizer(command, Path(folder), version)


def _script(named: Path) -> Path:
    """``mo`` itself; the path stays as it is named, since an environment is told by its links."""
    places = (named / "bin" / "mo", named / "Scripts" / "mo.exe") if named.is_dir() else (named,)
    for place in places:
        if place.is_file():
            return place.absolute()
    raise ConversionError(f"{places[0]}: there is no such file", hint=HINT)


def _python_of(script: Path) -> Path:
    if script.suffix == ".py":
        return Path(sys.executable)
    for place in (script, script.resolve()):
        for name in ("python", "python3", "python.exe"):
            if (place.parent / name).is_file():
                return place.parent / name
    raise ConversionError(f"{script}: no Python lies beside it", hint="name it with --python")


def _of(version: str) -> str:
    return f": its OpenVINO is {version}" if version else ""


def _install_hint(python: tuple[int, int]) -> str:
    if python > NEWEST_PYTHON:
        ours, newest = (".".join(map(str, each)) for each in (python, NEWEST_PYTHON))
        return (
            f"Python {ours} is too new for it: OpenVINO 2024.6 goes up to {newest}; "
            f"make mo-env PYTHON=python{newest}"
        )
    return HINT


@cache  # a child process: once for all models of a run
def _probed(python: Path) -> tuple[str, str, tuple[int, int]]:
    try:
        ended = subprocess.run(
            [str(python), "-c", _PROBE],
            env=_environment(),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        folder, version, numbers = json.loads(ended.stdout.strip().splitlines()[-1])
    except (OSError, subprocess.TimeoutExpired, ValueError, IndexError) as error:
        raise ConversionError(f"{python}: is no Python that can be started", hint=HINT) from error
    return folder, version, (numbers[0], numbers[1])


def _environment(home: str = "") -> dict[str, str]:
    """Ours, without what would lead another Python to our packages."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "POSEZOO_"))}
    return {**kept, "PYTHONNOUSERSITE": "1", **({"HOME": home} if home else {})}


def refuse_unsafe_arguments(spec: ModelSpec) -> None:
    """Make sure that a model's arguments let Model Optimizer run no code and write nowhere but where we say.

    Raises:
        ConversionError: one might.
    """
    for flag, _ in spec.mo_args:
        if _is_unsafe_argument(flag):
            raise ConversionError(
                f"{spec.full_name}: {flag} is not handed on to Model Optimizer: it can name code to run, or "
                "another file",
                hint="leave it out, or call Model Optimizer yourself, if you trust what it names",
            )


def _is_unsafe_argument(flag: str) -> bool:
    if flag == "--model_name":  # ours takes its place
        return False
    if flag.startswith("--"):
        return any(name.startswith(flag) for name in _REFUSED)
    return flag.startswith(_REFUSED_LETTERS)


def build_arguments(
    spec: ModelSpec,
    layout: ModelLayout,
    original: Path,
    mo: ModelOptimizer,
    precision: Precision,
    folder: Path,
) -> tuple[str, ...]:
    """What Model Optimizer is called with, as Open Model Zoo's converter calls it.

    Args:
        spec: the model.
        layout: where its files lie.
        original: the file to convert.
        mo: whose package the variables of model.yml mean.
        precision: FP32 or FP16.
        folder: where the IR goes.
    """
    variables = {
        "$mo_ext_dir": mo.extensions_dir,
        "$mo_dir": mo.folder,
        "$dl_dir": layout.model_download_dir(spec),
        "$conv_dir": layout.conversions or layout.model_dir(spec),
        "$config_dir": spec.path.parent,
    }
    # Model Optimizer's own readers, unlike OpenVINO's of today, need every size.
    sized = tuple(replace(port, reshaped=bool(port.shape)) for port in spec.inputs)
    said = [
        text
        for text in write_arguments(replace(spec, inputs=sized))
        if not text.startswith(("--input_model=", "--data_type", "--compress_to_fp16", "--model_name"))
    ]
    for name, value in variables.items():
        said = [text.replace(name, str(value)) for text in said]
    names_it = any(flag in OTHER_ORIGINALS for flag, _ in spec.mo_args)
    return (
        f"--framework={spec.framework}",
        f"--output_dir={folder}",
        f"--model_name={spec.name}",
        *(() if names_it else (f"--input_model={original}",)),
        *said,
        f"--compress_to_fp16={precision is Precision.FP16}",
    )


def run_model_optimizer(mo: ModelOptimizer, given: tuple[str, ...], spec: ModelSpec) -> None:
    """Call Model Optimizer, and wait for it.

    Raises:
        ConversionError: it cannot be started, or fails; with its own words.
    """
    command = [*mo.command, *given]
    with tempfile.TemporaryDirectory() as home:
        # A home folder that says no to its telemetry, which would ask servers, and write into the user's.
        consent = Path(home, "intel", "openvino_telemetry")
        consent.parent.mkdir()
        consent.write_text("0")
        try:
            ended = _ended(command, _environment(home))
        except OSError as error:
            raise ConversionError(f"{command[0]}: cannot be started: {error.strerror or error}") from error
    if ended.returncode:
        reason = _reason(ended)
        lacks = "No module named" in reason and spec.framework in _EXTRAS
        raise ConversionError(
            f"{spec.full_name}: Model Optimizer {mo.version} ended with {ended.returncode}: {reason}",
            hint=f"make mo-env MO_EXTRAS={_EXTRAS[spec.framework]} brings what it lacks"
            if lacks
            else f"its command line was: {shlex.join(command)}",
        )


def _ended(command: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """A process that came to its end; where we are interrupted, those that it began end with it."""
    process = subprocess.Popen(
        command,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    try:
        said, errors = process.communicate()
    except BaseException:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        raise
    return subprocess.CompletedProcess(command, process.returncode, said, errors)


# What of openvino-dev brings a framework's packages.
_EXTRAS = {Framework.CAFFE: "caffe", Framework.TF: "caffe,tensorflow2", Framework.ONNX: "caffe,onnx"}

# As Python ends a traceback: ModuleNotFoundError: No module named 'tensorflow'
_RAISED = re.compile(r"(?:[a-z_]+\.)*[A-Za-z]+(?:Error|Exception): .*")


def _reason(ended: subprocess.CompletedProcess[str]) -> str:
    """Its own words: what a bug of it raised, else its lines of error, else its last line."""
    lines = [line.strip() for line in (ended.stderr or ended.stdout).splitlines() if line.strip()]
    raised = [line for line in lines if _RAISED.fullmatch(line)]
    errors = [line.partition("]")[2].strip(" -") for line in lines if line.startswith("[ ERROR ]")]
    said = raised[-1] if raised else " ".join(filter(None, errors)) or (lines or ["without a word"])[-1]
    return said[:300]
