"""Run Model Optimizer (openvino-dev 2024.6 or older) as a program from its own environment.

It converts what neither OpenVINO nor posezoo can read: TensorFlow's object detection in two stages,
and models that need a program inside Model Optimizer (--transformations_config). Its packages and
ours do not fit into one environment.
"""

from __future__ import annotations

import json
import os
import shlex
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

from posezoo.core.convert import frontends
from posezoo.core.convert.converter_program import ProgramFinder
from posezoo.core.declarations.mo_args import INPUT_FLAGS, OTHER_ORIGINALS
from posezoo.core.declarations.model import Framework, Input, ModelSpec, Precision
from posezoo.core.declarations.supported_mo_args import PIPELINE_CONFIG, TRANSFORMATIONS_CONFIG
from posezoo.core.errors import ConversionError, os_reason, sanitize
from posezoo.core.files.staging import staging_dir
from posezoo.core.ir import ir_writer, provenance
from posezoo.core.ir.complexity import compute_complexity
from posezoo.core.ir.openvino_import import error_text, import_openvino
from posezoo.core.layout import ModelLayout
from posezoo.core.regular_files import open_regular
from posezoo.core.resolve.resolved import Resolved
from posezoo.core.values import frozen
from posezoo.core.versions import release_version
from posezoo.core.workers.program import find_exception, run_program

#: The newest Python that OpenVINO 2024.6, the last one with Model Optimizer, has wheels for.
NEWEST_PYTHON = (3, 12)

# Arguments that an untrusted model.yml must not set, because they decide which code is loaded or
# where files are written.
_REFUSED = (
    "--extensions", "--caffe_parser_path", "--tensorflow_custom_layer_libraries", "--output_dir",
    "--tensorflow_custom_operations_config_update", "--tensorboard_logdir", "--k",
)  # fmt: skip
# Arguments that name files to read: these must be verified files of the model, or come with Model
# Optimizer.
_PATHS = (
    "--counts", "--input_checkpoint", "--input_meta_graph", "--input_proto", "--input_symbol",
    "--mean_file", "--nd_prefix_name", "--pretrained_model_name", "--saved_model_dir",
    PIPELINE_CONFIG, TRANSFORMATIONS_CONFIG,
)  # fmt: skip

#: How long one run may take, in seconds. Large TensorFlow models take some minutes.
TIMEOUT_S = 3600.0

#: The module with the commands of posezoo's stand-in for openvino-dev.
STAND_IN_MODULE = "posezoo_openvino_dev"
# How the local versions of stand-ins begin.
_LOCAL_VERSION = "posezoo"

HINT = "make build/mo-env makes an environment with it; --mo build/mo-env/bin/mo"

