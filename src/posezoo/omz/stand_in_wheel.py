"""Packs wheels: posezoo itself, and stand-ins for openvino-dev and mediapipe that run posezoo.

In a folder that pip searches, ``pip install openvino-dev==2024.6.0`` installs the stand-in: the
local version 2024.6.0+posezoo.0.2.0 satisfies that and sorts above 2024.6.0 (PEP 440).

For a public index, posezoo-openvino-dev and posezoo-mediapipe satisfy no requirement of the
originals.
"""

from __future__ import annotations

import base64
import hashlib
import io
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import Distribution, distributions
from pathlib import Path

from posezoo.core.errors import PosezooError
from posezoo.core.install_commands import pip_command
from posezoo.core.registry import STAND_IN_DATA, builtin_models_dir
from posezoo.core.regular_files import read_regular_bytes
from posezoo.core.versions import version
from posezoo.omz.model_optimizer import STAND_IN_MODULE, stand_in_version
from posezoo.solutions.stand_in import REQUIRED, write_modules

# The extras of openvino-dev from 2021.4 to 2024.6, and the extra of posezoo that each installs
# beside convert. Only PyTorch reads checkpoints. OpenVINO itself reads ONNX, TensorFlow and Paddle,
# and posezoo Caffe; models of Kaldi and MXNet cannot be converted here, whatever is installed.
_EXTRAS = {
    **dict.fromkeys(("caffe", "kaldi", "mxnet", "onnx", "paddle", "tensorflow", "tensorflow2")),
    "pytorch": "torch",
}

# As in setup.cfg. The folder of the models may be an output folder too, so weights must be left
# out.
_CODE = (
    "**/*.py py.typed */verbs/*.json core/declarations/skeletons/**/*.yml export/templates/*.*"
    " formats/*.json formats/*.txt networks/**/*.json core/declarations/*.json"
    " pages/cards/*.json poses/*.json run/*.txt run/*.yml media/samples/*.*"
    " solutions/*.json"
)
_REGISTRY = "*.tsv **/*.yml **/*.md **/*.jpg **/*.json **/*.safetensors **/*.svg **/pre-convert.py"

_QUANTIZE = "posezoo quantize makes INT8 of pose models, the package nncf of any model"
_EVALUATE = "posezoo evaluate measures pose models; nothing replaces it for other models"
_OMZ = "run omz_downloader, omz_converter or omz_info_dumper, or call posezoo.get"

# What openvino-dev had and the stand-in has not, from 2021.4 to 2024.6, and what to use. The
# package openvino contains openvino, openvino.tools and benchmark_app: the stand-in must not have
# files of the same name.
_MISSING_COMMANDS = {
    "accuracy_check": _EVALUATE,
    "convert_annotation": "posezoo evaluate reads annotations in COCO's format",
    "omz_data_downloader": (
        "its files are at https://github.com/openvinotoolkit/open_model_zoo/tree/master/data"
    ),
    "pot": _QUANTIZE,
}
_MISSING_PACKAGES = {
    "compression": _QUANTIZE,
    "omz_tools.models": _OMZ,
    "open_model_zoo": _OMZ,
    "openvino.inference_engine": "openvino.Core reads and runs networks",
    "openvino.model_zoo": f"{_OMZ}; model_api is in the package openvino-model-api",
    "openvino.tools.accuracy_checker": _EVALUATE,
    "openvino.tools.pot": _QUANTIZE,
}

_RUNTIME = '''\
"""Another name of the package openvino, which had it until 2025: its own folder of this name comes first."""

import sys

import openvino
import openvino.exceptions
import openvino.passes

for _name, _module in list(sys.modules.items()):
    if _name.startswith("openvino."):
        sys.modules.setdefault(f"{__name__}{_name.removeprefix('openvino')}", _module)
sys.modules[__name__] = openvino
'''  # noqa: E501

_MO = '''\
"""Model Optimizer's Python API, which runs posezoo."""

from posezoo.omz.commands.mo import InputCutInfo, LayoutMap, convert_model
'''

_PYTHON_M_MO = '''\
"""python -m openvino.tools.mo"""

import sys

from posezoo.__main__ import main

if __name__ == "__main__":
    sys.exit(main("posezoo.omz.commands.mo"))
'''

