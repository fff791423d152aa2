"""Run the tasks of ``for_each`` on the workers of a Dask cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from posezoo.core.errors import import_optional, redact_secrets
from posezoo.core.events import Listener, WarningIssued
from posezoo.core.pipeline.for_each import Attempt, Cluster, Executor, Outcome
from posezoo.core.resolve.stage_context import Context
from posezoo.core.values import frozen
from posezoo.core.workers.threads import Item, Result

_OWN_SECRETS = (
    "headers and passwords of mirrors are not sent to the workers of a cluster: they use"
    " POSEZOO_HEADER, POSEZOO_MIRROR and posezoo.cfg where they run"
)


#: A run without any worker ends after this time.
WAIT_S = 60.0


@frozen
class ClusterExecutor(Executor):
    """The workers of a Dask scheduler.

    Attributes:
        scheduler: the address of the Dask scheduler, such as ``tcp://host:8786``.
        folders: as for ``map_on_cluster``; files are only read.
        warning: what the user should know about these workers.
    """

    in_processes: bool = True
    on_machines: bool = True
    scheduler: str = ""
    folders: tuple[Path, ...] = ()
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
            wait_s=WAIT_S,
            listener=listener,
            memory=memory,
        )
        for worker, outcome in outcomes:
            if outcome.error:
                outcome.error.problem += f" (on the worker {worker})"
            yield outcome


class _DaskCluster(Cluster):
    def executor(self, address: str, context: Context, folders: Sequence[Path]) -> Executor:
        settings = context.settings
        has_secrets = settings.header or any(
            redact_secrets(mirror) != mirror for mirror in settings.mirror
        )
        return ClusterExecutor(
            scheduler=address,
            folders=tuple(dict.fromkeys(folders)),
            warning=_OWN_SECRETS if has_secrets else "",
        )


CLUSTER = _DaskCluster()
