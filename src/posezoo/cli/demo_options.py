"""The demo's flags: those of Open Model Zoo's human_pose_estimation_demo.py, and posezoo's own."""

from __future__ import annotations

import argparse
import re

from posezoo.cli import flags
from posezoo.cli.flags import Flag, FlagGroup
from posezoo.settings import INFERENCE_PRECISIONS
from posezoo.spec.model import Precision

#: Devices that Open Model Zoo's documentation names, and that OpenVINO no longer supports.
GONE = {
    "FPGA": "OpenVINO's last version for it is 2020.3: use GPU or CPU",
    "HDDL": "OpenVINO's last version for it is 2022.3: use NPU, GPU or CPU",
    "MYRIAD": "OpenVINO's last version for it is 2022.3: use NPU, GPU or CPU",
}

ARCHITECTURES = ("ae", "higherhrnet", "openpose", "topdown", "blazepose", "auto")

#: The same default as in Open Model Zoo. It ends the video of a camera that the user forgot to stop.
DEFAULT_LIMIT = 1000


def _device(text: str) -> str:
    for name in re.split(r"[^A-Z]+", text.upper()):
        if name in GONE:
            raise argparse.ArgumentTypeError(f"{name}: {GONE[name]} (posezoo doctor lists what is here)")
    if not text.strip():
        raise argparse.ArgumentTypeError("expected a device such as CPU or AUTO:GPU,CPU")
    return text


def _streams(text: str) -> str:
    number = r"([1-9]\d{0,3}|AUTO)"
    if not re.fullmatch(rf"{number}|[A-Za-z.\d]+:{number}(,[A-Za-z.\d]+:{number})*", text):
        raise argparse.ArgumentTypeError(f"expected 4, AUTO, or CPU:4,GPU:2, got {text!r}")
    return text


def _resolution(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"([1-9]\d{0,4})[xX]([1-9]\d{0,4})", text)
    if not match:
        raise argparse.ArgumentTypeError(f"expected width and height as 1280x720, got {text!r}")
    return int(match[1]), int(match[2])


def _layout(text: str) -> str:
    """Parse a layout in Open Model Zoo's forms: NCHW, [NCHW], input:NCHW, input[NCHW]."""
    layout = re.sub(r"^.*[\[:]", "", text.strip().rstrip("]")).upper()
    if layout not in ("NCHW", "NHWC"):
        raise argparse.ArgumentTypeError(f"expected NCHW or NHWC, got {text!r}")
    return layout


def _numbers(text: str) -> tuple[float, ...]:
    try:
        numbers = tuple(float(word) for word in re.split(r"[,\s]+", text.strip(" []()")))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"expected numbers, got {text!r}") from error
    return numbers


def _monitors(text: str) -> frozenset[str]:
    unknown = set(text.lower()) - set("cdmh ,")
    if unknown or not text:
        raise argparse.ArgumentTypeError(f"expected some of the letters c, d, m, h, got {text!r}")
    return frozenset(text.lower()) & set("cdmh")


USAGE = "%(prog)s -m MODEL -i INPUT [options]   (-h lists them)"

