"""What the user set, and where: flag > POSEZOO_* > posezoo.cfg > default.

posezoo.cfg is the working folder's, else the user's config folder's::

    [posezoo]
    mirror = /mnt/models
    device = GPU
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from posezoo.errors import SettingsError, nearest


@dataclass(frozen=True, slots=True)
class Settings:
    """Every setting, typed and checked."""

    output_dir: Path  # below it lie <public|intel>/<name>/...: published files and IR
    cache_dir: Path  # published files by digest
    mirror: tuple[str, ...]  # folders or addresses laid out like a cache, asked first
    models_dir: tuple[Path, ...]  # registries; empty: the one that comes with posezoo
    device: str  # of OpenVINO
    inference_precision: str  # f32, f16, bf16, or default: the device's own choice
    attempts: int  # at a source that fails for a moment
    timeout_s: float  # without a byte


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting's value and who said it."""

    name: str
    value: Any
    origin: str


@dataclass(frozen=True, slots=True)
class _Kind:
    parse: Callable[[str], Any]
    default: Callable[[Mapping[str, str]], Any]
    help: str


def read_settings(
    flags: Mapping[str, Any] | None = None,
    environ: Mapping[str, str] = os.environ,
    folder: Path | None = None,
) -> dict[str, Setting]:
    """Every setting with its origin.

    Args:
        flags: what the command line or a caller says; None values count as not said.
        environ: the environment.
        folder: where posezoo.cfg is looked for first; the working folder where None.

    Raises:
        SettingsError: a value cannot be used, or posezoo.cfg cannot be read; both say where.
    """
    flags = {name: value for name, value in (flags or {}).items() if value is not None}
    path = config_file(environ, folder)
    configured = _read_config(path) if path is not None else {}
    settings = {}
    for name, kind in KINDS.items():
        variable = f"POSEZOO_{name.upper()}"
        if name in flags:
            settings[name] = Setting(name, flags[name], f"--{name}")
        elif environ.get(variable):
            settings[name] = Setting(name, _parse(kind, environ[variable], variable), variable)
        elif name in configured:
            settings[name] = Setting(name, _parse(kind, configured[name], f"{path}: {name}"), str(path))
        else:
            settings[name] = Setting(name, kind.default(environ), "default")
    return settings


def resolve(settings: Mapping[str, Setting]) -> Settings:
    """The values alone."""
    return Settings(**{name: setting.value for name, setting in settings.items()})


def config_file(environ: Mapping[str, str] = os.environ, folder: Path | None = None) -> Path | None:
    """The posezoo.cfg in use: the working folder's, else the user's; None where there is neither."""
    candidates = ((folder or Path()) / "posezoo.cfg", user_folder("config", environ) / "posezoo.cfg")
    return next((path for path in candidates if path.is_file()), None)


def user_folder(kind: str, environ: Mapping[str, str] = os.environ) -> Path:
    """The user's own folder for posezoo's ``config`` or ``cache``, where the system keeps such things."""
    if environ.get(f"XDG_{kind.upper()}_HOME"):
        return Path(environ[f"XDG_{kind.upper()}_HOME"]) / "posezoo"
    home = Path(environ.get("HOME") or Path.home())
    if sys.platform == "win32":
        local = environ.get("LOCALAPPDATA")
        return (Path(local) if local else home / "AppData" / "Local") / "posezoo" / kind
    if sys.platform == "darwin":
        return home / "Library" / {"config": "Application Support", "cache": "Caches"}[kind] / "posezoo"
    return home / f".{kind}" / "posezoo"


def _read_config(path: Path) -> dict[str, str]:
    import configparser

    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(path.read_text("utf-8"), source=str(path))
    except (OSError, UnicodeDecodeError, configparser.Error) as error:
        raise SettingsError(f"{path}: cannot be read: {' '.join(str(error).split())}") from error
    for section in parser.sections():
        if section != "posezoo":
            raise SettingsError(f"{path}: unknown section [{section}]", hint="settings stand below [posezoo]")
    configured = dict(parser["posezoo"]) if parser.has_section("posezoo") else {}
    for name in configured:
        if name not in KINDS:
            raise SettingsError(
                f"{path}: unknown setting {name}", hint=nearest(name, KINDS) or "see posezoo doctor"
            )
    return configured


def _parse(kind: _Kind, text: str, where: str) -> Any:
    try:
        return kind.parse(text.strip())
    except ValueError as error:
        raise SettingsError(f"{where}: {error}") from error


def _folder(text: str) -> Path:
    if not text:
        raise ValueError("expected a folder, got nothing")
    return Path(text).expanduser()


def _folders(text: str) -> tuple[Path, ...]:
    return tuple(_folder(part) for part in text.split(os.pathsep) if part)


def _mirrors(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _attempts(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 100:
        raise ValueError(f"expected a whole number from 1 to 100, got {text!r}")
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError as error:
        raise ValueError(f"expected seconds, got {text!r}") from error
    if not 0 < seconds <= 3600:
        raise ValueError(f"expected more than 0 and at most 3600 seconds, got {text}")
    return seconds


def _inference_precision(text: str) -> str:
    if text not in INFERENCE_PRECISIONS:
        raise ValueError(f"expected one of {', '.join(INFERENCE_PRECISIONS)}, got {text!r}")
    return text


#: ``default`` leaves the choice to the device: bf16 on many CPUs, which moves keypoints by some pixels.
INFERENCE_PRECISIONS = ("f32", "f16", "bf16", "default")

KINDS: dict[str, _Kind] = {
    "output_dir": _Kind(
        _folder, lambda environ: user_folder("cache", environ) / "models", "where files and IR of models go"
    ),
    "cache_dir": _Kind(
        _folder,
        lambda environ: user_folder("cache", environ) / "files",
        "published files by digest, kept for good",
    ),
    "mirror": _Kind(
        _mirrors, lambda environ: (), "folders or addresses laid out like the cache, asked first"
    ),
    "models_dir": _Kind(_folders, lambda environ: (), "registries; default: the one that comes with posezoo"),
    "device": _Kind(str, lambda environ: "CPU", "the OpenVINO device that models run on"),
    "inference_precision": _Kind(
        _inference_precision, lambda environ: "f32", f"arithmetic: {', '.join(INFERENCE_PRECISIONS)}"
    ),
    "attempts": _Kind(_attempts, lambda environ: 5, "tries at a source that fails for a moment"),
    "timeout_s": _Kind(
        _seconds, lambda environ: 30.0, "seconds without a byte until a source counts as gone"
    ),
}
