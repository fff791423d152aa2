"""What is done around the stages of a model whose folders are copies of folders elsewhere.

The stages work with local files. The files that a stage needs are brought to this machine before
it, and those that it made are published after it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from posezoo.core.download.origins import NONE_STORED
from posezoo.core.plugins import Hook
from posezoo.core.user_folders import StorePath

if TYPE_CHECKING:  # lists of all models need none of them
    from posezoo.core.declarations.model import ModelSpec, Precision, SourceFile
    from posezoo.core.download.options import DownloadOptions
    from posezoo.core.events import Listener
    from posezoo.core.layout import ModelLayout
    from posezoo.core.settings import Settings
    from posezoo.core.workers.retries import RequestLimits


class FolderSync:
    """Brings and publishes the files of folders; of local folders, as here, none.

    Raises:
        SourceError: files cannot be brought.
        OutputError: files cannot be published, or the copy here cannot be written.
    """

    def observe(
        self, spec: ModelSpec, layout: ModelLayout, options: DownloadOptions
    ) -> Mapping[Path, int]:
        """The files of a model that are not here yet, or are here in another version.

        No weights are brought, only the .xml files and records of its IR.

        Returns:
            The sizes in bytes, by the paths that the files will have here; also of files in the
            cache.
        """
        return NONE_STORED

    def bring(
        self,
        folder: Path,
        limits: RequestLimits,
        wanted: Callable[[str], bool] = lambda _name: True,
        *,
        afresh: bool = False,
    ) -> None:
        """Bring the files of a folder.

        Args:
            wanted: whether a file is brought, by its path relative to the folder.
            afresh: bring unchanged files again, and remove files that were not published yet, too.
        """

    def bring_registry(self, root: Path, settings: Settings) -> None:
        """Bring a registry, with the licenses beside it."""

    def bring_irs(
        self, spec: ModelSpec, layout: ModelLayout, precisions: Collection[Precision]
    ) -> None:
        """Bring the IR of a model.

        Args:
            precisions: of these, the weights are brought, too; of others, only the .xml and the
                record.
        """

    def bring_published_files(
        self, spec: ModelSpec, layout: ModelLayout, options: DownloadOptions
    ) -> None:
        """Bring the published files of a model, and unpack them as a download does."""

    def publish(self, paths: Sequence[Path], limits: RequestLimits) -> None:
        """Publish those of the files that exist and changed.

        Args:
            paths: in the order in which they are published; the last is the manifest.
        """

    def exclusive_copy(self, folder: Path) -> AbstractContextManager[None]:
        """Make other processes that work in this copy of a folder wait."""
        return nullcontext()

    def shared_files(
        self,
        spec: ModelSpec,
        layout: ModelLayout,
        options: DownloadOptions,
        *,
        precisions: Collection[str] | None = None,
        listener: Listener,
    ) -> AbstractContextManager[None]:
        """Bring the published files of a model before they are downloaded, and publish them after.

        A cache that cannot be read or written is only a warning.

        Args:
            precisions: as for ``download_model``.
        """
        return nullcontext()

    def shared_cache(
        self, targets: Mapping[Path, SourceFile], options: DownloadOptions, listener: Listener
    ) -> AbstractContextManager[None]:
        """Bring the entries of files in the cache before they are downloaded, and publish them
        after.

        A cache that cannot be read or written is only a warning.

        Args:
            targets: the files by their paths; no entry is brought for a file that is verified
                there.
        """
        return nullcontext()


_REMOTE_FOLDERS = Hook("remote_folders", FolderSync())


def folder_sync(*folders: Path | None) -> FolderSync:
    """What brings and publishes the files of these folders, of which some may be local."""
    are_local = not any(map(StorePath.of, filter(None, folders)))
    return _REMOTE_FOLDERS.default if are_local else _REMOTE_FOLDERS.part
