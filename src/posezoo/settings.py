"""What the user set, and where: flag > POSEZOO_* > posezoo.cfg > default.

posezoo.cfg is the working folder's, else the user's config folder's::

    [posezoo]
    mirror = /mnt/models
    device = GPU
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from posezoo.errors import SettingsError, suggest
from posezoo.http_headers import HostHeader, parse_header


@dataclass(frozen=True, slots=True)
class Settings:
    """Every setting, typed and checked."""

    output_dir: Path  # below it lie <public|intel>/<name>/...: published files and IR
    cache_dir: Path  # published files by digest
    mirror: tuple[str, ...]  # folders or addresses laid out like a cache, asked first
    models_dir: tuple[Path, ...]  # registries; empty: the one that comes with posezoo
    device: str  # of OpenVINO
    detector: str  # the model that finds people for models that see one at a time; "usual" or "none"
    inference_precision: str  # f32, f16, bf16, or default: the device's own choice
    attempts: int  # at a source that fails for a moment
    stall_timeout: float  # seconds without a byte
    header: tuple[HostHeader, ...]  # sent to single hosts
    ca_bundle: Path | None  # who may vouch for servers
    allow_http: bool  # also for files that no digest pins
    allow_private_redirects: bool  # from public names
    jobs: int  # files that come at once
    connections: int  # by which a large file comes
    mo: Path | None  # a Model Optimizer, for what only it converts
    lock: Path  # posezoo.lock: what was agreed to, and what files without a pin held at their first download
    locked: bool  # take nothing that the lock does not have
    allow_licenses: tuple[str, ...]  # SPDX identifiers or globs; empty: any


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting's value and who said it."""

    name: str
    value: Any
    origin: str


@dataclass(frozen=True, slots=True)
class _SettingType:
    parse: Callable[[Any], Any]  # from text, or from a value of the right type; else ValueError
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
    path = config_file(environ, folder)
    configured = _read_config(path) if path is not None else {}
    said = _RawSettings(flags or {}, environ, configured, str(path))
    return {name: said.resolve(name) for name in KINDS}


def read_settings_leniently(
    environ: Mapping[str, str] = os.environ, folder: Path | None = None
) -> tuple[dict[str, Setting], list[SettingsError]]:
    """The settings as far as they can be used, and every complaint about the rest; raises nothing."""
    complaints = [
        SettingsError(f"{name}: there is no such setting", hint=suggest(name, map(_variable, KINDS)))
        for name in environ
        if name.startswith("POSEZOO_") and name not in map(_variable, KINDS)
    ]
    configured: dict[str, str] = {}
    path = config_file(environ, folder)
    try:
        configured = _read_config(path) if path is not None else {}
    except SettingsError as error:
        complaints.append(error)
    said, settings = _RawSettings({}, environ, configured, str(path)), {}
    for name in KINDS:
        try:
            settings[name] = said.resolve(name)
        except SettingsError as error:
            complaints.append(error)
            settings[name] = Setting(name, KINDS[name].default(environ), "default")
    return settings, complaints


def _variable(name: str) -> str:
    return f"POSEZOO_{name.upper()}"


@dataclass(frozen=True, slots=True)
class _RawSettings:
    """What was said, and where."""

    flags: Mapping[str, Any]
    environ: Mapping[str, str]
    configured: Mapping[str, str]
    config: str  # the path of posezoo.cfg

    def resolve(self, name: str) -> Setting:
        """The setting that counts.

        Raises:
            SettingsError: its value cannot be used.
        """
        kind, variable = KINDS[name], _variable(name)
        if self.flags.get(name) is not None:
            return Setting(name, _parse(kind, self.flags[name], f"--{name}"), f"--{name}")
        if self.environ.get(variable):
            return Setting(name, _parse(kind, self.environ[variable], variable), variable)
        if name in self.configured:
            value = _parse(kind, self.configured[name], f"{self.config}: {name}")
            return Setting(name, value, self.config)
        return Setting(name, kind.default(self.environ), "default")


