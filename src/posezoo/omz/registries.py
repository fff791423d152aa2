"""Open Model Zoo's models as the wheels of openvino-dev contain them."""

from __future__ import annotations

from posezoo.core.declarations.sources import PythonPackageSource, Wheel

OMZ_2024_6 = PythonPackageSource(
    "openvino-dev",
    "2024.6.0",
    Wheel(
        "openvino_dev-2024.6.0-17404-py3-none-any.whl",
        4583462,
        "b8f4a1baeea1b138bc9b75b53dc3bdad3307c2cd4d58526ad977df81635870c5",
    ),
    "omz_tools/models",
)
OMZ_2022_1 = PythonPackageSource(
    "openvino-dev",
    "2022.1.0",
    Wheel(
        "openvino_dev-2022.1.0-7019-py3-none-any.whl",
        5774377,
        "3d911b31a89e92dcb92a29026cfb396920211aca9525ea50032419f10169098d",
    ),
    "openvino/model_zoo/models",
)
OMZ_2021_4 = PythonPackageSource(
    "openvino-dev",
    "2021.4.2",
    Wheel(
        "openvino_dev-2021.4.2-3976-py3-none-any.whl",
        6217877,
        "66b25ebf526c4ee08e7d6f18f397e80395e05c3d620a5caaa5cf17059eab2f37",
    ),
    "open_model_zoo/model_tools/models",
)
