"""What a file is that a user names instead of a model, by its ending, and what to do with it.

A name with such an ending is that of a file, also if there is none.
"""

from __future__ import annotations

import os
from mimetypes import guess_type
from pathlib import Path

from posezoo.core.convert.formats import FORMATS
from posezoo.core.declarations.model_files import CHECKPOINTS, NETWORKS, PADDLE_3
from posezoo.core.errors import explain_windows_path, shell_word
from posezoo.core.registry import FileExplainer
from posezoo.core.regular_files import (
    LFS_HINT,
    explain_lfs_pointer,
    explain_link,
    explain_no_file,
    open_regular,
)
from posezoo.core.values import frozen

_CONVERT = "posezoo convert {file}{flags} -o {stem}.xml makes an IR, which can be run"
_DECLARE = "posezoo new NAME --license SPDX --from {file} makes it a model, which all verbs take"
_RUN = "posezoo run {file} --input PHOTO runs it"
_SOURCE = "get the .onnx, .tflite or checkpoint that it was made from"


@frozen
class FileKind:
    """A kind of file."""

    name: str  # with its article
    #: What to do with it; ``{file}`` and ``{stem}`` stand for its name, with and without ending,
    #: ``{flags}`` for what the user says of it.
    advice: str


#: What nothing here reads, by the endings; its original may be read.
_UNREADABLE = {
    ".engine .plan .trt": "an engine of TensorRT, for one kind of GPU only",
    ".mlpackage .mlmodel .mlmodelc": "a network of Core ML",
    ".nb": "a network of Paddle Lite, for one kind of device only",
    ".ncnn .param": "a network of ncnn",
    ".mnn": "a network of MNN",
    ".rknn": "a network of RKNN, for one kind of device only",
    ".hef": "a network for Hailo's devices",
    ".om": "a network for Ascend's devices",
    ".dlc": "a network for Qualcomm's devices",
    ".axmodel": "a network for Axera's devices",
    ".kmodel": "a network for Kendryte's devices",
    ".xmodel": "a network for AMD's devices",
    ".bmodel .cvimodel": "a network for Sophgo's devices",
    ".tnnmodel .tnnproto": "a network of TNN",
    ".uff": "a network in TensorRT's earlier format",
    ".t7": "a network of Lua's Torch",
    ".blob": "a network that was compiled for one kind of device",
    ".pte": "a program of ExecuTorch",
    ".pkl .joblib": "a pickle, which may run code",
}

#: Of an ending that is here twice, the last entry counts.
_KINDS_BY_ENDINGS = {
    **{endings: FileKind(name, _SOURCE) for endings, name in _UNREADABLE.items()},
    ".h5 .hdf5 .keras": FileKind(
        "a network of Keras",
        "write it as a SavedModel: python -c \"import keras; keras.models.load_model('{file}')"
        ".export('{stem}')\"; then posezoo convert {stem} -o {stem}.xml",
    ),
    ".pt2": FileKind(
        "a network that torch.export wrote",
        "write it as ONNX where PyTorch is installed, if you trust it, as it may run code: python"
        " -c \"import torch; torch.onnx.export(torch.export.load('{file}'), f='{stem}.onnx')\"",
    ),
    ".pdiparams": FileKind(
        "the weights of a network of PaddlePaddle", "name the .pdmodel beside it"
    ),
    ".torchscript .ptl": FileKind(
        "a program of TorchScript", "write it as ONNX where its network is: torch.onnx.export"
    ),
    ".ort": FileKind("a network in ONNX Runtime's own format", "get the .onnx it was made from"),
    ".task": FileKind(
        "a bundle of MediaPipe, a zip of .tflite files",
        "unzip {file}; then posezoo convert NET.tflite -o net.xml. The zoo has MediaPipe's"
        " networks: posezoo list 'blazepose*'. docs/coming_from.md#mediapipe-tasks has the calls"
        " of MediaPipe Tasks, and ours",
    ),
    ".prototxt .caffemodel": FileKind(
        "a network of Caffe",
        "posezoo convert NET.prototxt NET.caffemodel -o net.xml makes an IR",
    ),
    ".cfg .weights": FileKind(
        "a network of Darknet", "posezoo convert NET.cfg NET.weights -o net.xml makes an IR"
    ),
    ".pb": FileKind("a graph of TensorFlow", _CONVERT),
    ".pbtxt": FileKind(
        "a graph of TensorFlow as text",
        'where TensorFlow is installed, write it as a binary graph: python -c "import tensorflow'
        " as tf; from google.protobuf import text_format; graph = text_format.Parse(open('{file}')"
        ".read(), tf.compat.v1.GraphDef()); open('{stem}.pb', 'wb').write(graph.SerializeToString("
        '))"; then posezoo convert {stem}.pb -o {stem}.xml',
    ),
    ".tflite": FileKind("a network of TensorFlow Lite", _CONVERT),
    ".zip .tar .tgz .gz .xz .7z .mar": FileKind(
        "an archive", "unpack it, and name the file of the network that it contains"
    ),
    ".bin": FileKind(
        "weights without their network",
        "those of an IR belong to the .xml beside it; a checkpoint is read as {stem}.pth",
    ),
    ".gguf": FileKind("a language model", "posezoo runs networks that see people"),
    " ".join(CHECKPOINTS): FileKind("a checkpoint", f"{_RUN}; {_DECLARE}"),
    " ".join(NETWORKS): FileKind(
        "a network",
        f"{_RUN}; posezoo convert {{file}}{{flags}} -o {{stem}}.xml makes an IR; {_DECLARE}",
    ),
    ".xml": FileKind("an IR", f"{_RUN}; {_DECLARE.replace('{file}', '{file} {stem}.bin')}"),
}
#: Keras writes them without the network.
_KERAS_WEIGHTS = FileKind(
    "a file of Keras with weights, and without their network",
    "where the network is built: network.load_weights('{file}'), then network.export('{stem}');"
    " then posezoo convert {stem} -o {stem}.xml",
)
_KINDS = {ending: kind for endings, kind in _KINDS_BY_ENDINGS.items() for ending in endings.split()}


