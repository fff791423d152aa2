"""Reads the settings: flag > POSEZOO_* variable > posezoo.cfg > default; and the options of one
command, which have a flag alone.

posezoo.cfg of the working folder comes before that of the user's config folder::

    [posezoo]
    mirror = /mnt/models
    device = GPU

A folder may come from others, so its file sets only what cannot run a program, trust a server or
send something: the settings whose record has ``in_folder``.
"""

from __future__ import annotations

import configparser
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import field, fields
from functools import partial
from pathlib import Path
from typing import Any

from posezoo.core import features
from posezoo.core.declarations.sources import STORES
from posezoo.core.errors import (
    SettingsError,
    explain_windows_path,
    hide_passwords,
    redact_secrets,
    suggest,
)
from posezoo.core.http_headers import HostHeader, parse_header
from posezoo.core.operating_system import find_system_folder
from posezoo.core.regular_files import read_small
from posezoo.core.values import frozen

#: With ``default``, the device chooses; many CPUs use bf16, which moves keypoints by some pixels.
#: The type of the computation that a model declares, or f32.
DECLARED = "declared"
INFERENCE_PRECISIONS = ("f32", "f16", "bf16", DECLARED, "default")

#: The person detector of top-down models that declare none; docs/decisions/0009 compares some.
DEFAULT_DETECTOR = "nanodet-g"

#: The registries that are read out of wheels; of one zoo, the latest release first.
WHEEL_REGISTRIES = tuple(features.PARTS.get("registries", ()))
#: The names of all registries that need no folder; the first is posezoo's own.
REGISTRIES = ("posezoo", *WHEEL_REGISTRIES)

#: The maximum number of parallel downloads; more would only use more memory.
MOST_JOBS = 64


def user_folder(kind: str, environ: Mapping[str, str] = os.environ) -> Path:
    """The user's folder for posezoo's ``config``, ``cache`` or ``data``, at the usual place of the
    operating system.

    Raises:
        SettingsError: the user has no home folder.
    """
    named = Path(environ.get(f"XDG_{kind.upper()}_HOME", ""))
    if named.is_absolute():  # the XDG specification says: ignore a relative path
        return named / "posezoo"
    try:
        home = Path(environ.get("HOME") or Path.home())
    except RuntimeError as error:
        raise SettingsError(
            "this user has no home folder",
            hint="set HOME, or POSEZOO_WEIGHTS_DIR and POSEZOO_CACHE_DIR and XDG_CONFIG_HOME",
        ) from error
    return find_system_folder(kind, home, environ)


def compiled_folder() -> Path:
    """The folder of networks that were compiled for the CPU, for the next start."""
    return user_folder("cache") / "compiled"


def _users_config(environ: Mapping[str, str]) -> Path:
    return user_folder("config", environ) / "posezoo.cfg"


def config_files(environ: Mapping[str, str] = os.environ, folder: Path | None = None) -> list[Path]:
    """The posezoo.cfg in use: the folder's (None: the working folder's), then the user's."""
    candidates = dict.fromkeys(((folder or Path()) / "posezoo.cfg", _users_config(environ)))
    return list(filter(os.path.isfile, candidates))


# --- Parsers. Each takes text or a value of the right type, and raises ValueError for any other
# value.


def explain_wrong_path(text: str) -> str:
    """Why a text is no path on this machine; empty if it is one."""
    shown = redact_secrets(text)
    if re.match(rf"({'|'.join(STORES)}):/", text):
        return (
            f"{shown}: is no folder: mount the store, or copy the folder with rclone:"
            " docs/operators.md#folders-in-an-object-store"
        )
    if "://" in text:
        return f"{shown}: expected a path, got an address"
    return explain_windows_path(text)


def _path(value: object, kind: str) -> Path:
    if not isinstance(value, (str, Path)) or not str(value):
        raise ValueError(f"expected a {kind}, got {value!r}")
    problem = explain_wrong_path(str(value))
    if problem:
        raise ValueError(problem)
    try:
        return Path(value).expanduser()
    except RuntimeError as error:
        raise ValueError(f"{value}: there is no such home folder") from error


_file = partial(_path, kind="file")
_folder = partial(_path, kind="folder")


def _switch(value: object) -> bool:
    word = str(value).lower()
    if word not in ("yes", "true", "on", "1", "no", "false", "off", "0"):
        raise ValueError(f"expected yes or no, got {value!r}")
    return word in ("yes", "true", "on", "1")


