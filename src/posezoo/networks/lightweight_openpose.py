"""Lightweight OpenPose: heatmaps of the keypoints of all people, and part affinity fields between them.

Paper: Osokin 2018, "Real-time 2D Multi-Person Pose Estimation on CPU: Lightweight OpenPose",
arXiv:1811.12004.
Upstream: models/with_mobilenet.py of Daniil-Osokin/lightweight-human-pose-estimation.pytorch.
"""

from __future__ import annotations

from torch import Tensor

from posezoo.networks.openpose_blocks import ConvolutionalPoseMachine, StagedNetwork, openpose_stages


class LightweightOpenPose(StagedNetwork):
    """MobileNet v1, an initial stage, and ``refinement_stages`` that refine its maps.

    Args:
        refinement_stages: number of stages: the published checkpoint has 1, the paper's larger network 3.
        heatmaps: number of heatmaps: one for each keypoint (COCO's 17 and the neck) and one for the
            background.
        pafs: number of channels of the part affinity fields: two for each of the 19 limbs.
    """

    def __init__(self, *, refinement_stages: int = 1, heatmaps: int = 19, pafs: int = 38) -> None:
        maps = {"heatmaps": heatmaps, "pafs": pafs}
        super().__init__(ConvolutionalPoseMachine(), *openpose_stages(refinement_stages, maps))

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """The last stage's heatmaps and part affinity fields.

        Args:
            image: (N, 3, H, W), BGR, (value - 128) / 256 for values from 0 to 255.

        Returns:
            (N, heatmaps, H / 8, W / 8) and (N, pafs, H / 8, W / 8), sizes rounded up.
        """
        heatmaps, pafs = self.stages(image)[-1]
        return heatmaps, pafs
