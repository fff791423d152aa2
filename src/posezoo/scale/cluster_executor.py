"""Run the tasks of ``for_each`` on the workers of a Dask cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from posezoo.cli.for_each import Attempt, Cluster, Executor, Outcome
from posezoo.core.errors import import_optional, redact_secrets
from posezoo.core.events import Listener, WarningIssued
from posezoo.core.resolve.stage_context import Context
from posezoo.core.settings import Settings, config_files, read_settings, to_settings
from posezoo.core.values import frozen
from posezoo.core.workers.threads import Item, Result

_OWN_SECRETS = (
    "headers and passwords of mirrors are not sent to the workers of a cluster: they use"
    " POSEZOO_HEADER, POSEZOO_MIRROR and posezoo.cfg where they run"
)


# A context is sent without the secrets of this machine: a worker has its own.


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


@frozen
class ClusterExecutor(Executor):
    """The workers of a Dask scheduler.

    Attributes:
        scheduler: the address of the Dask scheduler, such as ``tcp://host:8786``.
        folders: the folders that the workers must share with this machine; or existing files in
            folders that are only read.
        wait_s: how long a run waits for a worker if there is none, at the start and later.
        warning: what the user should know about these workers.
    """

    in_processes: bool = True
    on_machines: bool = True
    scheduler: str = ""
    folders: tuple[Path, ...] = ()
    wait_s: float = 60.0
    warning: str = ""

    def with_files(self, files: Sequence[Path]) -> Executor:
        """The executor whose workers must share these files with this machine, too."""
        return replace(self, folders=(*self.folders, *files))

    def map(
        self,
        attempt: Attempt[Item, Result],
        items: Sequence[Item],
        listener: Listener,
        memory: Callable[[Item], int],
    ) -> Iterator[Outcome[Item, Result]]:
        """The outcomes; an error also says on which worker it happened."""
        import_optional("distributed", extra="cluster")
        from posezoo.scale.cluster import map_on_cluster

        if self.warning:
            listener(WarningIssued(self.warning))
        outcomes = map_on_cluster(
            attempt,
            items,
            self.scheduler,
            folders=self.folders,
            wait_s=self.wait_s,
            listener=listener,
            memory=memory,
        )
        for worker, outcome in outcomes:
            if outcome.error:
                outcome.error.problem += f" (on the worker {worker})"
            yield outcome


class _DaskCluster(Cluster):
    """The workers of a Dask scheduler."""

    def executor(
        self, address: str, wait_s: float, context: Context, folders: Sequence[Path]
    ) -> Executor:
        settings = context.settings
        has_secrets = settings.header or any(
            redact_secrets(mirror) != mirror for mirror in settings.mirror
        )
        return ClusterExecutor(
            scheduler=address,
            folders=tuple(dict.fromkeys(folders)),
            wait_s=wait_s,
            warning=_OWN_SECRETS if has_secrets else "",
        )


CLUSTER = _DaskCluster()
