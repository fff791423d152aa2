"""``mp.solutions.download_utils``, which scripts import; solutions download their models."""

from typing import NoReturn

from posezoo.solutions.explanations import explain


def download_oss_model(model_path: str) -> NoReturn:  # noqa: ARG001
    """MediaPipe's download of a model, which posezoo does not have."""
    path = "mediapipe.python.solutions.download_utils.download_oss_model"
    raise NotImplementedError(explain(path))
