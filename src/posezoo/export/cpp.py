"""Export to C++: a CMake project that prints the people in pictures, and the IR of all models in
models/.
"""

from __future__ import annotations

from collections.abc import Iterator

from posezoo.export.documents import render_documents
from posezoo.export.people_metadata import explain_unknown_crop, render_pipeline
from posezoo.export.people_programs import INPUTS
from posezoo.export.target_type import (
    TEMPLATES,
    ExportedModel,
    ExportFile,
    ExportFolder,
    ExportTarget,
    render,
    require_keypoints,
)

_BUILD = (
    'cmake -S {folder} -B {folder}/build -D OpenVINO_DIR="$(python -c "import openvino.utils;'
    ' print(openvino.utils.get_cmake_path())")" && cmake --build {folder}/build'
)
_PROJECT = ("CMakeLists.txt", "main.cpp", "poses.hpp", "fit.hpp", "blazepose.hpp", "top_down.hpp")


def render_cpp(model: ExportedModel, _folder: ExportFolder) -> Iterator[ExportFile]:
    """The model's IR, and the project."""
    require_keypoints(model.spec)
    for each in model.networks:
        yield from render_documents(each, TARGET, f"models/{each.name}-")
    yield from render_pipeline(model, "models")
    for name in _PROJECT:
        yield ExportFile(name, (TEMPLATES / name).read_bytes())
    yield ExportFile("README.md", render("README.md"))


TARGET = ExportTarget(
    summary=(
        "C++: a CMake project that prints people as JSON and measures frames a second, and IR"
        " for it"
    ),
    render=render_cpp,
    require=require_keypoints,
    next_step=f"{_BUILD} && {{folder}}/build/poses {{folder}}/models/{{name}}.xml PICTURE",
    needs="You need CMake 3.16, a C++17 compiler and OpenVINO, see README.md of the project.",
    sets_f32="the class Network in poses.hpp",
    inputs=INPUTS,
    refuse_detector=explain_unknown_crop,
    runs_people=True,
)
