"""The context of a run as it is sent to a worker of a cluster, which has secrets of its own."""

from __future__ import annotations

from dataclasses import fields, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from posezoo.core.errors import redact_secrets
from posezoo.core.resolve.stage_context import Context
from posezoo.core.settings import Settings, config_files, read_settings, to_settings


def reduce_context(context: Context) -> tuple[Any, ...]:
    """How ``copyreg`` pickles a context for a worker."""
    # Mirrors without secrets; of a folder the absolute path.
    shown = tuple(
        redact_secrets(mirror) if "://" in mirror else f"{Path(mirror).absolute()}"
        for mirror in context.settings.mirror
    )
    changed = {
        "settings": replace(context.settings, header=(), mirror=shown),
        "download_options": replace(
            context.download_options, headers=(), mirrors=shown, proxies={}
        ),
    }
    values = {each.name: getattr(context, each.name) for each in fields(context)}
    return _open_on_worker, (values | changed,)


def _open_on_worker(values: dict[str, Any]) -> Context:
    """The context of another machine with the headers of this one, and its passwords for the same
    mirrors.
    """
    path = next(iter(config_files()), None)
    worker_settings = _worker_settings(path, path.stat().st_mtime_ns if path else 0)
    by_shown_address = {redact_secrets(mirror): mirror for mirror in worker_settings.mirror}
    settings = values["settings"]
    mirror = tuple(by_shown_address.get(each, each) for each in settings.mirror)
    options = replace(values["download_options"], headers=worker_settings.header, mirrors=mirror)
    settings = replace(settings, header=worker_settings.header, mirror=mirror)
    return Context(**values | {"settings": settings, "download_options": options})


@lru_cache(maxsize=1)  # each item of a run brings a context
def _worker_settings(_path: Path | None, _changed_ns: int) -> Settings:
    """This machine's settings; the arguments say which version of posezoo.cfg they are from."""
    return to_settings(read_settings())