#: All flags of the demo.
DEMO_FLAGS = (
    Flag(
        "-m, --model MODEL",
        "a model of the zoo (downloaded and converted if necessary), an .xml, or a checkpoint for a "
        "network of the zoo",
        required=True,
    ),
    Flag(
        "-i, --input INPUT",
        "an image, a folder, a quoted glob, a video, a camera's number, or an address (http, rtsp)",
        required=True,
    ),
    FlagGroup(
        Flag(
            "-at, --architecture_type TYPE",
            f"the decoder of the outputs: {', '.join(ARCHITECTURES)} (default: auto, the model's own)",
            choices=ARCHITECTURES,
            default="auto",
        ),
        Flag(
            "--precision P",
            "of the IR of a model of the zoo: FP16, FP32, or another published precision (default: FP16)",
            flags.parse_precision,
            default=Precision.FP16,
        ),
        Flag(
            "--tsize PIXELS",
            "the size that images are resized to: the height for openpose, the shorter side for ae and "
            "higherhrnet (default: the IR's own)",
            flags.whole_number(1, 8192),
        ),
        Flag(
            "-t, --prob_threshold S",
            "the minimum score of poses and keypoints (default: 0.1)",
            flags.parse_fraction,
            default=0.1,
        ),
        title="model",
    ),
    FlagGroup(
        Flag(
            "-d, --device DEVICE",
            "OpenVINO device, also HETERO:, MULTI: and AUTO: (default: CPU); posezoo doctor lists them",
            _device,
        ),
        Flag(
            "--inference_precision P",
            f"arithmetic: {', '.join(INFERENCE_PRECISIONS)} (default: f32)",
            choices=INFERENCE_PRECISIONS,
        ),
        Flag(
            "-nireq, --num_infer_requests N",
            "frames that are processed at the same time (default: 0, the device's optimal number)",
            flags.whole_number(0, 1024),
            default=0,
        ),
        Flag(
            "-nstreams, --num_streams N",
            "parallel inferences: a number, AUTO, or DEVICE:N,DEVICE:N (default: the device's choice)",
            _streams,
        ),
        Flag(
            "-nthreads, --num_threads N",
            "threads of the CPU (default: 0, its cores)",
            flags.whole_number(0, 4096),
            default=0,
        ),
        title="inference",
    ),
    FlagGroup(
        Flag(
            "-loop, --loop N",
            "play the input N times; endlessly without a number",
            flags.whole_number(1),
            nargs="?",
            default=1,
        ),
        Flag(
            "-o, --output PATH",
            "where annotated frames go: an image for an image, a folder for a folder, a video for a video",
        ),
        Flag(
            "-limit, --output_limit N",
            f"the maximum number of frames to write; 0 for all (default: {DEFAULT_LIMIT})",
            flags.whole_number(0),
            default=DEFAULT_LIMIT,
        ),
        Flag(
            "--output_resolution WxH",
            "the largest size of frames on the screen and in files, such as 1280x720",
            _resolution,
        ),
        Flag("-no_show, --no_show", "show no window"),
        Flag(
            "-u, --utilization_monitors LETTERS",
            "what to draw into frames: c CPU on average, d each core, m memory, h their history; the same "
            "keys show and hide them",
            _monitors,
            default=frozenset(),
        ),
        Flag(
            "-r, --raw_output_message",
            "print a line for each pose: its score, then x, y and score of each keypoint",
        ),
        Flag("--json FILE", "write the keypoints of each frame as JSON"),
        Flag("--coco FILE", "write them as COCO's keypoint results"),
        title="input and output",
    ),
    FlagGroup(
        Flag("--layout LAYOUT", "NCHW or NHWC", _layout),
        Flag("--reverse_input_channels", "its input is RGB, not BGR"),
        *(
            Flag(
                f"{flag} V",
                f"{verb} these, one for each channel or one for all, such as 127.5 127.5 127.5",
                _numbers,
                nargs="+",
            )
            for flag, verb in (("--mean_values", "subtract"), ("--scale_values", "divide by"))
        ),
        title="an .xml that does not describe its input",
    ),
    "detector models_dir",
    *flags.FORMAT,
)

#: The flags that describe the input of an .xml file.
INPUT_FLAGS = ("--layout", "--reverse_input_channels", "--mean_values", "--scale_values")


def given_input_flags(args: argparse.Namespace) -> list[str]:
    """The flags of ``INPUT_FLAGS`` that the user gave."""
    return [flag for flag in INPUT_FLAGS if getattr(args, flag[2:]) not in (None, False)]


def flatten(groups: list[tuple[float, ...]] | None) -> tuple[float, ...] | None:
    """All values of a flag such as ``--mean_values 1,2 3`` in one tuple; None if the flag is not given."""
    return None if groups is None else tuple(number for group in groups for number in group)
