"""posezoo shims: write commands with Open Model Zoo's names, so that old scripts find them.

With --wheel, pip installs them for openvino-dev; ``posezoo shims mediapipe`` does so for
MediaPipe's solutions.
"""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from posezoo.cli.flags import Flag
from posezoo.cli.parsers import Args
from posezoo.console.printing import print_to_stderr
from posezoo.console.report import print_lines
from posezoo.core.errors import OutputError, PosezooError, os_reason
from posezoo.core.operating_system import IS_WINDOWS
from posezoo.core.regular_files import open_regular, read_regular_text
from posezoo.core.settings import read_settings, to_settings
from posezoo.core.versions import package_version, parse_version
from posezoo.solutions.stand_in import RELEASE

if TYPE_CHECKING:
    from packaging.version import Version

EXAMPLES = """
posezoo shims ~/.local/bin
posezoo shims ./bin && PATH=$PWD/bin:$PATH omz_downloader --print_all
posezoo shims --wheel wheels && PIP_FIND_LINKS=$PWD/wheels pip install "openvino-dev[onnx]==2024.6.0"
posezoo shims mediapipe --wheel wheels && PIP_FIND_LINKS=$PWD/wheels pip install "mediapipe==0.10.21"
"""  # noqa: E501

COMMANDS = {
    "omz_downloader": "posezoo.omz.commands.downloader",
    "omz_converter": "posezoo.omz.commands.converter",
    "omz_quantizer": "posezoo.omz.commands.quantizer",
    "omz_info_dumper": "posezoo.omz.commands.info_dumper",
}


#: The releases of openvino-dev. It has also had pre-releases of most of them.
RELEASES = (
    "2021.3", "2021.4", "2021.4.1", "2021.4.2", "2022.1", "2022.2", "2022.3", "2022.3.1",
    "2022.3.2", "2023.0", "2023.0.1", "2023.0.2", "2023.1", "2023.2", "2023.3", "2024.0",
    "2024.1", "2024.2", "2024.3", "2024.4", "2024.5", "2024.6",
)  # fmt: skip


_OLD_RELEASE = (
    "It has the commands and models of {release}, but not its OpenVINO: pip installs OpenVINO"
    " 2025.4 or later and NumPy 1.24 or later, also instead of older ones that an earlier command"
    " installed. Where scripts need those, name them in a file for PIP_CONSTRAINT; then pip takes"
    " the real openvino-dev."
)

_OPENCV = (
    "It requires opencv-contrib-python 4, whose files replace those of another OpenCV package:"
    " uninstall that package first. posezoo doctor names both."
)


_USUAL_RELEASE = "2024.6.0"


def _openvino_release(text: str) -> str:
    """Raises: ValueError: it is no release of openvino-dev."""
    from packaging.version import Version

    version = _parse_release(text, "2022.1.0")
    if Version(version.base_version) not in map(Version, RELEASES):
        raise ValueError(f"openvino-dev has no release {text}; it has {', '.join(RELEASES)}")
    return str(version)


def _mediapipe_release(text: str) -> str:
    """Raises: ValueError: it is no release of mediapipe that has the solutions."""
    version = _parse_release(text, RELEASE)
    if not (0, 8) <= version.release < (0, 10, 30):
        raise ValueError(f"mediapipe {text} has no solutions; 0.8 to 0.10.21 have them")
    return str(version)


_RELEASE_READERS = (
    (_USUAL_RELEASE, _openvino_release),
    (RELEASE, _mediapipe_release),
)


def _parse_release(text: str, example: str) -> Version:
    from packaging.version import InvalidVersion, Version

    try:
        version = Version(text)
    except InvalidVersion:
        version = None
    if version is None or version.local:
        raise ValueError(f"expected a release such as {example}, got {text!r}")
    return version


def _registry_of(release: str) -> str:
    """The registry with the models of a release of openvino-dev, or of the nearest release that has
    one.

    Until 2024.0, releases had Caffe models.
    """
    year = int(release.partition(".")[0])
    if year < 2022:
        return "omz@2021.4"
    return "omz@2022.1" if year < 2024 else "omz"


