"""What a file is that a user names instead of a model, by the ending of its name, and what to do
with it.
"""

from __future__ import annotations

import os
import shlex
from pathlib import Path

from posezoo.core.convert.formats import FORMATS
from posezoo.core.declarations.model_files import CHECKPOINTS, NETWORKS, PADDLE_3
from posezoo.core.registry import FileExplainer
from posezoo.core.regular_files import LFS_HINT, explain_lfs_pointer, explain_no_file
from posezoo.core.values import frozen

_TRANSLATE = "posezoo translate {file} -o {stem}.xml makes an IR, which can be run"
_SOURCE = "get the .onnx, .tflite or checkpoint that it was made from"


@frozen
class FileKind:
    """A kind of file."""

    name: str  # with its article
    #: What to do with it; ``{file}`` and ``{stem}`` stand for its name, with and without ending.
    advice: str


_KERAS = FileKind(
    "a network of Keras",
    "write it as a SavedModel: python -c \"import keras; keras.models.load_model('{file}')"
    ".export('{stem}')\"; then posezoo translate {stem} -o {stem}.xml",
)
_TENSORRT = FileKind("an engine of TensorRT, for one kind of GPU only", _SOURCE)
_CORE_ML = FileKind("a network of Core ML", _SOURCE)
_PADDLE = FileKind(
    "the weights of a network of PaddlePaddle",
    "name the .pdmodel beside it",
)
#: Measured with PaddlePaddle 3.3.1: with the setting, it writes the format that OpenVINO reads.
_PADDLE_3 = FileKind(
    "a network of PaddlePaddle 3 in its new format (PIR)",
    "where PaddlePaddle is installed, run the program that saves it with FLAGS_enable_pir_api=0"
    " in the environment: it writes a .pdmodel, which posezoo translate reads",
)
_NCNN = FileKind("a network of ncnn", _SOURCE)
_CAFFE = FileKind(
    "a network of Caffe", "posezoo translate NET.prototxt NET.caffemodel -o net.xml makes an IR"
)
_DARKNET = FileKind(
    "a network of Darknet", "posezoo translate NET.cfg NET.weights -o net.xml makes an IR"
)
_TORCHSCRIPT = FileKind(
    "a program of TorchScript", "write it as ONNX where its network is: torch.onnx.export"
)
_ARCHIVE = FileKind("an archive", "unpack it, and name the file of the network that it contains")
_CHECKPOINT = FileKind(
    "a checkpoint",
    "verbs that run, convert, measure or describe models take it; others take the model that is"
    " made of it: posezoo new NAME --from {file} --license SPDX",
)
_NETWORK = FileKind(
    "a network",
    "run, evaluate, benchmark, export and verify --device take it; posezoo translate {file} -o"
    " {stem}.xml --precision FP32 makes an IR, which quantize takes; posezoo new NAME --from {file}"
    " --license SPDX describes it as a model, which all verbs take",
)
_IR = FileKind(
    "an IR",
    "run, evaluate, benchmark, quantize, export and verify --device take it; posezoo new NAME"
    " --license SPDX --from {file} {stem}.bin describes it as a model, which all verbs take",
)

