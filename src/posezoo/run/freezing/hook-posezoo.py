# ruff: noqa: N999 - PyInstaller needs this name
"""PyInstaller's hook: modules that posezoo imports by name, data files, and the libraries that
OpenVINO opens at run time.
"""

from PyInstaller.utils.hooks import (
    collect_data_files,
    collect_dynamic_libs,
    collect_submodules,
    copy_metadata,
)

hiddenimports = collect_submodules("posezoo", filter=lambda name: ".solutions" not in name)
datas = collect_data_files("posezoo") + copy_metadata("posezoo") + copy_metadata("openvino")
binaries = collect_dynamic_libs("openvino", search_patterns=["*.so*", "*.dll", "*.dylib"])