def find_irs(folder: Path) -> list[str]:
    """The .xml of the IR in a folder, or in its folders of precisions; at most three."""
    irs = sorted(folder.glob("*.xml")) or sorted(folder.glob("*/*.xml"))
    return [f"{xml}" for xml in irs if xml.with_suffix(".bin").is_file()][:3]


def is_paddle_3(path: Path) -> bool:
    """Whether a file is a network of PaddlePaddle 3 in its new format, which is JSON."""
    if path.suffix.lower() != ".json" or explain_no_file(path):
        return False
    with open_regular(path) as stream:
        return stream.read(len(PADDLE_3)) == PADDLE_3


def _find_format(path: Path) -> FileKind | None:
    for _, model_format in FORMATS.items():
        if path.name.lower().endswith(model_format.endings):
            for candidate in (model_format, *model_format.by_file_name.values()):
                if candidate.recognises(path):
                    return FileKind(candidate.kind, _CONVERT)
    return None


def _find_images(name: str) -> str | None:
    """The kind of what ``--input`` takes."""
    if "://" in name:
        return "an address"
    if os.path.isdir(name):
        has_images = any(_medium_of(path.name) for path in Path(name).glob("*.*"))
        return "a folder with images" if has_images else None
    return _medium_of(name)


def _medium_of(name: str) -> str | None:
    kind = (guess_type(name)[0] or "").partition("/")[0]
    return {"image": "an image", "video": "a video"}.get(kind)


def is_file_name(name: str) -> bool:
    """Whether a name is that of a file, there or not, and not of a model."""
    endings = [each for _, one in FORMATS.items() for each in one.endings]
    return (
        Path(name).suffix.lower() in _KINDS
        or name.lower().endswith(tuple(endings))
        or _find_images(name) is not None
    )


def explain_named(name: str, flags: str = "") -> tuple[str, str]:
    """As ``explain_model_file``; of the name of a file also that there is none."""
    is_address = "://" in name
    if not is_address and not os.path.exists(name):
        if not is_file_name(name) or "=" in name:  # an argument as of Ultralytics: source=a.jpg
            return "", ""
        problem = explain_link(Path(name)) or "no such file"
        return f"{name}: {problem}", explain_windows_path(name)
    problem, hint = explain_model_file(name, flags)
    kind = _find_images(name)
    if problem or kind is None:
        return problem, hint
    return f"{name}: is {kind}, and no model", f"posezoo run --input {shell_word(name)}"


def explain_model_file(name: str, flags: str = "") -> tuple[str, str]:
    """What an existing file or folder is, by its ending, and what to do with it; else two empty
    texts.

    Args:
        flags: what the user says of it, as flags of ``posezoo convert``.
    """
    if not os.path.exists(name):
        return "", ""
    path = Path(name)
    kind = _KINDS.get(path.suffix.lower())
    if name.lower().endswith(".weights.h5"):
        kind = _KERAS_WEIGHTS
    if path.name in ("model.yml", "composite-model.yml"):
        kind = FileKind(
            "a description of a model in another registry",
            f"name the model {path.absolute().parent.name}, and --models_dir with the folder of"
            " the registry",
        )
    if os.path.isdir(name) and (path / "saved_model.pb").is_file():
        kind = FileKind("a SavedModel of TensorFlow", _CONVERT)
    if is_paddle_3(path):
        # Measured with PaddlePaddle 3.3.1: with the setting, it writes the format that OpenVINO
        # reads.
        kind = FileKind(
            "a network of PaddlePaddle 3 in its new format (PIR)",
            "where PaddlePaddle is installed, run the program that saves it with"
            " FLAGS_enable_pir_api=0 in the environment: it writes a .pdmodel, which posezoo"
            " convert reads",
        )
    if kind is None and path.is_file():
        kind = _find_format(path)
    if kind is None and (irs := find_irs(path)):
        shown = " ".join(map(shell_word, irs))
        return f"{name}: is a folder, not a model", f"name an IR in it: {shown}"
    if kind is None:
        return "", ""
    if not os.path.isdir(name) and (problem := explain_no_file(path)):
        return f"{name}: {problem}", ""
    if problem := explain_lfs_pointer(path):
        return f"{name}: {problem}", LFS_HINT
    problem = f"{name}: is {kind.name}, which is not read here"
    words = {"file": shell_word(name), "stem": shell_word(path.with_suffix("")), "flags": flags}
    advice = kind.advice
    for word, value in words.items():
        advice = advice.replace(f"{{{word}}}", value)
    return problem, advice


class _Explainer(FileExplainer):
    def explain(self, name: str) -> tuple[str, str]:
        return explain_named(name)


EXPLAINER = _Explainer()
