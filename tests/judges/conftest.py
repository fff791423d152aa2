"""What the comparisons with publishers' programs share."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import openvino
import openvino.opset8
import pytest

from fakes.published_models import Place, place_of
from judges.annotated import annotate_squares

OMZ_JUDGE = Path(__file__).resolve().parents[2] / "build" / "omz-judge"


@pytest.fixture(scope="module")
def pictures(shared: Path) -> list[np.ndarray]:
    """Real photos, (H, W, 3) uint8 BGR."""
    files = sorted((shared / "data" / "photos").glob("*.jpg"))
    return [cv2.imread(str(file)) for file in files]


@pytest.fixture(scope="module")
def square_truth(shared: Path) -> dict[str, Any]:
    """The people in the squares of these photos, as COCO's annotators marked them."""
    return annotate_squares(shared / "data" / "photos")


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Place:
    """A publisher's server, and a user's folder."""
    with place_of(tmp_path_factory.mktemp("place")) as place:
        yield place


@pytest.fixture(scope="module")
def model_zoo():
    """Its models and adapters, beside a later package that is called model_api, too."""
    folder = OMZ_JUDGE / "openvino" / "model_zoo" / "model_api"
    if not folder.is_dir():
        pytest.skip("needs make judges")
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
