"""npm's configuration: the registry of a package, and the credentials, proxies and certificates for
it.

It is read from npm's own files and environment variables (`npm help npmrc`), but not from a
project's .npmrc, which may come from others and could send environment variables to a registry of
its choice.
"""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from itertools import chain
from pathlib import Path
from urllib.parse import urlsplit

from posezoo.core.diagnosis import NpmRegistry
from posezoo.core.download.candidates import LocalSettingsError
from posezoo.core.errors import os_reason, redact_secrets
from posezoo.core.regular_files import read_regular_bytes
from posezoo.core.values import frozen
from posezoo.core.workers.program import find_program

# A setting of npm 6 that npm itself refuses today, because it would be sent to every host.
_LOGINS_WITHOUT_HOST = ("_authToken", "_auth", "username", "_password")
_VARIABLE = re.compile(r"(?<!\\)(\\*)\$\{([^${}?]+)(\??)\}")
_DEFAULT_PORTS = {"https": 443, "http": 80}


@frozen
class NpmConfig:
    """The settings by key, in layers by their origin: the environment, then a file each; the first
    counts.
    """

    layers: Mapping[str, Mapping[str, str]]

    def get(self, key: str) -> str:
        """A setting; empty if it is not given."""
        value = next((layer[key] for layer in self.layers.values() if key in layer), "")
        return "" if value in ("null", "false") else value

    def registry_for(self, package: str) -> str:
        """The URL of a package's registry: that of its scope, else that of all packages.

        Raises:
            LocalSettingsError: it is not an http(s) URL, or none is configured and npm is not
                installed.
        """
        scope = ""
        if package.startswith("@"):
            scope = package.partition("/")[0]
        url = self.get(f"{scope}:registry") or self.get("registry") or default_registry()
        if not url:
            raise LocalSettingsError(
                "no npm registry is configured, and npm, which has a default, is not installed",
                hint="install npm, or write registry=URL to ~/.npmrc",
            )
        try:
            is_valid = re.fullmatch(r"https?://[^\s/?#]+(/[^\s?#]*)?", url) and _host(url)
        except ValueError:  # the port or the IPv6 address
            is_valid = ""
        if not is_valid:
            raise LocalSettingsError(
                f"npm's registry is not an http(s) URL: {redact_secrets(url)}",
                hint="see npm config get registry",
            )
        return f"{url.removesuffix('/')}/"

    def find_registries(self) -> tuple[NpmRegistry, ...]:
        """The registry of all packages, then those of scopes; LocalSettingsError if one is
        invalid.
        """
        keys = set(chain.from_iterable(self.layers.values()))
        scopes = sorted(
            key.removesuffix(":registry") for key in keys if re.fullmatch("@.+:registry", key)
        )
        registries = []
        for scope in ("", *scopes):
            key = f"{scope}:registry".removeprefix(":")
            origins = (origin for origin, layer in self.layers.items() if key in layer)
            origin = next(origins, "default")
            if origin == "default" and not default_registry():
                registries.append(NpmRegistry(scope, "", origin, False))
                continue
            url = self.registry_for(f"{scope}/")
            login = bool(self.authorization(url, url))
            registries.append(NpmRegistry(scope, redact_secrets(url), origin, login))
        return tuple(registries)

    def tarball_url(self, url: str) -> str:
        """The URL to download a tarball from, given the one that its registry states.

        A URL of npm's default registry is by default replaced by one of the registry in use, since
        mirrors often repeat that of the default one (`npm help config`, replace-registry-host).
        """
        replaced = self.get("replace-registry-host")
        address = urlsplit(url)
        if replaced in ("", "npmjs"):
            replaced = default_registry()
        if not replaced:  # npm is not installed
            return url
        named = urlsplit(replaced if "://" in replaced else f"//{replaced}")
        prefix = f"{named.path.rstrip('/')}/"
        is_named = named.hostname == address.hostname and address.path.startswith(prefix)
        if replaced != "always" and not is_named:
            return url
        registry = self.registry_for("")
        path = address.path.removeprefix(prefix if len(prefix) > 1 else urlsplit(registry).path)
        return registry + path.lstrip("/")

    def authorization(self, url: str, registry: str) -> str:
        """The ``Authorization`` header for a URL: the login with the longest path, or that of the
        registry.

        The registry's login counts for all of its host. The header is empty without a login, or if
        its environment variable is not set.

        Raises:
            LocalSettingsError: the login is not valid; the error does not contain it.
        """
        if url.startswith("http:") and registry.startswith("https:"):
            return ""
        prefix = f"//{_host(url)}{urlsplit(url).path}"
        while len(prefix) > 2:
            value = self._login(prefix)
            if value:
                return value
            # As npm does: first the name, then the slash.
            prefix = re.sub(r"([^/]+|/)$", "", prefix)
        is_same_host = url != registry and _host(url) == _host(registry)
        return self.authorization(registry, registry) if is_same_host else ""

    def _login(self, prefix: str) -> str:
        key = "_authToken"
        word = "Bearer"
        value = self.get(f"{prefix}:_authToken")
        if not value:
            key = "_auth"
            word = "Basic"
            value = self.get(f"{prefix}:_auth")
        user = self.get(f"{prefix}:username")
        password = self.get(f"{prefix}:_password")
        try:
            if not value and user and password:
                key = "_password"
                login = f"{user}:".encode() + base64.b64decode(password)
                value = base64.b64encode(login).decode()
        except ValueError as error:
            raise LocalSettingsError(
                f"{prefix}:_password of npm's configuration is not base64"
            ) from error
        if not value or "${" in value:
            return ""
        if not re.fullmatch(r"[!-~]+", value):
            raise LocalSettingsError(
                f"{prefix}:{key} of npm's configuration is not one word of plain characters"
            )
        return f"{word} {value}"

    def proxies(self) -> dict[str, str]:
        """The proxies for http and https, and ``no_proxy``, as far as npm's own settings name
        them.
        """
        proxy = self.get("https-proxy") or self.get("proxy")
        named = {"http": proxy, "https": proxy, "no_proxy": self.get("noproxy")}
        return {key: value for key, value in named.items() if value}

    def ca_file(self) -> Path | None:
        """The file with the trusted certificates; None if npm names none that exists."""
        path = _path(self.get("cafile"))
        return path if os.path.isfile(path) else None


