"""Export RF-DETR Keypoint to ONNX with its authors' package, rfdetr 1.11 (with its extra onnx).

posezoo runs this in its sandbox, only with --allow_upstream_code: the checkpoint is a pickle that
holds more than weights. The arguments are the folder of the downloads and that of the results.
"""

import sys

from rfdetr import RFDETRKeypointPreview

downloads, results = sys.argv[1:]
checkpoint = f"{downloads}/rf-detr-keypoint-preview-xlarge.pth"
RFDETRKeypointPreview(pretrain_weights=checkpoint, device="cpu").export(results, verbose=False)
