"""Open the registry, the folders and the lock that the settings name, and make the download options."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from posezoo.download.options import DownloadOptions, FirstUse
from posezoo.layout import ModelLayout
from posezoo.lockfile import LockFile
from posezoo.registry import Registry, open_registry
from posezoo.settings import Settings


@dataclass(frozen=True, slots=True)
class Context:
    """What every stage needs in addition to the model."""

    settings: Settings
    registry: Registry  # the declared models
    layout: ModelLayout  # the folders of their files and IR
    lock: LockFile  # the pins of first use; a strict lock refuses models and files that it does not list
    download_options: DownloadOptions  # how files may be downloaded
    mo_python: Path | None = None  # starts the Model Optimizer; None: the Python in the same folder
    allow_upstream_code: bool = False  # whether code that comes with a model may be run, in a sandbox


def open_context(
    settings: Settings,
    *,
    download_dir: Path | None = None,
    trust_on_first_use: bool = False,
    verify: bool = False,
    mo_python: Path | None = None,
    allow_upstream_code: bool = False,
) -> Context:
    """Open the registry, the folders and the lock that the settings name.

    Args:
        download_dir: the folder of published files; None for the output folder.
        trust_on_first_use: accept a file without a known digest, and record its digest in the lock.
        verify: whether files that were verified before are hashed again.
        mo_python, allow_upstream_code: as in ``Context``.

    Raises:
        PosezooError: the lock cannot be read.
        LockError: the lock is strict, and lists models that the registry lacks.
    """
    lock, registry = LockFile(settings.lock, strict=settings.locked), open_registry(settings.models_dir)
    lock.require_registry(registry)
    return Context(
        settings,
        registry,
        ModelLayout(download_dir=download_dir or settings.output_dir, output_dir=settings.output_dir),
        lock,
        download_options(settings, lock.record_first_use if trust_on_first_use else None, verify=verify),
        mo_python,
        allow_upstream_code,
    )


def download_options(
    settings: Settings, first_use: FirstUse | None = None, *, verify: bool = False
) -> DownloadOptions:
    """The download options that the settings describe."""
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
        verify=verify,
        jobs=settings.jobs,
        connections=settings.connections,
        allow_licenses=settings.allow_licenses,
    )
