"""Commands that install an extra of posezoo beside what is installed.

No package index has posezoo, and a package of this name there would be a stranger's. So these
commands name what was installed (a checkout, a wheel, a URL), or only other packages.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from packaging.requirements import Requirement


#: All of them write the folder ``cv2``.
OPENCV = (
    "opencv-python-headless", "opencv-python",
    "opencv-contrib-python", "opencv-contrib-python-headless",
)  # fmt: skip


def install_command(extra: str) -> str:
    """The command that installs an extra, or several with commas between them, and keeps those that
    are installed, and the OpenCV that is there.
    """
    extra = keep_opencv(extra)
    checkout = Path(__file__).resolve().parents[3]
    if (checkout / "setup.cfg").is_file():
        return _pip_install(extra, f"-e '{checkout}[{extra}]'")
    if _is_made_by_uvx():
        build = _choose_build(extra, by_uv=True)
        return f"uvx, with the flags that it had, {build}--from {_requirement(extra)} posezoo"
    if receipt := _read_uv_receipt():
        return _uv_tool_command(extra, receipt)
    if _origin():
        return _pip_install(extra, _requirement(extra))
    packages = [f'"{each}"' for each in _missing_packages(extra.split(","))]
    return _pip_install(extra, " ".join(packages) or _requirement(extra))


def install_beside(others: Iterable[str]) -> str:
    """The command of pip that finds versions which fit these requirements and posezoo, with the
    extras that are installed.
    """
    extras = _installed_extras()
    named = f"posezoo[{extras}]" if extras else "posezoo"
    checkout = Path(__file__).resolve().parents[3]
    if (checkout / "setup.cfg").is_file():
        own = f"-e {shlex.quote(named.replace('posezoo', str(checkout), 1))}"
    elif origin := _origin():
        own = f'"{named} @ {origin}"'
    else:
        own = " ".join(f'"{each}"' for each in list_requirements(extras.split(",")))
    return " ".join([pip_command(), "install", *(f'"{other}"' for other in others), own])


def keep_opencv(extra: str) -> str:
    """The same extras without an OpenCV of ours, if there is one of another kind."""
    if not is_foreign_opencv():
        return extra
    return ",".join("own-opencv" if each == "run" else each for each in extra.split(","))


def is_foreign_opencv() -> bool:
    """Whether there is an OpenCV, and not the package that the extra ``run`` installs."""
    if any(map(is_installed, OPENCV[1:])):
        return not is_installed(OPENCV[0])
    # Such as that of Debian or conda.
    return not is_installed(OPENCV[0]) and find_spec("cv2") is not None


def pip_arguments(extra: str) -> str:
    """What comes after ``pip install`` in a checkout to install extras."""
    return f"{_choose_build(extra)}-e '.[{extra}]'"


def pip_command() -> str:
    """How a shell calls pip for this environment: ``pip``; ``python -m pip`` if ``pip`` belongs to
    another environment; ``uv pip`` if pip is not installed.
    """
    beside_python = Path(sys.executable).with_name("pip")
    if shutil.which("pip") == str(beside_python):
        return "pip"
    python = shlex.quote(sys.executable)
    return f"{python} -m pip" if find_spec("pip") else f"UV_PYTHON={python} uv pip"


def _pip_install(extra: str, arguments: str) -> str:
    pip = pip_command()
    return f"{pip} install {_choose_build(extra, by_uv=pip.endswith('uv pip'))}{arguments}"


def _choose_build(extra: str, *, by_uv: bool = False) -> str:
    """The flag that chooses PyTorch's build for the CPU, with a space after it; empty for other
    extras. On Linux, the usual build brings CUDA: several GB.
    """
    if "torch" not in extra.split(","):
        return ""
    if by_uv:
        return "--torch-backend cpu "
    return "--extra-index-url https://download.pytorch.org/whl/cpu "


def _requirement(extra: str, version: str = "") -> str:
    """posezoo with extras, from where it was installed; ``version`` such as ``==0.2.0``."""
    origin = _origin()
    return f'"posezoo[{extra}] @ {origin}"' if origin else f'"posezoo[{extra}]{version}"'


def _origin() -> str:
    """The URL of the wheel, folder or repository that posezoo was installed from, as PEP 610
    records it; empty if it was installed by its name, or if the file is gone.
    """
    from importlib import metadata
    from urllib.request import url2pathname

    try:
        recorded = metadata.distribution("posezoo").read_text("direct_url.json")
    except metadata.PackageNotFoundError:
        return ""
    if not recorded:
        return ""
    origin = json.loads(recorded)
    address = urlsplit(str(origin["url"]))
    if repository := origin.get("vcs_info"):
        return f"{repository['vcs']}+{address.geturl()}@{repository['commit_id']}"
    if address.scheme == "file" and not os.path.exists(url2pathname(address.path)):
        return ""
    return address.geturl()


def _missing_packages(extras: list[str]) -> list[str]:
    """The requirements of extras that are not installed; all of them if none is missing."""
    from packaging.requirements import Requirement  # slow import, only needed for a hint

    named = [Requirement(text) for text in list_requirements(extras)]
    missing = [str(each) for each in named if not is_installed(each.name, each.specifier)]
    return missing or [str(each) for each in named]


def list_requirements(extras: Iterable[str]) -> list[str]:
    """What these extras need on this machine, without what posezoo always needs, which is that of
    ""; none if posezoo was not installed.
    """
    from importlib import metadata

    from packaging.requirements import Requirement  # slow import, only needed for a hint

    named = []
    with suppress(metadata.PackageNotFoundError):
        for text in metadata.requires("posezoo") or ():
            each = Requirement(text)
            if any(_belongs_to(each, extra) for extra in extras):
                each.marker = None
                named.append(str(each))
    return list(dict.fromkeys(named))


def _belongs_to(required: Requirement, extra: str) -> bool:
    if required.marker is None:
        return not extra
    is_always = required.marker.evaluate({"extra": ""})
    return is_always is not bool(extra) and required.marker.evaluate({"extra": extra})


def _installed_extras() -> str:
    """The extras whose packages are all installed, with commas between them; without those that are
    a part of another one.
    """
    from importlib import metadata

    from packaging.requirements import Requirement

    with suppress(metadata.PackageNotFoundError):
        provided = metadata.metadata("posezoo").get_all("Provides-Extra") or []
        packages = {}
        for extra in provided:
            names = {Requirement(text).name for text in list_requirements([extra])}
            if names and all(map(is_installed, names)):
                packages[extra] = names
        return ",".join(
            extra
            for extra, names in packages.items()
            if not any(names < others for others in packages.values())
        )
    return ""


def is_installed(package: str, specifier: Any = None) -> bool:
    """Whether a package is installed, in a version of this specifier."""
    from importlib import metadata

    with suppress(metadata.PackageNotFoundError):
        installed = metadata.version(package)
        return specifier is None or bool(specifier.contains(installed, prereleases=True))
    return False


def _merge(extras: str, extra: str) -> str:
    """Both with commas between them, each once."""
    names = [name.strip() for name in f"{extras},{extra}".split(",")]
    return ",".join(dict.fromkeys(filter(None, names)))


def _read_uv_receipt() -> Mapping[str, Any] | None:
    """What ``uv tool install`` was asked for; None if it did not make this environment, and before
    Python 3.11, which cannot read it.
    """
    if sys.version_info >= (3, 11):
        import tomllib

        with suppress(OSError, ValueError, KeyError):
            text = (Path(sys.prefix) / "uv-receipt.toml").read_text("utf-8")
            receipt: Mapping[str, Any] = tomllib.loads(text)["tool"]
            return receipt
    return None


def _uv_tool_command(extra: str, receipt: Mapping[str, Any]) -> str:
    """``uv tool install`` removes what it is not asked for again."""
    flags = list(_uv_flags(receipt.get("options", {})))
    for required in receipt.get("requirements", ()):
        extras = ",".join(required.get("extras", ()))
        version = required.get("specifier", "")
        if required["name"] == "posezoo":
            requirement = _requirement(_merge(extras, extra), version)
        else:
            flags += ["--with", required["name"] + (f"[{extras}]" if extras else "") + version]
    words = "".join(f"{shlex.quote(flag)} " for flag in flags)
    return f"uv tool install {_choose_build(extra, by_uv=True)}{words}{requirement}"


def _uv_flags(options: Mapping[str, Any]) -> Iterator[str]:
    """The flags that say where packages come from, from the options of a receipt."""
    if options.get("no-index"):
        yield "--no-index"
    for index in options.get("index", ()):
        yield from ("--default-index" if index.get("default") else "--index", index["url"])
    for place in options.get("find-links", ()):
        yield from ("--find-links", place)


def _is_made_by_uvx() -> bool:
    environment = Path(sys.prefix)
    return (environment / "pyvenv.cfg").is_file() and any(
        (folder / "CACHEDIR.TAG").is_file() and (folder / "archive-v0").is_dir()
        for folder in environment.parents
    )
