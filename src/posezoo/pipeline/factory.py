"""A zoo from the settings."""

from __future__ import annotations

from pathlib import Path

from posezoo.download.options import DownloadOptions, FirstUse
from posezoo.layout import ModelLayout
from posezoo.lockfile import LockFile
from posezoo.pipeline.route_options import RouteOptions
from posezoo.pipeline.zoo import Zoo
from posezoo.registry import open_registry
from posezoo.settings import Settings


def open_zoo(
    settings: Settings,
    *,
    download_dir: Path | None = None,
    trust_on_first_use: bool = False,
    mo_python: Path | None = None,
    allow_upstream_code: bool = False,
) -> Zoo:
    """The zoo that the settings name.

    Args:
        settings: what the user set.
        download_dir: where published files lie; below the output folder where None.
        trust_on_first_use: take what comes for a file that nothing pins, and remember it in the lock.
        mo_python: what starts the Model Optimizer, where it is not the Python beside it.
        allow_upstream_code: whether code that comes with a model may be run, shut in.
    """
    lock, registry = LockFile(settings.lock, strict=settings.locked), open_registry(settings.models_dir)
    lock.require_registry(registry)
    return Zoo(
        lock=lock,
        settings=settings,
        registry=registry,
        layout=ModelLayout(download_dir=download_dir or settings.output_dir, output_dir=settings.output_dir),
        means=download_options(settings, lock.record_first_use if trust_on_first_use else None),
        ways=RouteOptions(settings.mo, mo_python, allow_upstream_code),
    )


def download_options(settings: Settings, first_use: FirstUse | None = None) -> DownloadOptions:
    """How files may be fetched, as the settings say."""
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
        jobs=settings.jobs,
        connections=settings.connections,
        allow_licenses=settings.allow_licenses,
    )