def to_settings(settings: Mapping[str, Setting]) -> Settings:
    """The values alone."""
    return Settings(**{name: setting.value for name, setting in settings.items()})


def config_file(environ: Mapping[str, str] = os.environ, folder: Path | None = None) -> Path | None:
    """The posezoo.cfg in use: the working folder's, else the user's; None where there is neither."""
    candidates = ((folder or Path()) / "posezoo.cfg", user_folder("config", environ) / "posezoo.cfg")
    return next((path for path in candidates if os.path.isfile(path)), None)


def user_folder(kind: str, environ: Mapping[str, str] = os.environ) -> Path:
    """The user's own folder for posezoo's ``config`` or ``cache``, where the system keeps such things."""
    named = Path(environ.get(f"XDG_{kind.upper()}_HOME", ""))
    if named.is_absolute():  # a relative one is to be ignored, says the specification
        return named / "posezoo"
    try:
        home = Path(environ.get("HOME") or Path.home())
    except RuntimeError as error:
        raise SettingsError(
            "this user has no home folder",
            hint="set HOME, or POSEZOO_OUTPUT_DIR and POSEZOO_CACHE_DIR and XDG_CONFIG_HOME",
        ) from error
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
        parser.read_string(path.read_text("utf-8-sig"), source=str(path))
    except (OSError, UnicodeDecodeError, configparser.Error) as error:
        raise SettingsError(f"{path}: cannot be read: {' '.join(str(error).split())}") from error
    for section in parser.sections():
        if section != "posezoo":
            raise SettingsError(f"{path}: unknown section [{section}]", hint="settings stand below [posezoo]")
    configured = dict(parser["posezoo"]) if parser.has_section("posezoo") else {}
    for name in configured:
        if name not in KINDS:
            raise SettingsError(
                f"{path}: unknown setting {name}", hint=suggest(name, KINDS) or "see posezoo doctor"
            )
    return configured


def _parse(kind: _SettingType, value: Any, where: str) -> Any:
    try:
        return kind.parse(value.strip() if isinstance(value, str) else value)
    except ValueError as error:
        raise SettingsError(f"{where}: {error}") from error


def _folder(value: object) -> Path:
    if not isinstance(value, (str, Path)) or not str(value):
        raise ValueError(f"expected a folder, got {value!r}")
    try:
        return Path(value).expanduser()
    except RuntimeError as error:
        raise ValueError(f"{value}: there is no such home folder") from error


def _file(value: object) -> Path:
    if not isinstance(value, (str, Path)) or not str(value):
        raise ValueError(f"expected a file, got {value!r}")
    return _folder(value)


def _existing_file(value: object) -> Path:
    path = _file(value)
    if not path.is_file():
        raise ValueError(f"{path}: there is no such file")
    return path


def _headers(value: object) -> tuple[HostHeader, ...]:
    return tuple(parse_header(str(each)) for each in _split_list(value, "\n"))


def _switch(value: object) -> bool:
    word = str(value).lower()
    if word not in ("yes", "true", "on", "1", "no", "false", "off", "0"):
        raise ValueError(f"expected yes or no, got {value!r}")
    return word in ("yes", "true", "on", "1")


def _folders(value: object) -> tuple[Path, ...]:
    return tuple(_folder(each) for each in _split_list(value, os.pathsep))


def _mirrors(value: object) -> tuple[str, ...]:
    return tuple(str(each) if "://" in str(each) else str(_folder(each)) for each in _split_list(value, ","))


def _parse_license_globs(value: object) -> tuple[str, ...]:
    words = tuple(str(each) for each in _split_list(value, ","))
    if not all(words) or not words:
        raise ValueError(f"expected words with commas between, got {value!r}")
    return words


def _split_list(value: object, separator: str) -> list[object]:
    """The items of a list, or the parts of a text."""
    if isinstance(value, (list, tuple)):
        return list(value)
    return (
        [part.strip() for part in value.split(separator) if part.strip()]
        if isinstance(value, str)
        else [value]
    )


def _text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError(f"expected text, got {value!r}")
    return value


