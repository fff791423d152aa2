# ruff: noqa: N999 - PyInstaller needs this name
"""PyInstaller's hook: modules that posezoo imports by name, data files, and the libraries that
OpenVINO opens at run time.
"""

from PyInstaller.utils.hooks import (
    can_import_module,
    collect_data_files,
    collect_dynamic_libs,
    collect_submodules,
    copy_metadata,
)

#: What runs an IR and is imported by name; the packages that only convert are left out.
BY_NAME = ("cv2", "av", "openvino.opset13", "openvino._offline_transformations")

hiddenimports = collect_submodules("posezoo", filter=lambda name: ".solutions" not in name)
hiddenimports += filter(can_import_module, BY_NAME)
datas = collect_data_files("posezoo") + copy_metadata("posezoo") + copy_metadata("openvino")
binaries = collect_dynamic_libs("openvino", search_patterns=["*.so*", "*.dll", "*.dylib"])