_OMZ_TOOL = '''\
"""The command {tool} as a function, which runs posezoo."""

import sys

from posezoo.omz.commands.{module} import main as _run


def {function}(argv):
    """Run the command with these arguments; SystemExit if it fails."""
    code = _run(argv, release={registry!r})
    if code:
        sys.exit(code)


def main():
    {function}(sys.argv[1:])


if __name__ == "__main__":
    main()
'''
# The functions of Open Model Zoo's modules that take arguments; 2024.6 has converter and not
# convert.
_OMZ_FUNCTIONS = {
    "omz_downloader": "download",
    "omz_converter": "convert",
    "omz_info_dumper": "dump",
}

_DESCRIPTION = """\
This is not {original}, but posezoo's stand-in for it. It runs posezoo with a current OpenVINO.

{use}
"""
_PRIVATE = "It is for one machine, or for a package index of your own. Do not publish it."
_PUBLIC = "If a package requires {project}, use the wheel that `posezoo shims` writes instead."

_MODULE = '''\
"""The commands of posezoo's stand-in for openvino-dev."""

import sys
from functools import partial

from posezoo.__main__ import main


def _refuse(text):
    print(text, file=sys.stderr)
    return 2


'''


def pack_posezoo() -> tuple[str, bytes]:
    """The name and the bytes of a wheel of the running posezoo, whether it is installed or in a
    checkout.
    """
    installed = _installed_posezoo()
    models = builtin_models_dir()
    package = Path(__file__).resolve().parents[1]
    members = dict(_read_members("posezoo", package, _CODE))
    members |= _read_members("posezoo/models", models, _REGISTRY)
    members |= _read_members("posezoo/licenses", models.parent / "licenses", "*.txt")
    if commit := version().partition("+g")[2]:
        members["posezoo/commit.txt"] = commit.encode()
    info = {}
    for name in ("METADATA", "entry_points.txt", "licenses/LICENSE"):
        text = installed.read_text(name)
        if text:
            info[name] = text
    return _pack_wheel("posezoo", installed.version, members, info)


def _read_members(prefix: str, folder: Path, patterns: str) -> Iterator[tuple[str, bytes]]:
    for pattern in patterns.split():
        for path in folder.glob(pattern):
            name = f"{prefix}/{path.relative_to(folder).as_posix()}"
            if "/." not in name and "/__pycache__/" not in name:
                yield name, path.read_bytes()


def pack_stand_in(
    release: str | None, commands: Mapping[str, str], registry: str, models: Path | None
) -> tuple[str, bytes]:
    """The name and the bytes of the stand-in for openvino-dev, which requires the running posezoo.

    Args:
        release: a version such as ``2024.6.0``; None: the stand-in for a public index.
        registry: the registry that they mean if the user names none.
        models: the registry's folder for the wheel; or None.
    """
    posezoo = _installed_posezoo()
    required = [f"Requires-Dist: posezoo[convert]=={posezoo.version}"]
    for name, extra in sorted(_EXTRAS.items()):
        required.append(f"Provides-Extra: {name}")
        if extra:
            required.append(
                f'Requires-Dist: posezoo[{extra}]=={posezoo.version}; extra == "{name}"'
            )
    module = f'{_MODULE}mo = partial(main, "posezoo.omz.commands.mo")\n'
    for name, target in commands.items():
        module += f"{name} = partial(main, {target!r}, {registry!r})\n"
    for name, instead in _MISSING_COMMANDS.items():
        module += f"{name} = partial(_refuse, {_explain_missing(name, instead)!r})\n"
    code = {
        f"{STAND_IN_MODULE}.py": module,
        # A module, since the package openvino had a folder of this name: no file of the two is the
        # same.
        "openvino/runtime.py": _RUNTIME,
        "openvino/tools/mo/__init__.py": _MO,
        "openvino/tools/mo/__main__.py": _PYTHON_M_MO,
        "omz_tools/__init__.py": "",
    }
    for tool, function in _OMZ_FUNCTIONS.items():
        target = tool.removeprefix("omz_")
        code[f"omz_tools/{tool}.py"] = _OMZ_TOOL.format(
            tool=tool, module=target, function=function, registry=registry
        )
    code["omz_tools/omz_converter.py"] += "\n\nconverter = convert\n"
    for name, instead in _MISSING_PACKAGES.items():
        refusal = f"raise ImportError({_explain_missing(name, instead)!r}, name={name!r})\n"
        code[f"{name.replace('.', '/')}/__init__.py"] = refusal
    members = {path: text.encode() for path, text in code.items()}
    if models:
        folder = f"{STAND_IN_DATA}/registries/{registry}/models"
        for path in models.rglob("*"):
            if path.is_file():
                name = f"{folder}/{path.relative_to(models).as_posix()}"
                members[name] = read_regular_bytes(path)
    names = sorted((*commands, "mo", *_MISSING_COMMANDS))
    scripts = "".join(f"{name} = {STAND_IN_MODULE}:{name}\n" for name in names)
    info = {"entry_points.txt": f"[console_scripts]\n{scripts}"}
    return _pack("openvino-dev", "Intel's", release, required, members, info)


