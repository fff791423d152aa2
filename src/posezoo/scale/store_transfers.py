"""Download from a store what a stage of a model needs before it starts, and upload its results
after it.

The stages work with local files, and only this module knows that these are copies of the store's.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from posezoo.core.declarations.model import ModelSpec, Precision, SourceFile
from posezoo.core.declarations.safe_names import explain_unsafe_file_name
from posezoo.core.download.availability import package_digest
from posezoo.core.download.folder_sync import FolderSync
from posezoo.core.download.model_download import download_model
from posezoo.core.download.options import DownloadOptions
from posezoo.core.download.origins import entry_path, select_files
from posezoo.core.download.provenance_json import NAME
from posezoo.core.errors import OutputError, SourceError
from posezoo.core.events import Listener, WarningIssued, ignore_event
from posezoo.core.files.file_lock import exclusive
from posezoo.core.files.file_record import read_record
from posezoo.core.files.verified_files import is_verified_file, writing
from posezoo.core.layout import DECODED, ModelLayout
from posezoo.core.lockfile.entries import NAME as LOCK
from posezoo.core.lockfile.entries import LockEntry, merge_entries
from posezoo.core.pipeline.zoo_context import download_options
from posezoo.core.settings import Settings
from posezoo.core.user_folders import in_store
from posezoo.core.workers.retries import RequestLimits
from posezoo.scale.stores import Info, has_file, is_changed, is_current, publish, pull

if TYPE_CHECKING:
    from posezoo.scale.mirror import Mirror


class StoreSync(FolderSync):
    """Downloads and uploads the files of folders in stores; it ignores local folders."""

    def observe(
        self, spec: ModelSpec, layout: ModelLayout, options: DownloadOptions
    ) -> Mapping[Path, int]:
        limits = options.limits
        infos: dict[Path, Info] = {}
        for folder in dict.fromkeys((layout.model_dir(spec), layout.model_download_dir(spec))):
            infos |= _pull(folder, limits, lambda name: _is_of_irs(name, ()))
        for entry in _cache_entries(spec.files, options):
            infos |= _pull(entry.parent, limits, lambda _name: False)
        return _sizes(infos) if infos else {}

    def bring(
        self,
        folder: Path,
        limits: RequestLimits,
        wanted: Callable[[str], bool] = lambda _name: True,
        *,
        afresh: bool = False,
    ) -> None:
        _pull(folder, limits, wanted, afresh=afresh)

    def bring_registry(self, root: Path, settings: Settings) -> None:
        limits = download_options(settings).limits
        for folder in (root, root.parent / "licenses"):
            self.bring(folder, limits)

    def bring_irs(
        self, spec: ModelSpec, layout: ModelLayout, precisions: Collection[Precision]
    ) -> None:
        self.bring(layout.model_dir(spec), layout.limits, lambda name: _is_of_irs(name, precisions))

    def bring_published_files(
        self, spec: ModelSpec, layout: ModelLayout, options: DownloadOptions
    ) -> None:
        if not in_store(layout.download_dir) or layout.custom_checkpoint(spec):
            return
        with self.shared_files(spec, layout, options, listener=ignore_event):
            if all(layout.file_path(spec, file).is_file() for file in spec.files):
                download_model(spec, layout, options, candidates=())

    def publish(self, paths: Sequence[Path], limits: RequestLimits) -> None:
        publish(paths, limits)

    @contextmanager
    def exclusive_copy(self, folder: Path) -> Iterator[None]:
        if not in_store(folder):
            yield
            return
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
        with exclusive(folder / "store", wait_s=math.inf):
            yield

    @contextmanager
    def shared_files(
        self,
        spec: ModelSpec,
        layout: ModelLayout,
        options: DownloadOptions,
        *,
        precisions: Collection[str] | None = None,
        listener: Listener,
    ) -> Iterator[None]:
        folder = layout.model_download_dir(spec)
        targets = {layout.file_path(spec, file): file for file in select_files(spec, precisions)}
        paths = [*targets, folder / NAME]
        with self.exclusive_copy(folder):
            pull(folder, options.limits, lambda name: folder / name in paths)
            with self.shared_cache(targets, options, listener):
                yield
            for path in paths:
                publish([path], options.limits)

    @contextmanager
    def shared_cache(
        self, targets: Mapping[Path, SourceFile], options: DownloadOptions, listener: Listener
    ) -> Iterator[None]:
        limits = options.limits
        try:
            for target, file in targets.items():
                for entry in _cache_entries([file], options):
                    if not is_verified_file(target, file):
                        self.bring(entry.parent, limits, {entry.name}.__contains__)
        except (OutputError, SourceError) as error:
            listener(WarningIssued(f"the cache cannot be read: {error.problem}"))
        yield
        try:
            for entry in _cache_entries(targets.values(), options):
                _publish_entry(entry, limits)
        except (OutputError, SourceError) as error:
            listener(WarningIssued(f"the cache cannot be written: {error.problem}"))


STORE_SYNC = StoreSync()


def _pull(
    folder: Path,
    limits: RequestLimits,
    wanted: Callable[[str], bool],
    *,
    afresh: bool = False,
) -> Mapping[Path, Info]:
    """As ``stores.pull``, and no other process changes the working copy meanwhile."""
    if not in_store(folder):
        return {}
    with STORE_SYNC.exclusive_copy(folder):
        return pull(folder, limits, wanted, afresh=afresh)


def _sizes(infos: Mapping[Path, Info]) -> dict[Path, int]:
    return {path: info["size"] for path, info in infos.items() if not is_current(path, info)}


def _is_of_irs(name: str, precisions: Collection[Precision]) -> bool:
    folder, _, file = name.removeprefix(f"{DECODED}/").partition("/")
    return folder in list(Precision) and (folder in precisions or not file.endswith(".bin"))


def _publish_entry(entry: Path, limits: RequestLimits) -> None:
    """Upload a file of the cache if the store has no file of its size, or if it replaces a damaged
    file.
    """
    if not entry.is_file():
        return
    was_brought = bool(read_record(entry).stored)
    is_replaced = was_brought and is_changed(entry)
    if is_replaced or not has_file(entry, entry.stat().st_size, limits):
        publish([entry], limits)


def _cache_entries(files: Iterable[SourceFile], options: DownloadOptions) -> Iterator[Path]:
    """The paths of files, and of the packages that contain them, in a cache in a store; none if the
    cache is local.
    """
    if options.cache_dir is None or not in_store(options.cache_dir):
        return
    for file in files:
        for digest in (file.checksum, *map(package_digest, file.sources)):
            if digest:
                yield options.cache_dir / entry_path(digest)


def observe_mirror(mirror: Mirror, limits: RequestLimits) -> Mapping[Path, int]:
    """``StoreSync.observe`` for the files of a mirror."""
    return _sizes(_pull(mirror.root, limits, lambda _name: False))


@contextmanager
def shared_mirror(
    mirror: Mirror, files: Iterable[SourceFile], options: DownloadOptions, listener: Listener
) -> Iterator[None]:
    """Download a mirror's files before others are added to it, and upload the new files afterwards.

    If another machine changes the mirror's lock meanwhile, the new entries are added to that lock.
    """
    root = mirror.root
    limits = options.limits
    targets = {mirror.store_path(file.checksum): file for file in files if file.checksum}
    with STORE_SYNC.exclusive_copy(root):
        pull(root, limits, lambda name: not name.startswith("1/") or root / name in targets)
        before = dict(mirror.open_lock().entries)
        with STORE_SYNC.shared_cache(targets, options, listener):
            yield
        for path in _list_changed(root):
            if path.name != LOCK:
                publish([path], limits)
        entries = mirror.open_lock().entries.items()
        _publish_lock(mirror, [new for key, new in entries if before.get(key) != new], limits)


def _list_changed(root: Path) -> list[Path]:
    """The files of a working copy that are new or changed, and not in the store yet."""
    changed: list[Path] = []
    if not in_store(root):
        return changed
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        is_temporary = name.startswith("1/staging/") or path.name.startswith(".")
        if is_temporary or explain_unsafe_file_name(name) or not path.is_file():
            continue
        if is_changed(path):
            changed.append(path)
    return changed


def _publish_lock(mirror: Mirror, present: Sequence[LockEntry], limits: RequestLimits) -> None:
    """Add entries to the lock in the store, again if another machine replaces it meanwhile."""
    if not in_store(mirror.root):
        return
    for _ in range(limits.attempts):
        pull(mirror.root, limits, {LOCK}.__contains__)
        mirror.open_lock().update(lambda entries: merge_entries(entries, present))
        publish([mirror.root / LOCK], limits)
        pull(mirror.root, limits, {LOCK}.__contains__)
        if {entry.key for entry in present} <= mirror.open_lock().entries.keys():
            return
