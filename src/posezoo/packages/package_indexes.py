"""The package indexes and folders of wheels that pip and uv are configured with.

Neither has to be installed: an environment of uv has no pip.
"""

from __future__ import annotations

import os
import re
import sys
import sysconfig
import zipfile
from collections.abc import Iterator
from configparser import Error, RawConfigParser
from contextlib import suppress
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

from posezoo.core.errors import SourceError
from posezoo.core.operating_system import IS_MACOS, IS_WINDOWS
from posezoo.core.regular_files import read_regular_text
from posezoo.core.values import frozen
from posezoo.core.workers.program import find_program, run_program


@frozen
class IndexSettings:
    """The settings of pip and uv for downloads; their URLs can have passwords."""

    find_links: tuple[str, ...]  # folders of wheels, and pages of links to wheels
    indexes: tuple[str, ...]  # simple indexes (PEP 503): http(s) or file URLs
    proxy: str  # empty for that of the environment
    ca_file: str  # trusted certificates (PEM); empty for the usual ones


def read_index_settings() -> IndexSettings:
    """The settings of pip and uv together; if they name no index, the one that both use by default.

    Raises:
        SourceError: one of their files cannot be read.
    """
    pip = _read_pip()
    is_offline = pip.get("no-index", "").lower() in ("1", "true", "yes", "on")
    if is_offline:
        pip |= {"index-url": "", "extra-index-url": ""}
    default = _words("UV_DEFAULT_INDEX", "UV_INDEX_URL") + pip.get("index-url", "").split()
    extra = _words("UV_INDEX", "UV_EXTRA_INDEX_URL") + pip.get("extra-index-url", "").split()
    links = _words("UV_FIND_LINKS") + pip.get("find-links", "").split()
    for table in _read_uv():
        default += table["index-url"]
        extra += table["extra-index-url"]
        links += table["find-links"]
    if not default and not is_offline:
        default = [_pip_default() or _uv_default()]
    return IndexSettings(
        find_links=tuple(map(_in_home, links)),
        indexes=tuple(_add_login(index) for index in (*extra, *default) if index),
        proxy=pip.get("proxy", ""),
        ca_file=_in_home(pip.get("cert", "")),
    )


def _read_pip() -> dict[str, str]:
    parser = RawConfigParser()
    try:
        parser.read(_pip_files(), encoding="utf-8")
    except (Error, ValueError) as error:  # its message quotes the line, which may have a password
        place = f"{getattr(error, 'source', '')}:{getattr(error, 'lineno', '')}".strip(":")
        problem = f"pip's configuration cannot be read: {place or 'it is not UTF-8 text'}"
        raise SourceError(problem) from None
    settings: dict[str, str] = {}
    for section in ("global", "download"):
        if parser.has_section(section):
            settings.update(parser.items(section))
    for name, value in os.environ.items():
        if value and name.startswith("PIP_"):
            settings[name.removeprefix("PIP_").lower()] = value
    return {name.replace("_", "-"): value for name, value in settings.items()}


def _pip_files() -> list[str]:
    """pip's files; each overrides those before it."""
    named = os.environ.get("PIP_CONFIG_FILE", "")
    if named == os.devnull:
        return []
    folders = _shared_pip_folders()
    if not os.path.exists(named):
        folders += _own_pip_folders()
    name = "pip.ini" if IS_WINDOWS else "pip.conf"
    return [*(f"{folder}/{name}" for folder in [*folders, sys.prefix]), named]


def _shared_pip_folders() -> list[str]:
    if IS_WINDOWS:
        return [f"{_shared_folder()}/pip"]
    if IS_MACOS:
        return ["/Library/Application Support/pip"]
    shared = os.environ.get("XDG_CONFIG_DIRS") or "/etc/xdg"
    return [*(f"{folder}/pip" for folder in shared.split(os.pathsep)), _shared_folder()]