def _mirror(address: str) -> str:
    scheme, mark, _ = address.partition("://")
    if mark and scheme.lower() in _URL_SCHEMES:
        return address
    if mark and scheme in STORES:
        return _mirror_in_store(address)
    # Otherwise a mistyped mirror would look like one without the file, and the network be used.
    wanted = "name a folder or an http(s) address"
    if mark:
        raise ValueError(f"{redact_secrets(address)}: there is no scheme {scheme}://; {wanted}")
    folder = _folder(address)
    if not os.path.isdir(folder):
        what = "is a file" if os.path.isfile(folder) else "there is no such folder"
        raise ValueError(f"{address}: {what}; {wanted}")
    return f"{folder}"


_URL_SCHEMES = ("http", "https", "file")
_STORE_ADDRESS = re.compile(r"\w+://(?!\.)[^/?#]+(/(?!\.\.?(/|$))[^/?#]+)*/?")


def _mirror_in_store(address: str) -> str:
    shown = redact_secrets(address)
    if not _STORE_ADDRESS.fullmatch(address):
        raise ValueError(f"{shown}: expected the address of a folder, such as s3://bucket/folder")
    if re.match(r"\w+://[^/]*:[^/]*@", address):
        store = address.partition(":")[0].upper()
        raise ValueError(
            f"{shown}: the address contains a password; put it into FSSPEC_{store}_PASSWORD"
        )
    return address


def _models_dirs(value: object) -> tuple[Path, ...]:
    # An address, which is refused, contains the separator, too.
    if isinstance(value, str) and "://" in value:
        value = re.split(f"{os.pathsep}(?!//)", value)
    return tuple(map(_folder, _split_texts(value, os.pathsep)))


def _registry_names(value: object) -> tuple[str, ...]:
    names = _split_texts(value)
    for at, name in enumerate(names):
        if name not in REGISTRIES:
            raise ValueError(f"there is no registry {name!r}; there are {', '.join(REGISTRIES)}")
        if name in names[:at]:
            raise ValueError(f"the registry {name} is named twice; name it once")
    return tuple(names)


def _license_globs(value: object) -> tuple[str, ...]:
    globs = tuple(_split_texts(value))
    if not globs or "" in globs:
        raise ValueError(f"expected words separated by commas, got {value!r}")
    return globs


def _split_texts(value: object, separator: str = ",") -> list[str]:
    if isinstance(value, str):
        return [part.strip() for part in value.split(separator) if part.strip()]
    return list(map(str, value if isinstance(value, (list, tuple)) else (value,)))


def _name(value: object) -> str:
    # An address with a password is refused here, which hides the password.
    if not isinstance(value, str) or not value or re.search(r":.*@", value):
        raise ValueError(f"expected a name, got {value!r}")
    return value


def _integer_up_to(limit: int) -> Callable[[object], int]:
    def parse(value: object) -> int:
        text = str(value)
        if (
            isinstance(value, bool)
            or not re.fullmatch("0*[1-9][0-9]{0,4}", text)
            or int(text) > limit
        ):
            raise ValueError(f"expected a whole number from 1 to {limit}, got {value!r}")
        return int(text)

    return parse


def _number_up_to(limit: int, unit: str) -> Callable[[object], float]:
    def parse(value: object) -> float:
        try:
            number = float(str(value))
        except ValueError as error:
            raise ValueError(f"expected {unit}, got {value!r}") from error
        if not 0 < number <= limit:
            raise ValueError(f"expected more than 0 and at most {limit} {unit}, got {value}")
        return number

    return parse


def _inference_precision(value: object) -> str:
    if value not in INFERENCE_PRECISIONS:
        raise ValueError(f"expected one of {', '.join(INFERENCE_PRECISIONS)}, got {value!r}")
    return str(value)


# --- What the posezoo.cfg of a folder may set. Each function takes the folder and the text of a
# value, and returns why it is refused; empty if it is allowed.


def _any_value(_folder: Path, _value: str) -> str:
    return ""


def _local_paths(_folder: Path, value: str) -> str:
    paths = re.split(rf"[,\n{os.pathsep}]", value)
    is_address = "://" in value or any(map(_is_on_server, paths))
    return "may only name local folders" if is_address else ""


def _is_on_server(path: str) -> bool:
    r"""Whether it is a path such as \\server\share or \??\UNC\server\share. As soon as such a path
    is looked at, Windows sends that server the user's name and a digest of the password.
    """
    return re.match(r"\s*[\\/](\?\?)?[\\/]", path) is not None


def _below_folder(folder: Path, value: str) -> str:
    if _is_on_server(value):
        return "may only name what is below the folder"
    base = os.path.realpath(folder)
    path = os.path.realpath(Path(base, value))
    if value.startswith("~") or "://" in value or not Path(path).is_relative_to(base):
        return "may only name what is below the folder"
    return ""


