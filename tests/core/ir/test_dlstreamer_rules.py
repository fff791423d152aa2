"""DL Streamer's rules about model_info, as a table. Not run: the rules were read from its sources of 2026.

The files are in src/monolithic of open-edge-platform/dlstreamer, most of them in gst/inference_elements:

- inference_backend/image_inference/openvino/model_api_converters.cpp: get_model_info_preproc, _postproc
- common/post_processor/blob_to_meta_converter.cpp: the names of converters, and which older ones it renames
- common/post_processor/post_processor_impl.cpp: the converter if none is named
- common/post_processor/converters/to_roi/: detection_output.cpp, boxes_labels_scores.cpp
- common/post_processor/converters/to_tensor/: keypoints_hrnet.cpp, keypoints_openpose.cpp, raw_data_copy.cpp
- base/inference_impl.cpp: IsModelProcSupportedForIE; common/pre_processor_info_parser.cpp
"""

import re

import pytest

from posezoo.poses.decoders import find_decoder
from run.test_model_info import OWN, decoder_of, info_of, one_of_each_kind

# resolveConverterName: the names from Geti and Model API.
RENAMED = {"ssd": "boxes_labels_scores", "Classification": "label", "MaskRCNN": "mask_rcnn"}

# get_model_info_preproc: resize_type to the key "resize" of a model-proc file.
RESIZES = {
    "standard": "no-aspect-ratio",
    "fit_to_window": "aspect-ratio-pad",
    "fit_to_window_letterbox": "aspect-ratio",
}

# What each converter takes: the shapes of all outputs by name.
TAKES = {
    "detection_output": lambda outputs: all(
        shape[-1] == 7 and len(shape) > 2 for shape in outputs.values()
    ),
    "keypoints_hrnet": lambda outputs: all(
        len(shape) == 4 and shape[0] == 1 for shape in outputs.values()
    ),
    "keypoints_openpose": lambda outputs: (
        set(find_decoder("openpose").reader_names.values()) <= outputs.keys()
    ),
    "raw_data_copy": lambda outputs: True,
}


def converter_of(info):
    """The last key that contains model_type counts: ov::AnyMap is sorted."""
    name = [str(info[key]) for key in sorted(info) if "model_type" in key][-1]
    return RENAMED.get(name, name)


@pytest.mark.parametrize("name", one_of_each_kind(OWN))
def test_dl_streamer_can_take_what_an_ir_says(name):
    spec = OWN[name]
    info = info_of(spec, decoder_of(spec))
    assert RESIZES[info["resize_type"]]
    assert 0 <= int(info.get("pad_value", 0)) <= 255
    # "std" and "mean" of a model-proc file.
    assert not {"mean_values", "scale_values"} & info.keys()
    if "labels" in info:
        # Every key that contains it is read.
        assert [key for key in info if "labels" in key] == ["labels"]
        assert len(re.split("[,; ]+", str(info["labels"]))) == len(str(info["labels"]).split(" "))
    if any("model_type" in key for key in info):
        assert TAKES[converter_of(info)]({output.name: output.shape for output in spec.outputs})


def test_the_word_of_model_api_for_a_detector_would_not_do():
    info = info_of(
        OWN["person-detection-retail-0013"], decoder_of(OWN["person-detection-retail-0013"])
    )
    assert converter_of(info) == "detection_output"
    del info["model_type_dlstreamer"]
    assert converter_of(info) not in TAKES
