"""The publishers' own programs, which ``make judges`` puts beside the environment."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "build" / "judges"
OMZ_JUDGE = FOLDER.with_name("omz-judge")
#: The program in it.
OPEN_MODEL_ZOO = "Open Model Zoo 2022.3.0"


def judge(name: str, version: str) -> ModuleType:
    """A package of the judges, such as "rtmlib 0.0.16"; the test is skipped without it."""
    if not (FOLDER / name).is_dir():
        pytest.skip("needs make judges")
    check_version(name, version)
    if str(FOLDER) not in sys.path:
        sys.path.append(str(FOLDER))
    return pytest.importorskip(name, reason="needs make judges")


def check_version(package: str, version: str) -> None:
    """Answers are recorded with the version that gave them."""
    (metadata,) = FOLDER.glob(f"{package}-*.dist-info")
    assert metadata.stem.replace("-", " ") == version


def rfdetr_module(name: str) -> ModuleType:
    """One module of rfdetr: the whole package needs torchvision, whose wheels do not load with PyTorch for CPUs alone.

    ``box_ops`` imports a function from there that no module of ours uses.
    """
    if not (FOLDER / "rfdetr").is_dir():
        pytest.skip("needs make judges")
    _import_without_init("rfdetr", "rfdetr.models", "rfdetr.utilities")
    boxes = ModuleType("torchvision.ops.boxes")
    boxes.box_area = None
    with pytest.MonkeyPatch.context() as patch:
        for module in (ModuleType("torchvision"), ModuleType("torchvision.ops"), boxes):
            patch.setitem(sys.modules, module.__name__, module)
        return importlib.import_module(f"rfdetr.{name}")


def _import_without_init(*packages: str) -> None:
    """Let modules be imported without the code of the packages that they are in."""
    for package in packages:
        module = sys.modules.setdefault(package, ModuleType(package))
        module.__path__ = [str(FOLDER / package.replace(".", "/"))]


def mediapipe_python() -> Path:
    """The Python of the environment that has MediaPipe's own program, which needs numpy 1."""
    return python_of("mediapipe-env")


def python_of(environment: str, target: str = "judges") -> Path:
    """The Python of an environment of its own, which a target of make has."""
    python = FOLDER.parent / environment / "bin" / "python"
    if not python.is_file():
        pytest.skip(f"needs make {target}")
    return python


@contextmanager
def open_model_zoo() -> Iterator[list[ModuleType]]:
    """Its models and adapters, beside a later package that is called model_api, too."""
    folder = OMZ_JUDGE / "openvino" / "model_zoo" / "model_api"
    if not folder.is_dir():
        pytest.skip("needs make judges")
    import openvino
    import openvino.opset8

    with pytest.MonkeyPatch.context() as patch:
        # OpenVINO 2026 has these names without "runtime".
        patch.setitem(sys.modules, "openvino.runtime", openvino)
        patch.setitem(sys.modules, "openvino.runtime.opset8", openvino.opset8)
        spec = importlib.util.spec_from_file_location(
            "model_zoo_api", folder / "__init__.py", submodule_search_locations=[str(folder)]
        )
        package = importlib.util.module_from_spec(spec)
        patch.setitem(sys.modules, "model_zoo_api", package)
        spec.loader.exec_module(package)
        names = "models", "adapters"
        yield [importlib.import_module(f"model_zoo_api.{name}") for name in names]


def mediapipe_files() -> list[tuple[Path, str]]:
    """The TFLite files of MediaPipe's wheel, and the SHA-384 of each.

    MEDIAPIPE_MODELS names their folder if the tests run in a copy of the checkout.
    """
    folder = os.environ.get("MEDIAPIPE_MODELS") or FOLDER.with_name("mediapipe-models") / "files"
    files = sorted(Path(folder).glob("**/*.tflite"))
    if not files:
        pytest.skip("needs make build/mediapipe-models")
    return [(file, hashlib.sha384(file.read_bytes()).hexdigest()) for file in files]


def name_of(package: str) -> str:
    """A judge and its version, as it states it."""
    (metadata,) = FOLDER.glob(f"{package}-*.dist-info")
    return metadata.stem.replace("-", " ")