def _own_pip_folders() -> list[str]:
    if IS_WINDOWS:
        return [_in_home("~/pip"), f"{_own_folder()}/pip"]
    folder = f"{_own_folder()}/pip"
    if IS_MACOS:
        of_macos = _in_home("~/Library/Application Support/pip")
        folder = of_macos if os.path.isdir(of_macos) else _in_home("~/.config/pip")
    return [_in_home("~/.pip"), folder]


def _shared_folder() -> str:
    return (os.environ.get("PROGRAMDATA") or "C:/ProgramData") if IS_WINDOWS else "/etc"


def _own_folder() -> str:
    """On macOS, pip has another folder."""
    if IS_WINDOWS:
        return os.environ.get("APPDATA") or _in_home("~/AppData/Roaming")
    return os.environ.get("XDG_CONFIG_HOME") or _in_home("~/.config")


def _in_home(path: str) -> str:
    return os.path.expanduser(path)  # noqa: PTH111 Path's raises without a home folder


def _words(*variables: str) -> list[str]:
    return re.findall(r"[^\s,]+", " ".join(os.environ.get(name, "") for name in variables))


def _read_uv() -> Iterator[dict[str, list[str]]]:
    """The settings of each of uv's files; ``index`` is sorted into the two older keys."""
    if sys.version_info < (3, 11):  # it cannot read TOML
        return
    tomllib = import_module("tomllib")
    named = os.environ.get("UV_CONFIG_FILE")
    folders = (_own_folder(), _shared_folder())
    for path in (named,) if named else (f"{folder}/uv/uv.toml" for folder in folders):
        if path == os.devnull:
            continue
        try:
            table = tomllib.loads(read_regular_text(Path(path)))
            default = [table["index-url"]] if "index-url" in table else []
            extra = list(table.get("extra-index-url", []))
            for index in table.get("index", []):
                named = f"{index.get('name', '')}={index['url']}"
                (default if index.get("default") else extra).append(named)
            links = list(table.get("find-links", []))
        except FileNotFoundError:
            continue
        except KeyError as error:
            raise SourceError(f"{path}: an index has no {error}") from error
        except (OSError, ValueError, TypeError, AttributeError) as error:
            raise SourceError(f"{path}: uv's indexes cannot be read") from error
        yield {"index-url": default, "extra-index-url": extra, "find-links": links}


def _add_login(index: str) -> str:
    name, _, url = index.partition("=")
    if not re.fullmatch(r"[\w.-]*", name):  # = is in the URL
        return index
    prefix = f"UV_INDEX_{re.sub('[^A-Z0-9]', '_', name.upper())}"
    login = [os.environ.get(f"{prefix}_{part}", "") for part in ("USERNAME", "PASSWORD")]
    if not any(login):
        return url
    return url.replace("://", f"://{':'.join(quote(part, safe='') for part in login)}@", 1)


def _pip_default() -> str:
    """The index that pip uses by default, as its source says; empty if that is not here."""
    source = "pip/_internal/models/index.py"
    text = ""
    with suppress(OSError, ValueError, LookupError, zipfile.BadZipFile):
        pip = find_spec("pip")
        if pip:
            text = Path(str(pip.origin)).parents[1].joinpath(source).read_text("utf-8")
        else:  # Python has a wheel of pip for new environments
            bundled = Path(sysconfig.get_path("stdlib"), "ensurepip", "_bundled")
            (wheel,) = Path(sysconfig.get_config_var("WHEEL_PKG_DIR") or bundled).glob("pip-*.whl")
            text = zipfile.Path(wheel, source).read_text("utf-8")
    match = re.search(r"PyPI = PackageIndex\(\s*\"(https://[^\"]+/)\"", text)
    return f"{match[1]}simple" if match else ""


def _uv_default() -> str:
    """The index that uv uses by default, as its help says; empty if it is not here."""
    with suppress(OSError):
        ended = run_program([find_program("uv") or "/uv", "pip", "install", "--help"], timeout_s=60)
        match = re.search(r"by default: <(\S+)>", ended.output.decode("utf-8", "replace"))
        if match:
            return match[1]
    return ""
