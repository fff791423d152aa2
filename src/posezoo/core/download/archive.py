"""Unpack an archive safely: only regular files, only inside its folder, and with a limited size.

Python's own ``shutil.unpack_archive`` follows links and ``..`` and has no limit.
"""

from __future__ import annotations

import gzip
import json
import re
import stat
import tarfile
import zipfile
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import IO, Any

from posezoo.core.declarations.safe_names import case_folded, explain_unsafe_file_name
from posezoo.core.download.made_files import Listing, Member
from posezoo.core.errors import ArchiveError, PosezooError
from posezoo.core.events import Listener, ignore_event
from posezoo.core.files.manifest import Manifest, list_path
from posezoo.core.files.staging import prepare_target, remove_stale_staging_dirs, staging_dir
from posezoo.core.files.verified_files import (
    CHUNK,
    Hasher,
    ZipReader,
    set_aside,
    writing,
)
from posezoo.core.operating_system import replace_file
from posezoo.core.regular_files import open_regular

# The largest archives of Open Model Zoo contain about 1.5 GB, or (source code) about 2000 files.
MAX_MEMBERS = 20_000
# Also those that are skipped: folders, and the other members of a package.
_MAX_HEADERS = 10 * MAX_MEMBERS
MAX_BYTES = 4 << 30
# Weights and graphs become at most ten times smaller; contents of SMALL_BYTES may have any ratio.
MAX_RATIO = 100
SMALL_BYTES = 64 << 20
# The script of a .data file; MediaPipe's has 8 KB.
_MAX_INDEX = 16 << 20
_NOT_REGULAR = "is a link or a device, not a regular file"
# The extended header of a tar states its own length, and is read in one piece; that of a long name
# has less than 10 KiB.
_MAX_READ = CHUNK


@dataclass(slots=True)
class _StreamSlice:
    stream: IO[bytes]
    left: int  # in bytes

    def read(self, size: int) -> bytes:
        piece = self.stream.read(min(size, self.left))
        self.left -= len(piece)
        return piece


#: The name, the declared size in bytes and the open stream of each member, in the archive's order.
Members = Generator[tuple[str, int, IO[bytes] | _StreamSlice], None, None]


def unpack_archive(
    archive: Path,
    format: str,
    place: Callable[[str], Path | None],
    *,
    index: Path | None = None,
    listing: Listing | None = None,
    listener: Listener = ignore_event,
) -> list[Path]:
    """Write each member of an archive to its path, and return the paths; if one is refused, none is
    written. A file there that is not as posezoo wrote it is kept under another name, with a
    warning.

    Args:
        format: ``zip``, ``tar``, ``gztar`` or ``emscripten``.
        place: returns the path for a member's name (with / between folders), or None to skip the
            member.
        index: for ``emscripten``, the script that lists the members.
        listing: where the members are listed; None if no manifest lists them.

    Raises:
        ArchiveError: it cannot be read, or contains a link, an unsafe name, two members with the
            same name, more than 20,000 members, more than 4 GiB, or more than 64 MiB and 100 times
            its own size. Of a member whose declared size is too large, nothing is written.
        OutputError: a member, or the manifest, cannot be written.
    """
    remove_stale_staging_dirs(archive.parent)
    with staging_dir(archive.parent) as unpacked:
        with translate_archive_errors(archive.name):
            opened = open_archive(archive, format, index)
            members = _unpack_aside(archive, opened, place, unpacked)
        for target in members:
            with writing(target):
                prepare_target(target)
        manifest = listing.stage(members, listener) if listing else Manifest()
        # A file that is lost in a power failure does not have its digest, and is unpacked again.
        for number, (target, (_, digest)) in enumerate(members.items()):
            accepted = [digest]
            if listing:
                accepted += manifest.digests(list_path(listing.folder, target))
            with writing(target):
                set_aside(target, listener, accepted)
                replace_file(unpacked / str(number), target)
    if listing:
        listing.settle(members)
    return [*members]