def _parse_integer(max_count: int) -> Callable[[object], int]:
    def parse(value: object) -> int:
        if (
            isinstance(value, bool)
            or not re.fullmatch("0*[1-9][0-9]{0,4}", str(value))
            or int(str(value)) > max_count
        ):
            raise ValueError(f"expected a whole number from 1 to {max_count}, got {value!r}")
        return int(str(value))

    return parse


def _seconds(value: object) -> float:
    try:
        seconds = float(str(value))
    except ValueError as error:
        raise ValueError(f"expected seconds, got {value!r}") from error
    if not 0 < seconds <= 3600:
        raise ValueError(f"expected more than 0 and at most 3600 seconds, got {value}")
    return seconds


def _inference_precision(value: object) -> str:
    if value not in INFERENCE_PRECISIONS:
        raise ValueError(f"expected one of {', '.join(INFERENCE_PRECISIONS)}, got {value!r}")
    return str(value)


#: ``default`` leaves the choice to the device: bf16 on many CPUs, which moves keypoints by some pixels.
INFERENCE_PRECISIONS = ("f32", "f16", "bf16", "default")

#: Files at once; more would only take more memory.
MOST_JOBS = 64

KINDS: dict[str, _SettingType] = {
    "output_dir": _SettingType(
        _folder, lambda environ: user_folder("cache", environ) / "models", "where files and IR of models go"
    ),
    "cache_dir": _SettingType(
        _folder,
        lambda environ: user_folder("cache", environ) / "files",
        "published files by digest, kept for good",
    ),
    "mirror": _SettingType(
        _mirrors, lambda environ: (), "folders or addresses laid out like the cache, asked first"
    ),
    "models_dir": _SettingType(
        _folders, lambda environ: (), "registries; default: the one that comes with posezoo"
    ),
    "device": _SettingType(_text, lambda environ: "CPU", "the OpenVINO device that models run on"),
    "detector": _SettingType(
        _text,
        lambda environ: "usual",
        "who finds people for models that see one at a time: a model, none, or usual",
    ),
    "inference_precision": _SettingType(
        _inference_precision, lambda environ: "f32", f"arithmetic: {', '.join(INFERENCE_PRECISIONS)}"
    ),
    "attempts": _SettingType(
        _parse_integer(100), lambda environ: 5, "tries at a source that fails for a moment"
    ),
    "stall_timeout": _SettingType(
        _seconds, lambda environ: 30.0, "seconds without a byte until a source counts as gone"
    ),
    "header": _SettingType(
        _headers, lambda environ: (), "sent to HOST alone: who may fetch its files, mostly (HOST=NAME: VALUE)"
    ),
    "ca_bundle": _SettingType(
        _existing_file, lambda environ: None, "certificates of who may vouch for servers, as PEM"
    ),
    "allow_http": _SettingType(
        _switch, lambda environ: False, "take files without a checksum over plain http too"
    ),
    "allow_private_redirects": _SettingType(
        _switch, lambda environ: False, "follow redirects from public names to addresses of this network"
    ),
    "jobs": _SettingType(_parse_integer(MOST_JOBS), lambda environ: 1, "how many files are fetched at once"),
    "connections": _SettingType(
        _parse_integer(16),
        lambda environ: 1,
        "how many connections a large file comes by, where its server gives parts",
    ),
    "mo": _SettingType(
        _file,
        lambda environ: None,
        "a Model Optimizer of openvino-dev 2024.6, for what only it converts: its mo, or its environment",
    ),
    "lock": _SettingType(
        _file,
        lambda environ: (config_file(environ) or Path("posezoo.cfg")).with_name("posezoo.lock"),
        "what was agreed to, and what files without a pin held at their first download",
    ),
    "locked": _SettingType(
        _switch, lambda environ: False, "take no model, file or IR but those that posezoo.lock has"
    ),
    "allow_licenses": _SettingType(
        _parse_license_globs,
        lambda environ: (),
        "terms that models may come under: SPDX identifiers or globs, with commas; default: any",
    ),
}