# Prints the folder of Model Optimizer, the version of OpenVINO, and that of Python.
_PROBE = """
import importlib.metadata, importlib.util, json, sys
sys.modules["openvino_telemetry"] = None  # find_spec imports openvino, which would report it
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


def stand_in_version(release: str) -> str:
    """The version of posezoo's stand-in for a release of another package, such as
    ``2024.6.0+posezoo.0.4.0``, which pip prefers.
    """
    # PEP 440 sorts 0.3.0.dev0 above 0.3.0 behind a plus sign, and 0.3.dev0 below it.
    return f"{release}+{_LOCAL_VERSION}.{release_version().replace('.0.dev', '.dev')}"


def is_stand_in_version(version: str) -> bool:
    """Whether a version is that of a stand-in: ``2024.6.0+posezoo.0.4.0``."""
    return version.partition("+")[2].partition(".")[0] == _LOCAL_VERSION


@frozen
class ModelOptimizer:
    """An installed Model Optimizer."""

    command: tuple[str, ...]  # the program and its first arguments
    folder: Path  # the folder of its package, which replaces $mo_dir in arguments
    version: str  # the version of OpenVINO
    timeout_s: float = TIMEOUT_S

    @property
    def title(self) -> str:
        """Its name with its version, if that is known."""
        return f"Model Optimizer {self.version}".rstrip()

    def convert(self, resolved: Resolved) -> None:
        """Convert a downloaded model to IR.

        Current OpenVINO reads and writes each IR again: it can be loaded, and Model Optimizer's
        paths are gone. No runtime here can run these originals for a self-check.
        """
        from posezoo.core.convert.publish import StagedIr, describe_files, replace_irs

        spec = resolved.source
        decoder = resolved.decoder
        layout = resolved.layout
        refuse_unsafe_arguments(spec)
        source = frontends.verify_source_model(spec, layout)
        with staging_dir(layout.model_dir(spec)) as staging:
            for target in resolved.targets:
                folder = staging / target.precision
                arguments = build_arguments(
                    spec, layout, source, self, precision=target.precision, folder=folder
                )
                run_model_optimizer(self, arguments, spec)
                ov = import_openvino()
                try:
                    network = ov.Core().read_model(folder / f"{spec.name}.xml")
                    # A new model lacks Model Optimizer's own records.
                    network = ov.Model(network.get_results(), network.get_parameters(), spec.name)
                except RuntimeError as error:
                    raise ConversionError(
                        f"{spec.full_name}: what Model Optimizer made cannot be read:"
                        f" {error_text(error)}"
                    ) from error
                ir_writer.prepare_for_writing(network, spec, decoder)
                xml = ir_writer.write_ir(
                    network, folder / "described" / f"{spec.name}.xml", target.precision
                )
                files = describe_files(xml)
                record = provenance.format_provenance(
                    spec,
                    decoder,
                    files,
                    complexity=compute_complexity(network),
                    model_optimizer=self.version,
                )
                replace_irs([StagedIr(xml, target, files, record)])


def find_model_optimizer(named: Path | None, python: Path | None = None) -> ModelOptimizer:
    """Find a Model Optimizer; its Python is run to find the package and the version.

    Args:
        named: the path of its ``mo``, of an old release's ``mo.py``, or of its environment or the
            Python there.
        python: the Python that starts it; None for the one in the folder of ``mo``.

    Raises:
        ConversionError: the path does not exist, or its Python has no Model Optimizer.
    """
    script, python = _locate(named, python)
    folder, version, python_version = _probe(python)
    if is_stand_in_version(version):
        folder = ""  # its openvino.tools.mo runs posezoo
    if script and script.suffix == ".py":
        return ModelOptimizer((str(python), str(script)), script.parent, version)
    if not folder:
        hint = HINT
        if python_version > NEWEST_PYTHON:
            actual, newest = (
                ".".join(map(str, numbers)) for numbers in (python_version, NEWEST_PYTHON)
            )
            hint = (
                f"Python {actual} is too new for it: OpenVINO 2024.6 supports up to {newest}; "
                f"make build/mo-env PYTHON=python{newest}"
            )
        version_note = f": its OpenVINO is {version}" if version else ""
        raise ConversionError(f"{python}: has no Model Optimizer{version_note}", hint=hint)
    command = (str(python), "-m", "openvino.tools.mo") if script is None else (str(script),)
    return ModelOptimizer(command, Path(folder), version)


def inspect_model_optimizer(named: Path | None, python: Path | None) -> ModelOptimizer:
    """Find a Model Optimizer for a plan: no program is run.

    Its version is that of the package in the environment of its Python; empty if it lies elsewhere.

    Raises:
        ConversionError: the path does not exist, or no Python is beside it.
    """
    script, python = _locate(named, python)
    environment = python.absolute().parents[1]
    packages = environment.glob("[Ll]ib/**/site-packages/openvino_dev-*.dist-info")
    versions = [path.name.removesuffix(".dist-info").partition("-")[2] for path in packages]
    return ModelOptimizer((str(script or python),), environment, "".join(versions[:1]))


def is_stand_in(named: Path) -> bool:
    """Whether a path is the ``mo`` of our stand-in for openvino-dev, or an environment with that
    ``mo``.
    """
    try:
        with open_regular(_find_script(named)) as stream:
            return f"from {STAND_IN_MODULE} import".encode() in stream.read(4096)
    except (OSError, ConversionError):
        return False


def _locate(named: Path | None, python: Path | None) -> tuple[Path | None, Path]:
    script: Path | None = None
    if named:
        script = _find_script(named)
        if script.name.startswith("python"):
            script, python = None, python or script
        else:
            python = python or _find_python(script)
    if python is None:
        raise ConversionError("no Model Optimizer was named", hint=HINT)
    return script, python


def _find_script(named: Path) -> Path:
    # Not resolved: an environment is recognised by the path of its links.
    candidates: tuple[Path, ...] = (named,)
    if named.is_dir():
        candidates = (named / "bin" / "mo", named / "Scripts" / "mo.exe")
    script = next((path.absolute() for path in candidates if path.is_file()), None)
    if script is None:
        raise ConversionError(f"{candidates[0]}: there is no such file", hint=HINT)
    return script


def _find_python(script: Path) -> Path:
    if script.suffix == ".py":
        return Path(sys.executable)
    for folder in (script.parent, script.resolve().parent):
        for name in ("python", "python3", "python.exe"):
            if (folder / name).is_file():
                return folder / name
    raise ConversionError(f"{script}: there is no Python beside it", hint=HINT)


@cache  # it starts a process: once for all models of a run
def _probe(python: Path) -> tuple[str, str, tuple[int, int]]:
    try:
        result = run_program([str(python), "-c", _PROBE], environment=_environment(), timeout_s=60)
        folder, version, numbers = json.loads(result.output.strip().splitlines()[-1])
    except (OSError, ValueError, IndexError) as error:
        raise ConversionError(f"{python}: cannot be started as Python", hint=HINT) from error
    return folder, version, (numbers[0], numbers[1])


def _environment(home: str = "") -> dict[str, str]:
    """This process's environment without the variables that would make another Python import our
    packages.
    """
    variables = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PYTHON", "POSEZOO_"))
    }
    return {**variables, "PYTHONNOUSERSITE": "1", **({"HOME": home} if home else {})}


def refuse_unsafe_arguments(spec: ModelSpec) -> None:
    """Raise a ConversionError for an argument that could make Model Optimizer run code or use other
    files.
    """
    for flag, value in spec.mo_args:
        if flag == "--model_name":  # replaced by ours
            continue
        if (flag in _PATHS and not value.startswith("$")) or value.startswith(("/", "~")):
            raise ConversionError(
                f"{spec.full_name}: {flag} is not passed to Model Optimizer: {sanitize(value)} is a"
                " file that is not verified",
                hint="name a file of the model: $dl_dir/NAME",
            )
        if flag in _REFUSED:
            raise ConversionError(
                f"{spec.full_name}: {flag} is not passed to Model Optimizer: it can name code to"
                " run, or another file",
                hint="remove it, or call Model Optimizer yourself, if you trust what it names",
            )


def build_arguments(
    spec: ModelSpec,
    layout: ModelLayout,
    original: Path,
    mo: ModelOptimizer,
    precision: Precision,
    folder: Path,
) -> tuple[str, ...]:
    """The arguments for Model Optimizer, the same as those of Open Model Zoo's converter."""
    old_extensions = mo.folder / "extensions"  # of old releases
    variables = {
        "$mo_ext_dir": old_extensions if old_extensions.is_dir() else mo.folder,
        "$mo_dir": mo.folder,
        "$dl_dir": layout.model_download_dir(spec),
        "$conv_dir": layout.conversions or layout.model_dir(spec),
        "$config_dir": spec.path.parent,
    }
    # Unlike current OpenVINO, Model Optimizer's own readers need every size.
    sized = tuple(replace(port, reshaped=bool(port.shape)) for port in spec.inputs)
    ours = ("--data_type", "--compress_to_fp16", "--model_name")
    arguments = write_arguments(replace(spec, inputs=sized, input_model=f"{original}"))
    declared = [argument for argument in arguments if not argument.startswith(ours)]
    for name, path in variables.items():
        declared = [argument.replace(name, str(path)) for argument in declared]
    return (
        f"--framework={spec.framework}",
        f"--output_dir={folder}",
        f"--model_name={spec.name}",
        *declared,
        f"--compress_to_fp16={precision is Precision.FP16}",
    )