def _unpack_aside(
    archive: Path,
    members: Members,
    place: Callable[[str], Path | None],
    folder: Path,
) -> dict[Path, Member]:
    """Write the members into a temporary folder, with numbers as names, and return their final
    paths, with size and digest.
    """
    targets: dict[Path, Member] = {}
    for target, pieces in walk_members(archive, members, place):
        hasher = Hasher(["sha384"])
        path = folder / str(len(targets))
        with writing(target), open(path, "xb") as written:
            for piece in pieces:
                written.write(piece)
                hasher.update(piece)
            size = written.tell()
        targets[target] = size, hasher.digests[0]
    return targets


def open_archive(archive: Path, format: str, index: Path | None) -> Members:
    """The members of an archive, as in ``open_members``; ``index`` as for ``unpack_archive``."""
    return _open_packed(archive, index) if index else open_members(archive, format)


def walk_members(
    archive: Path, members: Members, place: Callable[[str], Path | None]
) -> Iterator[tuple[Path, Iterator[bytes]]]:
    """The final path of each member that has one, and its bytes, within the limits of
    ``unpack_archive``.
    """
    names = _MemberNames(archive.name)
    targets: set[Path] = set()  # a list would be searched for each of up to 20,000 members
    size = 0
    limit = _limit(archive)
    too_large = (
        f"{archive.name}: contains more than {limit >> 20} MiB, which is too much for an archive of"
        " its size"
    )

    def count(stream: IO[bytes] | _StreamSlice) -> Iterator[bytes]:
        nonlocal size
        for piece in read_pieces(archive.name, stream):
            size += len(piece)  # counted, because the header may be wrong
            if size > limit:
                raise ArchiveError(too_large)
            yield piece

    for member, declared, stream in members:
        name = names.add(member)
        if size + declared > limit:
            raise ArchiveError(too_large)
        target = place(name)
        if target is None:
            continue
        if target in targets:
            raise ArchiveError(f"{archive.name}: contains two files for {target.name}")
        targets.add(target)
        yield target, count(stream)


class _MemberNames:
    def __init__(self, archive: str) -> None:
        self._archive = archive
        self._names: set[str] = set()
        self._folders: set[str] = set()

    def add(self, member: str) -> str:
        name = member
        while name.startswith("./"):  # `tar czf x.tgz ./folder` creates such names
            name = name[2:]
        reason = explain_unsafe_file_name(name)
        if reason:
            raise ArchiveError(f"{self._archive}: the member {member[:60]!a} {reason}")
        key = case_folded(name)
        above = {*accumulate(key.split("/")[:-1], "{}/{}".format)}
        if key in self._names or key in self._folders or above & self._names:
            raise ArchiveError(
                f"{self._archive}: contains {name} twice, at least if case is ignored"
            )
        if len(self._names) == MAX_MEMBERS:
            raise ArchiveError(f"{self._archive}: contains more than {MAX_MEMBERS} files")
        self._names.add(key)
        self._folders |= above
        return name


def read_pieces(archive: str, stream: IO[bytes] | _StreamSlice) -> Iterator[bytes]:
    """The bytes of an opened member; ArchiveError, with the archive's name, if it is damaged."""
    while True:
        with translate_archive_errors(archive):  # an error here is the archive's, not the disk's
            piece = stream.read(CHUNK)
        if not piece:
            return
        yield piece


def _limit(archive: Path) -> int:
    return min(MAX_BYTES, max(SMALL_BYTES, MAX_RATIO * archive.stat().st_size))


def open_members(path: Path, format: str, label: str = "", *, only: str = "") -> Members:
    """The members of an archive.

    Use it within ``translate_archive_errors``. The format is ``zip``, ``tar`` or ``gztar``; errors
    name the ``label``, or else the path. ``only``: a member's name, to leave out all others.

    Raises:
        ArchiveError: a member is a link or a device, or lies beyond the limits of
            ``unpack_archive``.
    """
    label = label or path.name
    if format == "zip":
        yield from _open_zip_members(path, label, only)
    else:
        yield from _open_tar_members(path, format, label, only)