# --- The settings


@frozen
class SettingType:
    """The definition of one setting, which posezoo.cfg, the environment and the flag share."""

    parse: Callable[[Any], Any]
    default: object  # a value, or a function of the environment
    help: str
    metavar: str = ""  # the placeholder in the flag's help; empty for a switch
    repeats: bool = False  # whether the flag may be given several times
    flag: str = ""  # the flag, if it has not the setting's name
    #: Whether the posezoo.cfg of a working folder may have a value; None if it may have none.
    in_folder: Callable[[Path, str], str] | None = None
    #: Whether only a flag, or a keyword of a function, has a value, which is of one command.
    is_option: bool = False
    #: Whether it restricts: the user's own posezoo.cfg comes before that of a folder.
    restricts: bool = False


def _setting(*definition: Any, **named: Any) -> Any:
    return field(metadata={"type": SettingType(*definition, **named)})


def _option(*definition: Any, **named: Any) -> Any:
    return _setting(*definition, **named, is_option=True)


def _cached(name: str) -> Callable[[Mapping[str, str]], Path]:
    return lambda environ: user_folder("cache", environ) / name


@frozen
class Settings:
    """The values of all settings and options, typed and checked."""

    weights_dir: Path = _setting(
        _folder,
        _cached("models"),
        "folder of the models' files and IR (default: your cache folder)",
        "DIR",
        in_folder=_below_folder,
    )
    cache_dir: Path = _setting(
        _folder,
        _cached("files"),
        "folder that keeps a copy of each published file, named by its digest; nothing is removed "
        "automatically (default: in your cache folder)",
        "DIR",
        in_folder=_below_folder,
    )
    mirror: tuple[str, ...] = _setting(
        lambda value: tuple(map(_mirror, _split_texts(value))),
        (),
        "folder or URL of a mirror (see posezoo mirror) or of another cache; it is tried before the"
        " published sources",
        "DIR|URL",
        repeats=True,
        in_folder=_local_paths,
    )
    models_dir: tuple[Path, ...] = _setting(
        _models_dirs,
        (),
        "a folder of model.yml files, in posezoo's or Open Model Zoo's format, to use instead of"
        " posezoo's own models",
        "DIR",
        repeats=True,
        in_folder=_local_paths,
    )
    registries: tuple[str, ...] = _setting(
        _registry_names,
        (),
        "also find models in this registry, after those before it: omz (Open Model Zoo 2024.6),"
        " omz@2022.1, omz@2021.4, or posezoo; the first three are read once from a wheel of"
        " openvino-dev on your package index, and none of its code runs",
        "NAME",
        repeats=True,
        flag="--registry",
        in_folder=_any_value,
    )
    default: str | None = _setting(
        _name,
        None,
        "the model that runs if none is named (default: chosen once, as the first of the registry's"
        " list that this machine reaches; posezoo doctor names it)",
        "MODEL",
        in_folder=_any_value,
    )
    device: str = _setting(
        _name,
        "CPU",
        "OpenVINO device (default: CPU); posezoo doctor lists the devices of this machine",
        "DEVICE",
        in_folder=_any_value,
    )
    detector: str = _option(
        _name,
        "usual",
        "person detector for models that process one person at a time: the name of a model, or none"
        " to treat the whole image as one person, whom MoveNet follows through a video (default:"
        " usual, the detector on the model's card)",
        "MODEL",
    )
    inference_precision: str = _setting(
        _inference_precision,
        DECLARED,
        "precision of the computation (default: declared): bf16 on a CPU that has it, for a model"
        " that keeps its accuracy, else f32; the value default lets the device choose",
        in_folder=_any_value,
    )
    attempts: int = _option(
        _integer_up_to(100),
        5,
        "number of attempts for a source that fails temporarily (default: 5)",
        "N",
    )
    stall_timeout: float = _option(
        _number_up_to(3600, "seconds"),
        30.0,
        "abort a download attempt after this many seconds without data, and give up on a server"
        " that asks for a longer pause (default: 30)",
        "SECONDS",
    )
    header: tuple[HostHeader, ...] = _setting(
        lambda value: tuple(map(parse_header, _split_texts(value, "\n"))),
        (),
        "HTTP header to send only to HOST, for example for authorization, and over https unless"
        " HOST has a port; unlike this flag, the variable POSEZOO_HEADER is not visible in the list"
        " of processes",
        "HOST=NAME: VALUE",
        repeats=True,
    )
    allow_http: bool = _option(
        _switch, False, "also allow plain http for files that have no checksum"
    )
    allow_private_redirects: bool = _option(
        _switch, False, "follow redirects from a public host to an address in a private network"
    )
    jobs: int = _option(
        _integer_up_to(MOST_JOBS),
        1,
        "number of files to download at the same time (default: 1)",
        "N",
    )
    connections: int = _option(
        _integer_up_to(16),
        1,
        "number of connections for each large file, if its server supports this (default: 1)",
        "N",
    )
    conversion_timeout: float | None = _option(
        _number_up_to(10**6, "seconds"),
        None,
        "end the conversion of a file that computes for more than this many seconds; on Linux,"
        " waiting for a processor does not count (default: 120, plus 10 for each MB of the model's"
        " files)",
        "SECONDS",
    )
    conversion_memory: float | None = _option(
        _number_up_to(10**6, "GB"),
        None,
        "end the conversion of a file that needs more memory than this many GB; only on Linux"
        " (default: 4, plus 16 times the size of the model's files)",
        "GB",
    )
    require_proof: bool = _setting(
        _switch,
        False,
        "refuse an IR if only the reader of the conversion read its original, or if its outputs"
        " prove nothing",
    )
    mo: Path | None = _setting(
        _file,
        None,
        "Model Optimizer of openvino-dev 2024.6, for models that posezoo cannot convert without it:"
        " the path of its command mo, or of the environment where it is installed",
        "PATH",
    )
    allow_upstream_code: bool = _option(
        _switch,
        False,
        "run code that a model's publisher wrote, if only that code can create the file to convert;"
        " posezoo first reports the code, and runs it in a sandbox, which needs Linux and"
        " bubblewrap",
    )
    lock: Path = _setting(
        _file,
        lambda environ: [*config_files(environ), Path("posezoo.cfg")][0].with_name("posezoo.lock"),
        "lock file, which records the accepted digests, also those of files that were trusted on"
        " first use (default: posezoo.lock beside the posezoo.cfg in use, else in the working"
        " folder)",
        "FILE",
        in_folder=_below_folder,
    )
    locked: bool = _setting(
        _switch,
        False,
        "refuse every model, file and IR that is not in posezoo.lock",
        in_folder=_any_value,
        restricts=True,
    )
    allow_licenses: tuple[str, ...] = _setting(
        _license_globs,
        (),
        "allowed licenses: SPDX identifiers or globs, separated by commas",
        "GLOB[,GLOB]",
        in_folder=_any_value,
        restricts=True,
    )


