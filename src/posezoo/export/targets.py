"""The targets of ``posezoo export``: each an ``ExportTarget`` record in a module, a line in
``TARGETS``, and templates in templates/.
"""

from __future__ import annotations

from collections.abc import Iterable

from posezoo.console.completer import Completer
from posezoo.core.plugins import LazyTable
from posezoo.export.target_type import ExportTarget

TARGETS = LazyTable(
    "posezoo.export_targets",
    ExportTarget,
    {
        "folder": "posezoo.export.folder:TARGET",
        "ovms": "posezoo.export.model_servers:OVMS",
        "triton": "posezoo.export.model_servers:TRITON",
        "modelapi": "posezoo.export.model_info_targets:MODEL_API",
        "dlstreamer": "posezoo.export.model_info_targets:DL_STREAMER",
        "cpp": "posezoo.export.people_targets:CPP",
        "onnx": "posezoo.export.people_targets:ONNX",
    },
)


def _complete(prefix: str) -> Iterable[str]:
    from argcomplete.completers import DirectoriesCompleter

    return *TARGETS.builtin, *DirectoriesCompleter()(prefix)


#: What TAB offers for a target.
COMPLETER = Completer(_complete)