def pack_mediapipe(release: str | None) -> tuple[str, bytes]:
    """The name and the bytes of the stand-in for mediapipe of a release such as ``0.10.21``, or
    None for a public index.
    """
    ours, *others = REQUIRED
    required = [f"Requires-Dist: {ours}=={_installed_posezoo().version}"]
    required += [f"Requires-Dist: {other}" for other in others]
    members = {path: text.encode() for path, text in write_modules(release).items()}
    return _pack("mediapipe", "Google's", release, required, members, {})


def _pack(
    project: str,
    owner: str,
    release: str | None,
    required: Iterable[str],
    members: Mapping[str, bytes],
    info: Mapping[str, str],
) -> tuple[str, bytes]:
    posezoo = _installed_posezoo()
    name = f"posezoo-{project}"
    version = posezoo.version
    classifier = "Development Status :: 3 - Alpha"
    use = _PUBLIC.format(project=project)
    if release:
        name = project
        version = stand_in_version(release)
        classifier = "Private :: Do Not Upload"
        use = _PRIVATE
    metadata = [
        "Metadata-Version: 2.1",
        f"Name: {name}",
        f"Version: {version}",
        f"Summary: posezoo's stand-in for {project}",
        "License: Apache-2.0",
        f"Classifier: {classifier}",
        f"Requires-Python: {posezoo.metadata['Requires-Python']}",
        "Description-Content-Type: text/markdown",
        *required,
        "",
        _DESCRIPTION.format(original=f"{owner} {project}", use=use),
    ]
    info = {
        **info,
        "METADATA": "\n".join(metadata),
        "licenses/LICENSE": posezoo.read_text("licenses/LICENSE") or "",
    }
    return _pack_wheel(name.replace("-", "_"), version, members, info)


def _explain_missing(name: str, instead: str) -> str:
    return f"{name} is not in posezoo's stand-in for openvino-dev: {instead}"


def _installed_posezoo() -> Distribution:
    for distribution in distributions(name="posezoo"):
        # Else it is the .egg-info that a build leaves in a checkout.
        if distribution.read_text("METADATA"):
            return distribution
    raise PosezooError(
        "posezoo is not installed in this Python, so its wheel would lack the requirements",
        hint=f"{pip_command()} install -e {Path(__file__).resolve().parents[3]}",
    )


def _pack_wheel(
    name: str, version: str, members: Mapping[str, bytes], info: Mapping[str, str]
) -> tuple[str, bytes]:
    """A wheel whose bytes depend only on its contents (PEP 427)."""
    folder = f"{name}-{version}.dist-info"
    wheel = "Wheel-Version: 1.0\nGenerator: posezoo\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    texts = {**info, "WHEEL": wheel}
    # PEP 427 recommends that .dist-info is the last folder.
    contents = dict(sorted(members.items())) | {
        f"{folder}/{key}": texts[key].encode() for key in sorted(texts)
    }
    record = ""
    for path, content in contents.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode().rstrip("=")
        record += f"{path},sha256={digest},{len(content)}\n"
    contents[f"{folder}/RECORD"] = f"{record}{folder}/RECORD,,\n".encode()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path, content in contents.items():
            member = zipfile.ZipInfo(path)  # its time is 1980-01-01
            member.compress_type = zipfile.ZIP_DEFLATED
            member.external_attr = 0o100644 << 16
            archive.writestr(member, content)
    return f"{name}-{version}-py3-none-any.whl", buffer.getvalue()