#: All that have a flag.
SETTING_TYPES: dict[str, SettingType] = {
    setting.name: setting.metadata["type"] for setting in fields(Settings)
}
#: Those that posezoo.cfg and the environment may set.
SETTINGS = [name for name, kind in SETTING_TYPES.items() if not kind.is_option]


# --- Reading them

#: The path of a posezoo.cfg, and its values.
_ConfigFile = tuple[str, dict[str, str]]


@frozen
class Setting:
    """The value of a setting, and its origin: a flag, a variable, the path of a posezoo.cfg, or
    "default".
    """

    name: str
    value: Any
    origin: str


def _refuse(error: SettingsError) -> None:
    raise error


def read_settings(
    flags: Mapping[str, object] | None = None,
    environ: Mapping[str, str] = os.environ,
    folder: Path | None = None,
    report: Callable[[SettingsError], None] = _refuse,
) -> dict[str, Setting]:
    """Read every setting, with its origin.

    Args:
        flags: the values that the command line or a caller gives; None counts as not given.
        folder: the folder that is searched for posezoo.cfg first; None means the working folder.
        report: receives the error of a setting that is invalid, which then gets its default.

    Raises:
        SettingsError: without ``report``: a value is invalid, or posezoo.cfg cannot be read; the
            problem says where.
    """
    configured: list[_ConfigFile] = []
    users_own = _users_config(environ)
    for path in config_files(environ, folder):
        try:
            values = _read_config(path)
        except SettingsError as error:
            report(error)
            continue
        if not (users_own.is_file() and path.samefile(users_own)):
            for refused in _refuse_untrusted(values, path, environ):
                report(refused)
        configured.append((str(path), values))
    settings = {}
    for name, kind in SETTING_TYPES.items():
        files = configured[::-1] if kind.restricts else configured
        settings[name] = _read_one(name, kind, flags or {}, environ, files, report=report)
    return settings