FLAGS = (
    Flag(
        "folder DIR",
        f"the folder for {', '.join(COMMANDS)}; it should be on PATH; on Windows, use --wheel. The"
        " word mediapipe means a stand-in for MediaPipe, whose solutions then run on OpenVINO",
        nargs="?",
    ),
    Flag(
        "--wheel DIR",
        "write two wheels to this folder: posezoo, and a stand-in for openvino-dev or mediapipe"
        " that pip prefers to the real one; never publish them (default for mediapipe: wheels)",
    ),
    Flag(
        "--wheel_version VERSION",
        "the version that the stand-in satisfies; for openvino-dev, also the release whose models"
        " --all and --print_all of the commands select (default:"
        f" {_USUAL_RELEASE}; {RELEASE} for mediapipe)",
    ),
    Flag(
        "--force",
        "also replace commands that run another posezoo or another Python, but never other"
        " programs; also write wheels where pip would replace an older OpenVINO to install them",
    ),
    Flag("-q, --quiet", "print only warnings and errors"),
)


class _ShimsArgs(Args):
    folder: Path | None
    wheel: Path | None
    wheel_version: str | None


def run(args: _ShimsArgs) -> int:
    """Write the commands or the wheels, and print their paths."""
    if args.folder is None and args.wheel is None:
        args.parser.error("name a folder for the commands, or --wheel DIR")
    is_mediapipe = args.folder == Path("mediapipe")
    usual, read_release = _RELEASE_READERS[is_mediapipe]
    try:
        release = read_release(usual if args.wheel_version is None else args.wheel_version)
    except ValueError as error:
        args.parser.error(f"argument --wheel_version: {error}")
    if is_mediapipe:
        from posezoo.omz.stand_in_wheel import pack_mediapipe, pack_posezoo

        folder = args.wheel or Path("wheels")
        lines = [
            _write_wheel(folder, *pack_posezoo()),
            _write_wheel(folder, *pack_mediapipe(release)),
            *_explain_use(folder, f"mediapipe=={release}"),
            _OPENCV,
        ]
        if not args.quiet:
            print_lines(*lines)
        return 0
    if args.folder and IS_WINDOWS:
        raise PosezooError(
            f"{args.folder}: the commands are scripts of a Unix shell, which Windows does not run",
            hint="posezoo shims --wheel DIR packs them for pip, which writes commands for Windows",
        )
    lines = []
    if args.wheel:
        lines = _write_wheels(args.wheel, release, force=args.force)
    if args.folder:
        lines += _write_commands(args.folder, release, replaces=args.force)
    if not args.quiet:
        print_lines(*lines)
    if args.folder:
        _warn_of_others(args.folder.resolve())
    return 0


def _write_wheels(folder: Path, release: str, *, force: bool) -> list[str]:
    from posezoo.core.ir.openvino_import import MINIMUM
    from posezoo.omz.stand_in_wheel import pack_posezoo, pack_stand_in

    installed = package_version("openvino")
    if not force and installed and parse_version(installed) < MINIMUM:
        raise PosezooError(
            f"this environment has openvino {installed}, which pip would replace to install the"
            " stand-in, with its numpy",
            hint="install the stand-in in another environment; --force writes its wheels anyway",
        )
    lines = [_write_wheel(folder, *pack_posezoo())]
    registry = _registry_of(release)
    stand_in = pack_stand_in(release, COMMANDS, registry, _read_models(registry))
    lines += [
        _write_wheel(folder, *stand_in),
        *_explain_use(folder, f"openvino-dev=={release}"),
    ]
    if registry == "omz":
        return lines
    return [*lines, _OLD_RELEASE.format(release=release)]


def _write_wheel(folder: Path, name: str, content: bytes) -> str:
    from posezoo.console.console import Console
    from posezoo.core.files.result_files import write_result

    with Console() as console:
        write_result(folder / name, content, console)
    return str(folder / name)


