"""Files of models where another package looks for its own, so that it runs without a network.

Each package is a row of ``PACKAGES``: where it looks for a file, from its source code. Nothing of a
package is changed, imported or installed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import replace
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from posezoo.core.declarations.model import Framework, ModelSpec, SourceFile
from posezoo.core.declarations.safe_names import explain_unsafe_file_name
from posezoo.core.declarations.sources import HttpSource
from posezoo.core.download.archive import MAX_BYTES, open_member
from posezoo.core.download.candidates import ByteStream, Candidate, CandidateKind, ResumeState
from posezoo.core.download.context import DownloadContext
from posezoo.core.download.digest_store import package_path
from posezoo.core.download.file_download import download_file
from posezoo.core.download.model_download import PlannedFile, plan_file
from posezoo.core.download.origins import FileOrigin, entry_path
from posezoo.core.errors import OutputError
from posezoo.core.files.verified_files import Hasher, is_verified_file
from posezoo.core.values import frozen


@frozen
class Seed:
    """A published file, and where a package looks for it."""

    file: SourceFile
    place: PurePosixPath  # below the folder of the package
    #: The member of the file, a zip archive, that the package looks for; empty for the file.
    member: str = ""

    @property
    def content(self) -> SourceFile:
        """What is written to the place; without a digest if only the archive has one."""
        if not self.member:
            return self.file
        digest = self.file.contains.get(self.member)
        return SourceFile(self.place.name, None, digest, max_size=MAX_BYTES)


#: The files of a model that a package looks for.
FindSeeds = Callable[[ModelSpec], Iterator[Seed]]


def _find_rtmlib_seeds(spec: ModelSpec) -> Iterator[Seed]:
    """rtmlib 0.0.16, ``tools/file.py``: a checkpoint has the last part of its URL as its name. Of a
    zip archive, the network is looked for under the name's part before the first dot.
    """
    if spec.framework is not Framework.ONNX:
        return
    folder = PurePosixPath("hub/checkpoints")
    for file in spec.files:
        for source in file.sources:
            if not isinstance(source, HttpSource):
                continue
            name = PurePosixPath(urlsplit(source.url).path).name
            if explain_unsafe_file_name(name):  # on Windows, ..\net.onnx is in another folder
                continue
            if name.endswith(".onnx"):
                yield Seed(file, folder / name)
            elif name.endswith(".zip") and spec.checkpoint:
                yield Seed(file, folder / f"{name.split('.')[0]}.onnx", spec.checkpoint)


def _find_mediapipe_seeds(spec: ModelSpec) -> Iterator[Seed]:
    """MediaPipe 0.10.21, ``python/solutions/pose.py``: its wheel lacks the files of the model
    complexities 0 and 2.
    """
    for file in spec.files:
        if file.name in ("pose_landmark_lite.tflite", "pose_landmark_heavy.tflite"):
            yield Seed(file, PurePosixPath("mediapipe/modules/pose_landmark", file.name))


def _find_openvino_dev_seeds(spec: ModelSpec) -> Iterator[Seed]:
    """openvino-dev 2022.1 to 2024.6: ``omz_downloader --cache_dir`` finds a file by its SHA-384."""
    for file in spec.files:
        if file.checksum and file.checksum.algorithm == "sha384":
            yield Seed(file, PurePosixPath(entry_path(file.checksum)))


#: The packages by their names on the command line.
PACKAGES: dict[str, FindSeeds] = {
    "rtmlib": _find_rtmlib_seeds,
    "mediapipe": _find_mediapipe_seeds,
    "openvino-dev": _find_openvino_dev_seeds,
}


def require_folder(package: str, folder: Path) -> None:
    """Raise an OutputError if a package would not look for files in a folder.

    A missing folder is created later, but not for MediaPipe, which is installed there already.
    """
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"{folder}: is not a folder", hint="name a folder")
    # An earlier mistake may have left a folder mediapipe in the package's own, but not this file.
    if package != "mediapipe" or (folder / "mediapipe" / "__init__.py").is_file():
        return
    hint = "name the folder that has its folder mediapipe, usually site-packages"
    if (folder / "__init__.py").is_file() and folder.resolve().name == "mediapipe":
        hint = f"did you mean its parent {folder.resolve().parent}?"
    problem = "the package mediapipe is not in it" if folder.is_dir() else "there is no such folder"
    raise OutputError(f"{folder}: {problem}", hint=hint)


@contextmanager
def removing_empty_folders(paths: Iterable[Path]) -> Iterator[None]:
    """Remove at the end the folders that were created for files and have none, as after a failed
    download.
    """
    missing = {parent for path in paths for parent in path.parents if not parent.exists()}
    try:
        yield
    finally:
        for folder in sorted(missing, reverse=True):  # those inside others first
            with suppress(OSError):
                folder.rmdir()


def plan_seed(seed: Seed, folder: Path, context: DownloadContext) -> PlannedFile:
    """What ``plant`` would do; nothing is written, and no server is asked."""
    target = folder / seed.place
    if is_verified_file(target, seed.content, remember=False):
        return PlannedFile(seed.content, target, FileOrigin.HERE, ())
    return replace(plan_file(seed.file, target, context), target=target)


def plant(seed: Seed, folder: Path, context: DownloadContext) -> Path:
    """Write a verified file to the place where its package looks for it, and return the path.

    The context must have no ``links_files``: the package may write to the file in place.

    A file there that has other bytes is renamed to ``NAME.bak1``, with a warning.

    Raises:
        DownloadError: no source sends the file.
        UnpinnedFileError: the file has no digest.
        ArchiveError: the archive does not have the member.
        OutputError: the file cannot be written.
    """
    target = folder / seed.place
    if not seed.member:
        download_file(seed.file, target, context)
    elif not is_verified_file(target, seed.content):
        _plant_member(seed, target, context)
    return target


def _plant_member(seed: Seed, target: Path, context: DownloadContext) -> None:
    archive = package_path(seed.file, context)
    download_file(seed.file, archive, context)

    def read(_resume: ResumeState) -> AbstractContextManager[ByteStream]:
        return open_member(archive, "zip", seed.file.name, seed.member, seed.content)

    hasher = Hasher(["sha384"])  # of a verified archive: not every model.yml has the member's
    with read(ResumeState()) as stream:
        for piece in stream.pieces:
            hasher.update(piece)
    content = replace(seed.content, checksum=hasher.digests[0])
    download_file(content, target, context, [Candidate(str(archive), CandidateKind.MIRROR, read)])