def unknown_variables(environ: Mapping[str, str]) -> Iterator[SettingsError]:
    """Each variable that looks like a setting and is none, with the one that may be meant."""
    variables = set(map(_variable, SETTINGS))
    for name in environ:
        if name.startswith("POSEZOO_") and name not in variables:
            word = name.removeprefix("POSEZOO_").lower()
            hint = _name_flag(word) or suggest_setting(word, _variable)
            yield SettingsError(f"{name}: unknown setting", hint=hint)


def suggest_setting(name: str, spell: Callable[[str], str] = str) -> str:
    """A hint that names the setting which an unknown name may mean, as ``spell`` writes it."""
    return suggest(spell(name), map(spell, SETTINGS))


def _name_flag(name: str) -> str:
    """A hint for an option; empty for any other name."""
    kind = SETTING_TYPES.get(name)
    return f"--{name} sets it for one command" if kind and kind.is_option else ""


def to_settings(settings: Mapping[str, Setting]) -> Settings:
    """The values without their origins."""
    return Settings(**{name: setting.value for name, setting in settings.items()})


def describe_folders(settings: Mapping[str, Setting]) -> str:
    """The folders of models and IR that the posezoo.cfg in the working folder names, which may come
    from others; empty if it names none.
    """
    named = []
    for name, what in (("models_dir", "the models"), ("weights_dir", "the IR")):
        if settings[name].origin == "posezoo.cfg":
            folders = settings[name].value
            shown = folders if isinstance(folders, Path) else ", ".join(map(str, folders))
            named.append(f"{what} of the folder {shown}")
    return f"{' and '.join(named)}, as ./posezoo.cfg says" if named else ""


def _refuse_untrusted(
    values: dict[str, str], path: Path, environ: Mapping[str, str]
) -> Iterator[SettingsError]:
    for name in list(values):
        rule = SETTING_TYPES[name].in_folder
        reason = "is not read" if rule is None else rule(path.parent, values[name])
        if reason:
            del values[name]
            lines = read_small(path).decode("utf-8-sig").splitlines()
            is_key = re.compile(rf"\s*{re.escape(name)}\s*[=:]", re.IGNORECASE)
            line = next((at for at, line in enumerate(lines, 1) if is_key.match(line)), 1)
            yield SettingsError(
                f"{path}:{line}: {name} {reason} in the posezoo.cfg of a folder,"
                " which may come from others",
                hint=f"set it in {_users_config(environ)}, as {_variable(name)}, or by its flag",
            )


def _read_one(
    name: str,
    kind: SettingType,
    flags: Mapping[str, object],
    environ: Mapping[str, str],
    configured: Iterable[_ConfigFile],
    report: Callable[[SettingsError], None],
) -> Setting:
    flag = kind.flag or f"--{name}"
    variable = _variable(name)
    candidates = [(flags.get(name), flag, flag)]
    if not kind.is_option:
        candidates.append((environ.get(variable) or None, variable, variable))
        candidates += [(values.get(name), path, f"{path}: {name}") for path, values in configured]
    for value, origin, where in candidates:
        if value is None:
            continue
        try:
            parsed = kind.parse(value.strip() if isinstance(value, str) else value)
            return Setting(name, parsed, origin)
        except ValueError as error:
            problem = hide_passwords(f"{where}: {error}", re.split(r"[,\s]+", str(value)))
            report(SettingsError(redact_secrets(problem)))
            break
    default = kind.default(environ) if callable(kind.default) else kind.default
    return Setting(name, default, "default")


def _variable(name: str) -> str:
    return f"POSEZOO_{name.upper()}"


def _read_config(path: Path) -> dict[str, str]:
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(read_small(path).decode("utf-8-sig"), source=str(path))
    except configparser.MissingSectionHeaderError as error:
        raise SettingsError(
            f"{path}:{error.lineno}: stands before the first section",
            hint="begin the file with the line [posezoo]",
        ) from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path}: is not UTF-8 text", hint="save it as UTF-8") from error
    except (OSError, configparser.Error) as error:
        reason = redact_secrets(" ".join(str(error).split()))
        raise SettingsError(f"{path}: cannot be read: {reason}") from error
    for section in parser.sections():
        if section != "posezoo":
            raise SettingsError(
                f"{path}: unknown section [{section}]",
                hint="settings belong in the section [posezoo]",
            )
    configured = {}
    if parser.has_section("posezoo"):
        configured = dict(parser["posezoo"])
    for name in configured:
        if name not in SETTINGS:
            raise SettingsError(
                f"{path}: unknown setting {name}",
                hint=_name_flag(name)
                or suggest_setting(name)
                or "remove it; posezoo doctor lists the settings",
            )
    return configured