def write_arguments(spec: ModelSpec) -> tuple[str, ...]:
    """The arguments from which ``read_arguments`` reads this model; empty names are left out."""
    values = {"--input_model": spec.input_model, **_write_inputs(spec.inputs)}
    if any(flag in OTHER_ORIGINALS for flag, _ in spec.mo_args):  # another argument names it
        del values["--input_model"]
    values["--output"] = ",".join(output.name for output in spec.outputs)
    arguments = [f"{flag}={value}" for flag, value in values.items() if value]
    if any(port.reverse_input_channels for port in spec.inputs):
        arguments.append("--reverse_input_channels")
    arguments += [f"{flag}={value}" if value else flag for flag, value in spec.mo_args]
    return tuple(arguments)


def _write_inputs(inputs: Sequence[Input]) -> dict[str, str]:
    written: dict[str, list[str]] = {flag: [] for flag in INPUT_FLAGS}
    for port in inputs:
        if port.name:
            element_type = f"{{{port.element_type}}}" if port.element_type else ""
            written["--input"].append(port.name + element_type)
        if port.reshaped:
            written["--input_shape"].append(port.bounds or _list_of(port.shape))
        if port.layout:
            target = f"->{port.to_layout}" if port.to_layout else ""
            written["--layout"].append(f"{port.name}({port.layout}{target})")
        if port.mean:
            written["--mean_values"].append(port.name + _list_of(port.mean))
        if port.scale:
            written["--scale_values"].append(port.name + _list_of(port.scale))
    if len(written["--input_shape"]) < len(inputs):
        del written["--input_shape"]
    return {flag: ",".join(values) for flag, values in written.items()}


