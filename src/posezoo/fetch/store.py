"""Files kept by their digest: what a cache and a mirror have in common.

The layout is that of Open Model Zoo's ``--cache_dir``: ``DIR/1/<first two hex digits>/<the others>``,
with ``DIR/1/staging`` for files on their way in. What comes out is hashed on its way like any other
bytes, so a damaged entry is noticed.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from urllib.parse import unquote

from posezoo.errors import SourceError, without_secrets
from posezoo.fetch.errand import Errand
from posezoo.fetch.faults import MissingError
from posezoo.fetch.origins import Body, Kind, Origin, open_path, open_url
from posezoo.fetch.part import Held
from posezoo.files import has_size, publish
from posezoo.spec.model import Digest, SourceFile


def entry(digest: Digest) -> str:
    """Where a file lies below a store's root, with / between the names."""
    return f"1/{digest.value[:2]}/{digest.value[2:]}"


def stored_origins(file: SourceFile, errand: Errand) -> tuple[Origin, ...]:
    """The cache, then every mirror in its order; none for a file whose own digest is unknown."""
    if file.checksum is None:  # they are asked by the digest of the file itself
        return ()
    mirrors = (_mirror(address, file, file.checksum, errand) for address in errand.means.mirrors)
    if errand.cache_dir is None:
        return tuple(mirrors)
    path = errand.cache_dir / entry(file.checksum)
    return Origin(str(path), Kind.CACHE, partial(open_path, path), path), *mirrors


def keep(path: Path, file: SourceFile, errand: Errand, *, replace: bool) -> None:
    """Copy a verified file into the cache; one that cannot be written is given up for this call.

    Args:
        path: the file.
        file: what it is.
        errand: whose cache.
        replace: copy it even where the cache has an entry of this name and size, since that is damaged.
    """
    if errand.cache_dir is None or file.checksum is None:
        return
    try:
        kept = errand.cache_dir / entry(file.checksum)
        if replace or not has_size(kept, path.stat().st_size):
            _copy_in(path, errand.cache_dir, file.checksum)
    except OSError as error:
        errand.warn(f"{errand.cache_dir}: the cache cannot be written: {error.strerror or error}")
        errand.cache_dir = None


def _copy_in(path: Path, root: Path, digest: Digest) -> None:
    staging, target = root / "1" / "staging", root / entry(digest)
    staging.mkdir(parents=True, exist_ok=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, copy = tempfile.mkstemp(dir=staging)
    os.close(handle)
    try:
        shutil.copyfile(path, copy)
        shutil.copymode(path, copy)  # mkstemp's 0600 would hide the entry from others who share the cache
        publish(Path(copy), target)
    except BaseException:
        with suppress(OSError):
            Path(copy).unlink()
        raise


def _mirror(address: str, file: SourceFile, digest: Digest, errand: Errand) -> Origin:
    if address.lower().startswith(("http://", "https://")):
        url = f"{address.rstrip('/')}/{entry(digest)}"
        return Origin(without_secrets(address), Kind.MIRROR, partial(open_url, url, file, errand))
    root = _path_of(address)
    path = root / entry(digest)
    return Origin(address, Kind.MIRROR, partial(_open_folder, root, path), path)


@contextmanager
def _open_folder(root: Path, path: Path, held: Held) -> Iterator[Body]:
    try:
        there = root.is_dir()
    except OSError as error:
        raise SourceError(f"cannot be read: {error.strerror or error}") from error
    if not there:  # a mistyped mirror would otherwise be one that never holds anything
        raise SourceError("is neither a folder nor an http(s) address")
    if not os.path.exists(path):
        raise MissingError("does not hold it")
    with open_path(path, held) as body:
        yield body


def _path_of(address: str) -> Path:
    """A path, said as it is or as file:// address."""
    plain = re.sub(r"^file:(//[^/]*)?", "", address)
    return Path(address if plain == address else unquote(plain))
