# ruff: noqa: N999 - PyInstaller needs this name
"""PyInstaller runs this where a program imports posezoo: modules that posezoo imports by name, its
data files, and the libraries that OpenVINO opens at run time, such as the reader of IR.
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
