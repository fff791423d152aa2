"""The modules of the stand-in for the package mediapipe, which has posezoo's instead."""

from __future__ import annotations

from posezoo.solutions.explanations import explain
from posezoo.solutions.importable import MODULES
from posezoo.solutions.tables import TABLES

#: The release that the solutions equal.
RELEASE = "0.10.21"

#: What the stand-in needs: scripts use the OpenCV that MediaPipe brings, which has windows.
#: OpenCV 5 lacks functions that they call, such as ``cv2.aruco.detectMarkers``.
REQUIRED = ("posezoo[convert]", "opencv-contrib-python>=4.8,<5")

SOLUTIONS = (
    "download_utils",
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

# Modules of the real package that scripts hardly import: importing one is an error.
_MISSING = ("calculators", "model_maker", "modules", "util")

_BINDINGS = "mediapipe.python._framework_bindings"
# Classes of graphs and images, which both mediapipe and mediapipe.python have, with their modules.
_NAMES = {
    "CalculatorGraph": f"{_BINDINGS}.calculator_graph",
    "GraphInputStreamAddMode": f"{_BINDINGS}.calculator_graph",
    "Image": f"{_BINDINGS}.image",
    "ImageFormat": f"{_BINDINGS}.image_frame",
    "ImageFrame": f"{_BINDINGS}.image_frame",
    "Matrix": f"{_BINDINGS}.matrix",
    "Packet": f"{_BINDINGS}.packet",
    "Timestamp": f"{_BINDINGS}.timestamp",
    "ValidatedGraphConfig": f"{_BINDINGS}.validated_graph_config",
}
# The same for modules.
_SHARED = {
    "model_ckpt_util": f"{_BINDINGS}.model_ckpt_util",
    "packet_creator": "mediapipe.python.packet_creator",
    "packet_getter": "mediapipe.python.packet_getter",
    "resource_util": f"{_BINDINGS}.resource_util",
    "solutions": "mediapipe.python.solutions",
}

_PACKAGE = '''\
"""posezoo's stand-in for MediaPipe, which runs its solutions on OpenVINO."""

from importlib import import_module

{version}_MODULES = {modules!r}
_NAMES = {names!r}
_MISSING = {missing!r}


def __getattr__(name):
    if name in _MODULES:
        return import_module(_MODULES[name])
    if name in _NAMES:
        return getattr(import_module(_NAMES[name]), name)
    problem = _MISSING.get(name) or f"module {{__name__}} has no attribute {{name!r}}"
    raise AttributeError(problem)


def __dir__():
    return sorted({{*globals(), *_MODULES, *_NAMES}})
'''

# What modules of MediaPipe import, and scripts take from there, also by "import *".
_IMPORTED = {
    "drawing_utils": (
        "cv2",
        "dataclasses",
        "mediapipe.framework.formats.detection_pb2",
        "mediapipe.framework.formats.landmark_pb2",
        "mediapipe.framework.formats.location_data_pb2",
        "typing.List",
        "typing.Optional",
        "typing.Tuple",
        "typing.Union",
    ),
    "face_detection": (
        "mediapipe.framework.formats.detection_pb2",
        "mediapipe.framework.formats.location_data_pb2",
    ),
}

_ALIAS = """\
import sys
from pkgutil import resolve_name

import posezoo.solutions.{name} as module

for path in {imported!r}:
    setattr(module, path.rpartition(".")[2], resolve_name(path))
sys.modules[__name__] = module
"""

_MESSAGES = """\
from posezoo.solutions.messages import messages_of

globals().update(messages_of({name!r}))
"""

_IMPORTABLE = """\
from posezoo.solutions.importable import names_of

globals().update(names_of(__name__))
"""


# Of the package posezoo-mediapipe. The real one has another name, so pip installs both.
_BESIDE = """
from importlib.metadata import distributions

if any(distributions(name="mediapipe")):
    import warnings

    warnings.warn(
        "the packages posezoo-mediapipe and mediapipe overwrite each other's files:"
        " uninstall both, then install one of them",
        stacklevel=2,
    )
"""


def write_modules(release: str | None) -> dict[str, str]:
    """The text of each module by its path, for a release of mediapipe; None: the package
    posezoo-mediapipe.
    """
    formats = "mediapipe.framework.formats"
    solutions = "mediapipe.python.solutions"
    code = {
        "mediapipe/__init__.py": _PACKAGE.format(
            version=f"{'' if release else _BESIDE}__version__ = {release or RELEASE!r}\n",
            modules=_SHARED | {"python": "mediapipe.python", "tasks": "mediapipe.tasks"},
            names=_NAMES,
            missing={name: explain(f"mediapipe.{name}") for name in _MISSING},
        ),
    }
    packages = {
        "python": _SHARED
        | {"mediapipe": "mediapipe", "solution_base": "mediapipe.python.solution_base"},
        # Editors complete the name mediapipe here, and many scripts have it.
        "python/solutions": {name: f"{solutions}.{name}" for name in (*SOLUTIONS, "objectron")}
        | {"mediapipe": "mediapipe"},
        "framework": {"formats": formats},
        "framework/formats": {name: f"{formats}.{name}" for name in TABLES["messages"]},
    }
    for path, modules in packages.items():
        names = _NAMES if path == "python" else {}
        package = _PACKAGE.format(version="", modules=modules, names=names, missing={})
        code[f"mediapipe/{path}/__init__.py"] = package
    for name in SOLUTIONS:
        imported = _IMPORTED.get(name, ())
        alias = _ALIAS.format(name=name, imported=imported)
        code[f"mediapipe/python/solutions/{name}.py"] = alias
    for name in TABLES["messages"]:
        code[f"mediapipe/framework/formats/{name}.py"] = _MESSAGES.format(name=name)
    for name in MODULES:
        code.setdefault(_path_of(name), _IMPORTABLE)
    if not release:
        # The original of 0.10 imports this one, even if it was installed last.
        code[_path_of(_BINDINGS)] = _BESIDE + _IMPORTABLE
    for name in _MISSING:
        path = f"mediapipe.{name}"
        refusal = f"raise ImportError({explain(path)!r}, name={path!r})\n"
        code[f"mediapipe/{name}/__init__.py"] = refusal
    return code


def _path_of(module: str) -> str:
    is_package = any(name.startswith(f"{module}.") for name in MODULES)
    return f"{module.replace('.', '/')}{'/__init__' if is_package else ''}.py"