def _open_zip_members(path: Path, label: str, only: str) -> Members:
    with ZipReader(open_regular(path).detach()) as packed, zipfile.ZipFile(packed) as archive:
        for member in archive.infolist():
            name = member.filename
            if member.is_dir():
                continue
            # The upper 16 bits are the file mode if the zip was made on Unix, else 0.
            if stat.S_IFMT(member.external_attr >> 16) not in (0, stat.S_IFREG):
                raise ArchiveError(f"{label}: {name[:60]!a} {_NOT_REGULAR}")
            if only in ("", name):
                with archive.open(member) as stream:
                    yield name, member.file_size, stream


def _open_tar_members(path: Path, format: str, label: str, only: str) -> Members:
    with (
        open_regular(path) as stream,
        gzip.open(stream) if format == "gztar" else nullcontext(stream) as packed,
        tarfile.open(fileobj=_BoundedStream(path, label, packed), mode="r:") as archive,  # type: ignore[call-overload]
    ):
        for number, member in enumerate(archive):
            archive.members = []  # else it would keep all headers in memory
            if number == _MAX_HEADERS:
                raise ArchiveError(f"{label}: contains more than {number} files and folders")
            if member.isdir():
                continue
            content = archive.extractfile(member) if member.isreg() else None
            if content is None:
                raise ArchiveError(f"{label}: {member.name[:60]!a} {_NOT_REGULAR}")
            if only in ("", member.name):
                with content:
                    yield member.name, member.size, content


def _open_packed(path: Path, index: Path) -> Members:
    """The members, as in ``open_members``, of a .data file of Emscripten's file_packager.

    Its script calls ``loadPackage({"files": [{"filename": ..., "start": ..., "end": ...}], ...})``;
    the script is not run.
    """
    size = path.stat().st_size
    listed = _read_index(path, index)
    declared = int(listed["remote_package_size"])
    if declared != size:
        raise ArchiveError(
            f"{index.name}: belongs to a file of {declared} bytes, {path.name} has {size}"
        )
    with open_regular(path) as packed:
        for each in listed["files"]:
            # Names begin at the root of the program's own file system.
            name = str(each["filename"]).removeprefix("/")
            start = each["start"]
            end = each["end"]
            if not (isinstance(start, int) and isinstance(end, int) and 0 <= start <= end <= size):
                raise ArchiveError(
                    f"{index.name}: the member {name[:60]!a} is not inside {path.name}"
                )
            packed.seek(start)
            yield name, end - start, _StreamSlice(packed, end - start)


def _read_index(path: Path, index: Path) -> dict[str, Any]:
    with open_regular(index) as stream:
        script = stream.read(_MAX_INDEX + 1)
    call = re.search(rb"\bloadPackage\(\s*(?=\{)", script)
    if call is None or len(script) > _MAX_INDEX:
        raise ArchiveError(f"{index.name}: does not list the members of {path.name}")
    listed, _ = json.JSONDecoder().raw_decode(script[call.end() :].decode())
    return dict(listed)


class _BoundedStream:
    """A stream that refuses to read a huge piece at once, or to seek beyond the limit."""

    def __init__(self, path: Path, label: str, stream: IO[bytes] | gzip.GzipFile) -> None:
        self._name = label
        self._stream = stream
        self._limit = _limit(path)

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= _MAX_READ:
            raise ArchiveError(f"{self._name}: has a header of {size} bytes, more than {_MAX_READ}")
        self._refuse_beyond_limit(self.tell())
        return self._stream.read(size)

    def seek(self, offset: int, whence: int = 0) -> int:
        self._refuse_beyond_limit(offset)
        return self._stream.seek(offset, whence)

    def tell(self) -> int:
        return self._stream.tell()

    def _refuse_beyond_limit(self, offset: int) -> None:
        if not 0 <= offset <= self._limit + (MAX_MEMBERS << 10):
            raise ArchiveError(
                f"{self._name}: has a member at byte {offset}, beyond the limit for its size"
            )


@contextmanager
def translate_archive_errors(label: str) -> Iterator[None]:
    """Raise an ArchiveError for any error of the libraries that read the archive of this name."""
    try:
        yield
    except PosezooError:
        raise
    # zipfile, tarfile, gzip, zlib and lzma raise many types of errors for damaged archives.
    except Exception as error:
        raise ArchiveError(
            f"{label}: cannot be unpacked: {error or type(error).__name__}"
        ) from error