_KINDS = {
    **dict.fromkeys((".h5", ".hdf5", ".keras"), _KERAS),
    ".pt2": FileKind(
        "a network that torch.export wrote",
        "write it as ONNX where PyTorch is installed, if you trust it, as it may run code: python"
        " -c \"import torch; torch.onnx.export(torch.export.load('{file}'), f='{stem}.onnx')\"",
    ),
    **dict.fromkeys((".engine", ".plan", ".trt"), _TENSORRT),
    **dict.fromkeys((".mlpackage", ".mlmodel", ".mlmodelc"), _CORE_ML),
    ".pdiparams": _PADDLE,
    ".nb": FileKind("a network of Paddle Lite, for one kind of device only", _SOURCE),
    **dict.fromkeys((".ncnn", ".param"), _NCNN),
    ".mnn": FileKind("a network of MNN", _SOURCE),
    ".rknn": FileKind("a network of RKNN, for one kind of device only", _SOURCE),
    ".hef": FileKind("a network for Hailo's devices", _SOURCE),
    ".om": FileKind("a network for Ascend's devices", _SOURCE),
    ".dlc": FileKind("a network for Qualcomm's devices", _SOURCE),
    ".axmodel": FileKind("a network for Axera's devices", _SOURCE),
    ".kmodel": FileKind("a network for Kendryte's devices", _SOURCE),
    ".xmodel": FileKind("a network for AMD's devices", _SOURCE),
    **dict.fromkeys((".bmodel", ".cvimodel"), FileKind("a network for Sophgo's devices", _SOURCE)),
    **dict.fromkeys((".tnnmodel", ".tnnproto"), FileKind("a network of TNN", _SOURCE)),
    ".uff": FileKind("a network in TensorRT's earlier format", _SOURCE),
    ".t7": FileKind("a network of Lua's Torch", _SOURCE),
    **dict.fromkeys((".torchscript", ".ptl"), _TORCHSCRIPT),
    ".blob": FileKind("a network that was compiled for one kind of device", _SOURCE),
    ".ort": FileKind("a network in ONNX Runtime's own format", "get the .onnx it was made from"),
    ".pte": FileKind("a program of ExecuTorch", _SOURCE),
    ".task": FileKind(
        "a bundle of MediaPipe, a zip of .tflite files",
        "unzip {file}; then posezoo translate NET.tflite -o net.xml. The zoo has MediaPipe's"
        " networks: posezoo list 'blazepose*'. docs/coming_from.md#mediapipe-tasks has the calls"
        " of MediaPipe Tasks, and ours",
    ),
    **dict.fromkeys((".prototxt", ".caffemodel"), _CAFFE),
    **dict.fromkeys((".cfg", ".weights"), _DARKNET),
    ".pb": FileKind("a graph of TensorFlow", _TRANSLATE),
    ".pbtxt": FileKind(
        "a graph of TensorFlow as text",
        "where TensorFlow is installed, write it as a binary graph: python -c \"import tensorflow"
        " as tf; from google.protobuf import text_format; graph = text_format.Parse(open('{file}')"
        ".read(), tf.compat.v1.GraphDef()); open('{stem}.pb', 'wb').write(graph.SerializeToString("
        "))\"; then posezoo translate {stem}.pb -o {stem}.xml",
    ),
    ".tflite": FileKind("a network of TensorFlow Lite", _TRANSLATE),
    **dict.fromkeys((".pkl", ".joblib"), FileKind("a pickle, which may run code", _SOURCE)),
    **dict.fromkeys((".zip", ".tar", ".tgz", ".gz", ".xz", ".7z", ".mar"), _ARCHIVE),
    ".bin": FileKind(
        "weights without their network",
        "those of an IR belong to the .xml beside it; a checkpoint is read as {stem}.pth",
    ),
    ".gguf": FileKind("a language model", "posezoo runs networks that see people"),
    **dict.fromkeys(CHECKPOINTS, _CHECKPOINT),
    **dict.fromkeys(NETWORKS, _NETWORK),
    ".xml": _IR,
}  # fmt: skip


def find_irs(folder: Path) -> list[str]:
    """The .xml of the IR in a folder, or in its folders of precisions; at most three."""
    irs = sorted(folder.glob("*.xml")) or sorted(folder.glob("*/*.xml"))
    return [f"{xml}" for xml in irs if xml.with_suffix(".bin").is_file()][:3]


def is_paddle_3(path: Path) -> bool:
    """Whether a file is a network of PaddlePaddle 3 in its new format, which is JSON."""
    if path.suffix.lower() != ".json" or explain_no_file(path):
        return False
    with path.open("rb") as stream:
        return stream.read(len(PADDLE_3)) == PADDLE_3


def _find_format(path: Path) -> FileKind | None:
    """The kind of a file in a format that posezoo or an installed package can convert."""
    for _, model_format in FORMATS.items():
        if path.name.lower().endswith(model_format.endings):
            for candidate in (model_format, *model_format.by_file_name.values()):
                if candidate.recognises(path):
                    return FileKind(candidate.kind, _TRANSLATE)
    return None


def explain_model_file(name: str) -> tuple[str, str]:
    """What an existing file or folder is that is not the name of a model, and what to do with it;
    two empty texts if its ending is not that of a network.
    """
    path = Path(name)
    kind = _KINDS.get(path.suffix.lower())
    if path.name in ("model.yml", "composite-model.yml"):
        kind = FileKind(
            "a description of a model in another registry",
            f"name the model {path.absolute().parent.name}, and --models_dir with the folder of"
            " the registry",
        )
    if os.path.isdir(name) and (path / "saved_model.pb").is_file():
        kind = FileKind("a SavedModel of TensorFlow", _TRANSLATE)
    if is_paddle_3(path):
        kind = _PADDLE_3
    if kind is None and path.is_file():
        kind = _find_format(path)
    if kind is None and (irs := find_irs(path)):
        return f"{name}: is a folder, not a model", f"name an IR in it: {shlex.join(irs)}"
    if kind is None or not os.path.exists(name):
        return "", ""
    if not os.path.isdir(name) and (problem := explain_no_file(path)):
        return f"{name}: {problem}", ""
    if problem := explain_lfs_pointer(path):
        return f"{name}: {problem}", LFS_HINT
    problem = f"{name}: is {kind.name}, which is not read here"
    stem = shlex.quote(str(path.with_suffix("")))
    return problem, kind.advice.replace("{file}", shlex.quote(name)).replace("{stem}", stem)


class _Explainer(FileExplainer):
    """Knows the kinds of files above."""

    def explain(self, name: str) -> tuple[str, str]:
        return explain_model_file(name)


EXPLAINER = _Explainer()
