"""The skeletons of the package by name: YAML files (``skeleton_yml``) in the folder beside this
module. Others are in the folder ``skeletons`` of a registry, in model.yml, or, as JSON, in the
metadata of an IR.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

from posezoo.core.declarations.field_types import WORD_PATTERN
from posezoo.core.declarations.skeleton import Skeleton
from posezoo.core.errors import PosezooError

FOLDER = "skeletons"

#: The first word of the name of keypoints of which nothing but the number is known.
UNKNOWN = "keypoints"

_PACKAGED = Path(__file__).parent / FOLDER


class _Skeletons(Mapping[str, Skeleton]):
    """The skeletons of the package by name, each of which is read when it is needed;
    ``keypoints-21`` has 21 keypoints of which nothing is known.

    Those of hands, faces and eyes are found by their names, and not listed: no network is taken for
    one of these by its number of keypoints.
    """

    def __getitem__(self, name: str) -> Skeleton:
        return _find(name)

    def __iter__(self) -> Iterator[str]:
        return iter(_names())

    def __len__(self) -> int:
        return len(_names())


@cache
def _names() -> list[str]:
    return sorted(path.stem for path in _PACKAGED.glob("*.yml"))


@cache
def _find(name: str) -> Skeleton:
    kind, _, count = name.partition("-")
    if kind == UNKNOWN and count.isdecimal() and len(count) < 5:
        return Skeleton(name, tuple(map(str, range(int(count)))))
    paths = [_PACKAGED / f"{name}.yml", _PACKAGED / "parts" / f"{name}.yml"]
    path = next(filter(Path.is_file, paths), None) if WORD_PATTERN.fullmatch(name) else None
    if path is None:
        raise KeyError(name)
    from posezoo.core.declarations.skeleton_yml import read_skeleton  # imports the YAML reader

    return read_skeleton(path)


SKELETONS: Mapping[str, Skeleton] = _Skeletons()


def find_skeleton(name: str) -> Skeleton:
    """The skeleton of the package with this name, or the one in this file.

    Raises:
        PosezooError: there is neither, or the file has a mistake.
    """
    if name in SKELETONS:
        return SKELETONS[name]
    path = Path(name)
    if not path.exists():
        names = ", ".join(SKELETONS)
        raise PosezooError(f"{name}: no such file, and no skeleton of posezoo: {names}")
    from posezoo.core.declarations.skeleton_yml import read_skeleton

    return read_skeleton(path)


def known_counts() -> set[int]:
    """The numbers of keypoints of the skeletons in the package, which their names end with."""
    return {int(name.rpartition("-")[2]) for name in SKELETONS if "-" in name}


def skeleton_of(count: int) -> str:
    """The name of the package's skeleton with this number of keypoints; ``keypoints-21`` if none
    has 21.
    """
    names = (name for name in SKELETONS if name.endswith(f"-{count}"))
    return next(names, f"{UNKNOWN}-{count}")


def describe_assumed(count: int) -> str:
    """What is assumed about this number of keypoints if nothing names them."""
    name = skeleton_of(count)
    if name.startswith(UNKNOWN):
        return f"its {count} keypoints are only numbered: skeleton in a model.yml names them"
    assumed = f"its {count} keypoints are assumed to be {name}"
    return f"{assumed}: to say otherwise, state skeleton in a model.yml"