def _list_of(values: Sequence[float]) -> str:
    return "[" + ",".join(map(repr, values)) + "]"


def run_model_optimizer(mo: ModelOptimizer, arguments: tuple[str, ...], spec: ModelSpec) -> None:
    """Run Model Optimizer, and wait until it ends; if it fails, a ConversionError contains its
    message.
    """
    command = [*mo.command, *arguments]
    with tempfile.TemporaryDirectory() as home:
        # Its telemetry would contact servers and write to the user's home folder; "0" here disables
        # it.
        consent = Path(home, "intel", "openvino_telemetry")
        consent.parent.mkdir()
        consent.write_text("0", encoding="utf-8")
        try:
            result = run_program(command, environment=_environment(home), timeout_s=mo.timeout_s)
        except OSError as error:
            raise ConversionError(f"{command[0]}: cannot be started: {os_reason(error)}") from error
    if result.timed_out:
        raise ConversionError(
            f"{spec.full_name}: Model Optimizer did not end within {mo.timeout_s / 60:g} min"
        )
    if result.exit_code == 0:
        return
    reason = _find_reason(result.errors or result.output.decode("utf-8", "replace"))
    hint = f"its command line was: {shlex.join(command)}"
    if "No module named" in reason and spec.framework in _EXTRAS:
        hint = f"make build/mo-env MO_EXTRAS={_EXTRAS[spec.framework]} installs the missing package"
    raise ConversionError(
        f"{spec.full_name}: Model Optimizer {mo.version} ended with {result.exit_code}: {reason}",
        hint=hint,
    )


def _find_reason(text: str) -> str:
    """The exception that it raised; if none, its error lines; if none, its last line."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line.partition("]")[2].strip(" -") for line in lines if line.startswith("[ ERROR ]")]
    last_line = (lines or ["without a message"])[-1]
    return (find_exception(text) or " ".join(filter(None, errors)) or last_line)[:300]


# The extras of openvino-dev that install a framework's packages.
_EXTRAS = {
    Framework.CAFFE: "caffe",
    Framework.TF: "caffe,tensorflow2",
    Framework.ONNX: "caffe,onnx",
}


class _Finder(ProgramFinder):
    find = staticmethod(find_model_optimizer)
    inspect = staticmethod(inspect_model_optimizer)
    is_stand_in = staticmethod(is_stand_in)
    refuse_unsafe_arguments = staticmethod(refuse_unsafe_arguments)


FINDER = _Finder()
