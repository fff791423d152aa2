"""What posezoo shares with other packages of its environment: requirements that are no longer met,
and several packages of OpenCV.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib import metadata
from itertools import chain
from typing import TYPE_CHECKING

from posezoo.core.install_commands import OPENCV, install_beside, is_installed, pip_command
from posezoo.core.values import frozen
from posezoo.core.versions import package_version

if TYPE_CHECKING:
    from packaging.requirements import Requirement

#: The packages that posezoo installs, and on which other packages have requirements, too.
SHARED = frozenset(
    {"flatbuffers", "numpy", "onnxruntime", "openvino", "protobuf", "torch", *OPENCV}
)


@frozen
class Conflict:
    """A problem between packages, and the command that solves it."""

    problem: str
    command: str


def find_broken_requirements() -> list[Conflict]:
    """The requirements of other packages than posezoo on shared ones that are not met, as ``pip
    check`` finds them. One command solves all of them.
    """
    packages = _read_packages()
    ours = set()
    if posezoo := packages.pop("posezoo", None):
        ours = {required.name for required in _parse_requirements(posezoo)}
    problems = []
    others = []  # packages that posezoo does not install: they keep their version
    for name, package in sorted(packages.items()):
        unmet = list(_explain_unmet(name, package))
        problems += unmet
        if unmet and name not in ours:
            others.append(f"{name}=={package.version}")
    if not problems:
        return []
    command = install_beside(others)
    return [Conflict(problem, command) for problem in problems]


def find_overwritten_opencv() -> Conflict | None:
    """The conflict if several packages of OpenCV are installed, which write the same files."""
    present = list(filter(package_version, OPENCV))
    if len(present) < 2:
        return None
    required = _required_by_others()
    kept = [name for name in present if name in required] or present[-1:]
    pinned = [f"{name}=={package_version(name)}" for name in kept]
    pip = pip_command()
    command = f"{pip} uninstall --yes {' '.join(present)} && {pip} install --no-deps "
    if kept == present:  # others require each of them: the last one has most
        command, pinned = f"{pip} install --force-reinstall --no-deps ", pinned[-1:]
    problem = f"{' and '.join(present)} are both installed: they overwrite each other's files"
    return Conflict(problem, command + " ".join(pinned))


def warn_of_overwritten_opencv(warn: Callable[[str], None]) -> None:
    """Warn of the same, if one of the packages is there for posezoo alone."""
    if not package_version(OPENCV[0]):
        return
    conflict = find_overwritten_opencv()
    if conflict and OPENCV[0] not in _required_by_others():
        warn(f"{conflict.problem}; this installs what is needed: {conflict.command}")


def _explain_unmet(name: str, package: metadata.Distribution) -> Iterator[str]:
    for required in _parse_requirements(package):
        if required.name not in SHARED or not _applies(required):
            continue
        if is_installed(required.name, required.specifier):
            continue
        present = package_version(required.name)
        state = f"{required.name} {present} is installed" if present else "it is not installed"
        needed = f"{required.name}{required.specifier}"
        yield f"{name} {package.version} needs {needed}, and {state}"


def _required_by_others() -> set[str]:
    """The names of the packages that others than posezoo require."""
    packages = _read_packages()
    packages.pop("posezoo", None)
    required = chain.from_iterable(map(_parse_requirements, packages.values()))
    return {each.name for each in required if _applies(each)}


def _read_packages() -> dict[str, metadata.Distribution]:
    """The installed packages by name; of several with one name, the one that Python imports."""
    from packaging.utils import canonicalize_name  # slow import, only needed here

    packages: dict[str, metadata.Distribution] = {}
    for package in metadata.distributions():
        packages.setdefault(canonicalize_name(package.metadata["Name"] or ""), package)
    return packages


def _parse_requirements(package: metadata.Distribution) -> Iterator[Requirement]:
    """The requirements of a package, also of its extras."""
    from packaging.requirements import InvalidRequirement, Requirement
    from packaging.utils import canonicalize_name

    for text in package.requires or ():
        with suppress(InvalidRequirement):  # of an old package
            required = Requirement(text)
            required.name = canonicalize_name(required.name)
            yield required


def _applies(required: Requirement) -> bool:
    return required.marker is None or required.marker.evaluate({"extra": ""})