def default_registry() -> str:
    """The registry that npm uses if none is configured; empty if npm is not installed."""
    return _ask_npm(find_program("npm") or "")


@cache
def _ask_npm(npm: str) -> str:
    environment = {
        key: value for key, value in os.environ.items() if not key.lower().startswith("npm_config_")
    }
    no_file = f"{os.devnull}/npmrc"
    command = [npm, "config", "get", "registry"]
    command += [f"--userconfig={no_file}", f"--globalconfig={no_file}.global"]
    # Where npm would write a log; and it would ask for its own newest version.
    command += [f"--cache={no_file}", "--no-update-notifier"]
    with suppress(OSError, subprocess.SubprocessError):
        return subprocess.check_output(
            command,
            stderr=subprocess.DEVNULL,
            cwd="/",
            env=environment,
            encoding="utf-8",
            timeout=60,
        ).strip()
    return ""


def read_npm_config() -> NpmConfig:
    """npm's configuration of this user: environment, user and global file.

    Raises:
        LocalSettingsError: a file cannot be read, or has a login without a host, which npm refuses
            too.
    """
    settings = {}
    for name, value in os.environ.items():
        if value and name.lower().startswith("npm_config_"):
            key = name[len("npm_config_") :]
            if not key.startswith("//"):
                key = (key[:1] + key[1:].replace("_", "-")).lower()
            settings[key] = _expand(value)
    layers: dict[str, Mapping[str, str]] = {"environment": settings}
    config = NpmConfig(layers)
    user = _path(config.get("userconfig") or "~/.npmrc")
    layers[str(user)] = _read_npmrc(user)
    prefix = _path(config.get("prefix") or _default_prefix())
    shared = _path(config.get("globalconfig") or prefix / "etc" / "npmrc")
    layers.setdefault(str(shared), _read_npmrc(shared))
    for path, layer in layers.items():
        for key in _LOGINS_WITHOUT_HOST:
            if key in layer:
                raise LocalSettingsError(
                    f"{path}: {key} without a host would be sent to every host, so npm refuses it",
                    hint=f"write //HOST/:{key}=..., or run npm config fix",
                )
    return config


def _default_prefix() -> str | Path:
    prefix = os.environ.get("PREFIX")
    if prefix:
        return prefix
    node = find_program("node")
    return Path(node).resolve().parent.parent if node else "/usr/local"


def _path(text: str | Path) -> Path:
    with suppress(RuntimeError):  # the user has no home folder
        return Path(text).expanduser()
    return Path(text)


def _read_npmrc(path: Path) -> dict[str, str]:
    try:
        text = ""
        if path.exists() and str(path) != os.devnull:
            text = read_regular_bytes(path).decode("utf-8-sig", "replace")
    except OSError as error:
        raise LocalSettingsError(f"{path}: cannot be read: {os_reason(error)}") from error
    values: dict[str, str] = {}
    for line in re.split(r"[\r\n]+", text):
        if line.startswith("["):  # npm has no settings in sections
            break
        key, separator, value = line.partition("=")
        key = _expand(_unquote(key))
        if not key:  # an empty line or a comment
            continue
        value = _expand(_unquote(value)) if separator else "true"
        if key.endswith("[]"):  # a list
            key = key.removesuffix("[]")
            value = ",".join(filter(None, (values.get(key), value)))
        values[key] = value
    return values


def _unquote(text: str) -> str:
    text = text.strip()
    if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'":
        try:
            return str(json.loads(text if text[0] == '"' else text[1:-1]))
        except ValueError:
            return text if text[0] == '"' else text[1:-1]
    plain = re.match(r"(?:\\.|[^;#\\]|\\$)*", text)
    return re.sub(r"\\([;#\\])", r"\1", plain[0] if plain else "").strip()


def _expand(text: str) -> str:
    """Replace ``${NAME}`` by the environment variable; if it is not set, only ``${NAME?}`` becomes
    empty.
    """

    def replace(match: re.Match[str]) -> str:
        escapes, name, optional = match.groups()
        if len(escapes) % 2:
            return match[0][(len(escapes) + 1) // 2 :]
        return escapes[: len(escapes) // 2] + os.environ.get(
            name, "" if optional else f"${{{name}}}"
        )

    return _VARIABLE.sub(replace, text)


def _host(url: str) -> str:
    """Host and port as in npm's keys, without the scheme's own port; ValueError if one is
    invalid.
    """
    address = urlsplit(url)
    name = address.hostname or ""
    port = address.port
    if ":" in name:
        name = f"[{name}]"
    if not name or port in (None, _DEFAULT_PORTS.get(address.scheme)):
        return name
    return f"{name}:{port}"
