"""How the people in a video are tracked."""

from __future__ import annotations

from posezoo.core.values import frozen


@frozen
class VideoOptions:
    """Arguments of ``Estimator.stream``."""

    track: bool = False
    smooth: bool = False
    detect_every: int | None = None
