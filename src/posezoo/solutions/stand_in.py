"""The modules of the stand-in for the package mediapipe, which has posezoo's instead."""

from __future__ import annotations

from posezoo.solutions.tables import TABLES

#: The release that the solutions equal.
RELEASE = "0.10.21"

#: What the stand-in needs: scripts use the OpenCV that MediaPipe brings, which has windows.
REQUIRED = ("posezoo[convert]", "opencv-contrib-python>=4.8,<6")

_SOLUTIONS = (
    "drawing_styles",
    "drawing_utils",
    "face_detection",
    "face_mesh",
    "face_mesh_connections",
    "hands",
    "hands_connections",
    "holistic",
    "pose",
    "pose_connections",
    "selfie_segmentation",
)

_TASKS = "install MediaPipe 1 in another environment, or use mediapipe.solutions"
_GRAPHS = "posezoo runs no graphs of MediaPipe"
_MISSING = {
    "calculators": _GRAPHS,
    "modules": "posezoo get downloads models",
    "model_maker": "posezoo trains no models",
    "tasks": _TASKS,
    "util": _GRAPHS,
    "python.solution_base": _GRAPHS,
    "python.solutions.objectron": "posezoo finds no boxes in 3D",
}
_MISSING_NAMES = {
    **dict.fromkeys(("Image", "ImageFormat"), f"it is for mediapipe.tasks; {_TASKS}"),
    **dict.fromkeys(("CalculatorGraph", "ImageFrame", "Packet", "Timestamp"), _GRAPHS),
    "packet_creator": _GRAPHS,
    "packet_getter": _GRAPHS,
}

_PACKAGE = '''\
"""{doc}"""

from importlib import import_module

{version}_MODULES = {modules!r}
_MISSING = {missing!r}


def __getattr__(name):
    if name in _MODULES:
        return import_module(_MODULES[name])
    problem = _MISSING.get(name) or f"module {{__name__}} has no attribute {{name!r}}"
    raise AttributeError(problem)


def __dir__():
    return sorted({{*globals(), *_MODULES}})
'''
_DOC = "posezoo's stand-in for MediaPipe, which runs its solutions on OpenVINO."

_ALIAS = """\
import sys

import posezoo.solutions.{name}

sys.modules[__name__] = posezoo.solutions.{name}
"""

_MESSAGES = """\
from posezoo.solutions.messages import messages_of

globals().update(messages_of({name!r}))
"""


def write_modules(release: str) -> dict[str, str]:
    """The text of each module by its path.

    Args:
        release: ``mediapipe.__version__``.
    """
    explained = {name: _explain(name, instead) for name, instead in _MISSING.items()}
    names = {name: _explain(name, instead) for name, instead in _MISSING_NAMES.items()}
    top = {name: text for name, text in explained.items() if "." not in name} | names
    solutions = "mediapipe.python.solutions"
    code = {
        "mediapipe/__init__.py": _PACKAGE.format(
            doc=_DOC,
            version=f"__version__ = {release!r}\n",
            modules={"solutions": solutions},
            missing=top,
        ),
        "mediapipe/python/__init__.py": "",
        "mediapipe/python/solutions/__init__.py": _PACKAGE.format(
            doc=_DOC,
            version="",
            modules={name: f"{solutions}.{name}" for name in _SOLUTIONS},
            missing={"objectron": explained["python.solutions.objectron"]},
        ),
        "mediapipe/framework/__init__.py": "",
        "mediapipe/framework/formats/__init__.py": "",
    }
    for name in _SOLUTIONS:
        code[f"mediapipe/python/solutions/{name}.py"] = _ALIAS.format(name=name)
    for name in TABLES["messages"]:
        code[f"mediapipe/framework/formats/{name}.py"] = _MESSAGES.format(name=name)
    for name, text in explained.items():
        refusal = f"raise ImportError({text!r}, name={f'mediapipe.{name}'!r})\n"
        code[f"mediapipe/{name.replace('.', '/')}/__init__.py"] = refusal
    return code


def _explain(name: str, instead: str) -> str:
    return f"mediapipe.{name} is not in posezoo's stand-in for mediapipe: {instead}"