def _explain_use(folder: Path, requirement: str) -> list[str]:
    path = folder.resolve()
    # pip separates several values at blanks.
    value = path.as_uri() if " " in str(path) else str(path)
    return [
        *_install_lines(value, requirement),
        (
            "These wheels are for this machine, or for a package index of your own: never publish"
            " them."
        ),
    ]


def _install_lines(folder: str, requirement: str) -> list[str]:
    install = f'pip install "{requirement}"'
    is_git_bash = "MSYSTEM" in os.environ
    if not IS_WINDOWS or is_git_bash:
        return [f"Use: PIP_FIND_LINKS={shlex.quote(folder)} {install}"]
    in_powershell = folder.replace("'", "''")
    return [
        f"Use, in PowerShell: $env:PIP_FIND_LINKS='{in_powershell}'; {install}",
        f'Use, in cmd: set "PIP_FIND_LINKS={folder}" && {install}',
    ]


def _read_models(registry: str) -> Path | None:
    from posezoo.core.pipeline.zoo_context import download_options
    from posezoo.packages.wheel_registry import read_wheel_registry

    try:
        return read_wheel_registry(registry, download_options(to_settings(read_settings({}))))
    except PosezooError as error:
        print_to_stderr(
            "warning: the stand-in has no models of its release, so its commands will read them"
            f" from the index: {error.problem}"
        )
        return None


def _write_commands(folder: Path, release: str, *, replaces: bool) -> list[str]:
    """Write the commands, and return their paths; if one cannot be replaced, none is written."""
    from posezoo.core.files.verified_files import write_atomically

    registry = _registry_of(release)
    requested = {folder / name: shim_script(module, registry) for name, module in COMMANDS.items()}
    for path, content in requested.items():
        if not os.path.lexists(path):
            continue
        if not _is_ours(path):
            raise OutputError(
                f"{path}: exists already, and is not from posezoo",
                hint=(
                    "if it is from openvino-dev: pip uninstall openvino-dev; "
                    "or choose another folder, and put it first on PATH"
                ),
            )
        if not replaces and read_regular_text(path) != content:
            problem = f"{path}: was written by another posezoo or Python, or for another release"
            raise OutputError(problem, hint="--force replaces it")
    for path, content in requested.items():
        write_atomically(path, content.encode())
        try:
            path.chmod(path.stat().st_mode | 0o111)
        except OSError as error:
            raise OutputError(f"{path}: cannot be made executable: {os_reason(error)}") from error
    return [str(path) for path in requested]


def _warn_of_others(folder: Path) -> None:
    from posezoo.omz.model_optimizer import is_stand_in

    first = f"put it first: export PATH={shlex.quote(str(folder))}:$PATH"
    commands = [Path(path) for path in map(shutil.which, COMMANDS) if path]
    others = [path for path in commands if path.parent.resolve() != folder]
    others = [path for path in others if not _is_ours(path) and not is_stand_in(path)]
    if others:
        print_to_stderr(
            f"warning: your PATH finds {others[0]}, and not the one in {folder}; {first}"
        )
    elif not commands:
        print_to_stderr(f"warning: {folder} is not on your PATH; {first}")


def shim_script(module: str, registry: str) -> str:
    """A shell script that runs a module's ``main`` with this Python, from any working folder.

    Without a folder, the command means the models of the registry.

    The shell starts Python, since a ``#!`` line can contain neither spaces nor long paths. The
    script imports nothing from the working folder.
    """
    source = Path(__file__).resolve().parents[3]  # the folder that contains the package posezoo
    code = f"import sys; sys.path[:1] = []; sys.path.append({str(source)!r}); "
    code += f"from posezoo.__main__ import main; sys.exit(main({module!r}, {registry!r}))"
    return f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -c {shlex.quote(code)} "$@"\n'


def _is_ours(path: Path) -> bool:
    try:
        with open_regular(path) as stream:
            head = stream.read(4096)
    except OSError:
        return False
    return head.startswith(b"#!/bin/sh\nexec ") and b" -c 'import sys; sys.path[:1] = []; " in head
