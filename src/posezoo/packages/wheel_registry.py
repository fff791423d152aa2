"""Read a registry of models from a wheel on the package index, as data: nothing of it is installed
or run.
"""

from __future__ import annotations

from pathlib import Path

from posezoo.core.declarations.sources import wheel_of
from posezoo.core.download.archive import unpack_archive
from posezoo.core.download.context import DownloadContext
from posezoo.core.download.options import DownloadOptions
from posezoo.core.errors import DownloadError, OutputError, os_reason
from posezoo.core.files.staging import remove_stale_staging_dirs, staging_dir
from posezoo.core.operating_system import sync
from posezoo.core.pipeline.zoo_context import WheelRegistryReader
from posezoo.core.registry import named_registry_root
from posezoo.packages.python_package import download_wheel


def read_wheel_registry(name: str, options: DownloadOptions) -> Path:
    """The models folder of a registry of ``WHEEL_REGISTRIES``; later calls need neither network nor
    wheel.

    Raises:
        DownloadError: the wheel cannot be downloaded, or is not the expected one.
        OutputError: the folder cannot be written; an unfinished one is never left under its name.
    """
    root = named_registry_root(name)
    source = wheel_of(name)
    if root.is_dir():
        return root
    parent = root.parents[1]
    remove_stale_staging_dirs(parent)
    try:
        with staging_dir(parent) as folder, DownloadContext(name, options) as context:
            wheel = folder / source.wheel.name
            unpacked = folder / "unpacked"
            download_wheel(source, wheel, context)

            def place(member: str) -> Path | None:
                inside = member.removeprefix(f"{source.member}/")
                return unpacked / "models" / inside if inside != member else None

            unpack_archive(wheel, "zip", place)
            try:
                # Otherwise a power failure could leave empty files under the final name.
                for path in [*unpacked.rglob("*"), unpacked]:
                    sync(path)
                unpacked.rename(root.parent)
                sync(parent)
            except OSError as error:
                if not root.is_dir():  # otherwise another process was faster
                    raise OutputError(
                        f"{root.parent}: cannot be written: {os_reason(error)}", hint="remove it"
                    ) from error
    except DownloadError as error:
        problem = f"the registry {name} cannot be read: {error.problem}"
        raise DownloadError(problem, hint=error.hint) from error
    except OutputError as error:
        hint = error.hint or "set XDG_CACHE_HOME to a folder that can be written"
        raise OutputError(
            f"the registry {name} cannot be kept: {error.problem}", hint=hint
        ) from error
    return root


class _WheelReader(WheelRegistryReader):
    read = staticmethod(read_wheel_registry)


READER = _WheelReader()
