"""All errors that a user can act on: each is a ``PosezooError`` and has a hint."""

from __future__ import annotations

import importlib
import os
import re
import shlex
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import copy
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from urllib.parse import quote

from posezoo.core.install_commands import (
    OPENCV,
    install_command,
    is_foreign_opencv,
    keep_opencv,
    pip_command,
)
from posezoo.core.operating_system import IS_WINDOWS
from posezoo.core.telemetry import disable_telemetry


class Advice(str):
    """A hint that names a flag; a command without this flag words it in its own way.

    Or it names parameters, which are flags of a command and arguments in Python, by marks such as
    ``{like}``.
    """

    flag: str
    template: str
    #: The value of each parameter; an empty one is not shown.
    parameters: Mapping[str, str]

    def __new__(cls, text: str, flag: str = "", **parameters: str) -> Advice:
        """``flag`` is without its value, such as ``--mo``; empty if Python copies the text."""
        advice = super().__new__(cls, _fill(text, parameters, spell_flag))
        advice.flag = flag
        advice.template = text
        advice.parameters = parameters
        return advice

    def spell(self, spell: Callable[[str, str], str]) -> str:
        """The hint with parameters that are spelled otherwise, from their names and values."""
        return _fill(self.template, self.parameters, spell)


def _fill(template: str, parameters: Mapping[str, str], spell: Callable[[str, str], str]) -> str:
    spelled = {name: spell(name, value) for name, value in parameters.items()}
    return template.format(**spelled) if spelled else template


#: The flags whose names are not those of the parameters.
_FLAGS = {"like": "--as"}


def spell_flag(name: str, value: str = "") -> str:
    """A parameter as a flag, with its value if it has one."""
    return f"{_FLAGS.get(name, f'--{name}')} {value}".rstrip()


class PosezooError(Exception):
    """A failure that the user can act on.

    Both texts are made ``printable``, because a server, a file or another program may have written
    parts of them.

    Args:
        problem: what went wrong and where, in one line.
        hint: what to do next, in one line; empty if the problem says enough. From Python 3.11 on, a
            traceback shows it below the problem.

    Attributes:
        exit_code: of a command that it ends: 2 if what the user says does not fit, else 1.
        temporary: whether the same may succeed if it is tried again, as after a timeout.
    """

    exit_code = 1
    temporary = False

    def __init__(self, problem: str, *, hint: str = "") -> None:
        self.problem = printable(problem)
        self.hint = hint
        super().__init__(self.problem)

    @property
    def hint(self) -> str:
        """What to do next."""
        return self._hint

    @hint.setter
    def hint(self, hint: str) -> None:
        self._hint = printable(hint)
        self.__notes__ = [f"hint: {self._hint}"] if hint else []  # as by add_note

    @property
    def kind(self) -> str:
        """The name of its class, or of the next one above that is public: it is stable, for
        programs.
        """
        classes = (each for each in type(self).__mro__ if each.__module__ == __name__)
        return next(classes).__name__

    def to_json(self) -> dict[str, str | bool]:
        """``kind``, ``problem``, ``hint`` and ``temporary``, as all JSON of commands has them."""
        return {
            "kind": self.kind,
            "problem": self.problem,
            "hint": self.hint,
            "temporary": self.temporary,
        }

    @property
    def flag(self) -> str:
        """The flag that the hint names, if it is an ``Advice``; else empty."""
        return getattr(self._hint, "flag", "")

    def within(self, place: object) -> PosezooError:
        """The same error, with the place before the problem."""
        error = copy(self)
        error.problem = printable(f"{place}: {self.problem}")
        error.args = (error.problem,)
        return error

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle without calling ``__init__``, whose parameters differ from class to class."""
        return Exception.__new__, (type(self), *self.args), self.__dict__


class SettingsError(PosezooError):
    """A setting has an invalid value; the problem says where it was set."""


class SpecError(PosezooError):
    """A model.yml is invalid.

    The problem reads ``path:line:column: field: what is wrong`` (lines and columns count from 1).
    """

    def __init__(
        self, file: str, line: int, column: int, field: str, problem: str, *, hint: str = ""
    ) -> None:
        where = f"{file}:{line}:{column}"
        text = f"{where}: {field}: {problem}" if field else f"{where}: {problem}"
        super().__init__(text, hint=hint)
        self.file = file
        self.line = line
        self.column = column
        self.field = field


class UnknownModelError(PosezooError):
    """No model has this name; the hint gives the most similar name."""


class LockError(PosezooError):
    """A file or IR differs from posezoo.lock, or the lock does not list it."""


class DownloadError(PosezooError):
    """A file of a model could not be downloaded.

    ``is_gone`` is true if all its sources answered that they do not have it, ``is_changed`` if one
    sent other bytes than were declared, in the right size as far as that is known, ``is_silent`` if
    none answered. ``hosts`` are those that were asked, with their ports, or package indexes.
    """

    is_gone = False
    is_changed = False
    is_silent = False
    hosts: tuple[str, ...] = ()


class SourceError(DownloadError):
    """A source did not answer, or did not send the file.

    Args:
        temporary: whether another attempt may help (a timeout, a 503), or not (a 404).
        refused: whether the source or this machine refuses: a login, a right or a certificate
            authority is missing.
    """

    def __init__(
        self, problem: str, *, hint: str = "", temporary: bool = False, refused: bool = False
    ) -> None:
        super().__init__(problem, hint=hint)
        self.temporary = temporary
        self.refused = refused


class SizeError(DownloadError):
    """The size of a file differs from the declared one."""


class DigestError(DownloadError):
    """The checksum of a file differs from the declared one."""

    is_changed = True


class UnpinnedFileError(DownloadError):
    """No checksum of a file is known, and --trust_on_first_use was not given."""


class LicenseError(DownloadError):
    """The setting allow_licenses does not contain the model's license; nothing was downloaded."""


class ArchiveError(DownloadError):
    """A wheel or archive does not have the expected content."""


class NetworkError(PosezooError):
    """One of posezoo's networks cannot be built with the given options."""


class ConversionError(PosezooError):
    """A model could not be converted to an IR."""


class SelfCheckError(ConversionError):
    """The outputs of the IR differ from those of the original."""


class NoReferenceError(SelfCheckError):
    """The original computes nothing that an IR could be compared with."""


class RandomNetworkError(SelfCheckError):
    """The network draws random numbers: its outputs differ in each run, and cannot be compared."""


class QuantizationError(ConversionError):
    """No INT8 IR can be made, or its results are too far from those of FP32.

    ``needed`` is the model whose IR is missing; empty for any other reason.
    """

    needed = ""


class CheckpointError(PosezooError):
    """Weights could not be read, or do not fit the network."""


class InferenceError(PosezooError):
    """A model could not be read, compiled or run."""


class DecoderError(InferenceError):
    """The outputs of a network do not fit the decoder.

    Args:
        problem: what the decoder needs, and what the outputs are.
        decoder: the decoder that was requested; empty if none was.
        fitting: a decoder that probably fits these outputs; empty if none does.
        hint: what to do next.
    """

    def __init__(
        self, problem: str, *, decoder: str = "", fitting: str = "", hint: str = ""
    ) -> None:
        super().__init__(problem, hint=hint)
        self.decoder = decoder
        self.fitting = fitting


class UsageError(InferenceError):
    """What the user says of a model or a file does not fit it."""

    exit_code = 2


class TargetSizeError(UsageError):
    """A network does not support the requested size."""


class UnknownKeypointError(PosezooError, KeyError):
    """A pose has no keypoint of this name; the hint gives the most similar name."""

    __str__ = PosezooError.__str__  # that of KeyError quotes its text


class ImageError(PosezooError):
    """An image could not be read."""


class LostCameraError(ImageError):
    """A camera or a stream dropped, and could not be opened again in the time that was asked."""

    temporary = True


class ImageWarning(UserWarning):
    """An image could be read, but not all that its file has; the command line shows it."""


class PreparationWarning(UserWarning):
    """The mean or the scale of a network is likely wrong."""


class DatasetError(PosezooError):
    """Images or annotations could not be read, or do not match."""


class EvaluationError(PosezooError):
    """The requested values could not be measured."""


class OutputError(PosezooError):
    """A result could not be written."""


class DiskError(OutputError):
    """A disk is full or read-only, so no other result can be written there either."""


class ExportError(PosezooError):
    """``posezoo export`` has no such target, or the target does not support the model."""


class PluginError(PosezooError):
    """An installed plug-in cannot be used."""


class InterpreterError(PosezooError):
    """No Python interpreter was found, which a step needs that runs in a process of its own."""


class MissingPackageError(PosezooError):
    """An optional package is not installed.

    Args:
        package: its import name, or those of several with commas between them.
        extra: the extra of posezoo that installs it, or several with commas between them; empty for
            a package that the user chooses.
        reason: the error message of the import, if the package is installed but cannot be imported.

    Attributes:
        extra: the same; own-opencv instead of run if there is another OpenCV than that of run.
    """

    def __init__(self, package: str, *, extra: str, reason: str = "") -> None:
        state = "not installed"
        if reason:
            state = f"installed but does not load: {reason}"
        are = "are" if "," in package else "is"
        own = f"pip install {package.replace(',', '')}"
        hint = memory_hint(reason) or (install_command(extra) if extra else own)
        super().__init__(f"{package} {are} {state}", hint=hint)
        self.package = package
        self.extra = keep_opencv(extra)


#: The packages of install_requires in setup.cfg, by the name that is imported.
REQUIRED = {
    **{name: name for name in ("argcomplete", "numpy", "packaging", "requests", "safetensors")},
    "markdown_it": "markdown-it-py",
    "tqdm": "tqdm",
    "truststore": "truststore",
    "urllib3": "urllib3",
    "yaml": "pyyaml",
}


def find_missing_requirements() -> list[str]:
    """The required packages that are not installed, by the names that pip takes."""
    return [package for name, package in REQUIRED.items() if find_spec(name) is None]


def explain_missing_requirement(error: BaseException) -> PosezooError | None:
    """The failure if a required package is not installed, as in a checkout that pip did not
    install; else None.
    """
    if not isinstance(error, ModuleNotFoundError) or error.name not in REQUIRED:
        return None
    missing = find_missing_requirements()
    are = "are" if len(missing) > 1 else "is"
    return PosezooError(
        f"{', '.join(missing)} {are} not installed, which posezoo needs",
        hint=f"{pip_command()} install {' '.join(missing)}",
    )


def memory_hint(reason: object) -> str:
    """What to do if there was too little memory; empty for an error of another reason."""
    signs = ("bad_alloc", "failed to map segment", "Cannot allocate memory")
    if isinstance(reason, MemoryError) or any(sign in str(reason) for sign in signs):
        return "there is too little memory: close other programs, or raise ulimit -v"
    return ""


def shell_word(path: Path | str) -> str:
    """A path in a command that a user may paste: one that looks like a flag begins with ./ then."""
    text = str(path)
    return shlex.quote(f"./{text}" if text.startswith("-") else text)


def import_optional(package: str, *, extra: str) -> ModuleType:
    """Import an optional package, which then reports nothing to its makers; the error says which
    extra installs it.

    Raises:
        MissingPackageError: it is not installed, or its import fails.
    """
    try:
        disable_telemetry()
        return importlib.import_module(package)
    except ModuleNotFoundError as error:
        missing = error.name is not None and error.name.split(".")[0] == package.split(".")[0]
        raise MissingPackageError(
            package, extra=extra, reason="" if missing else str(error)
        ) from error
    except ImportError as error:
        raise MissingPackageError(package, extra=extra, reason=str(error)) from error


def find_missing_packages(extras: Mapping[str, str]) -> MissingPackageError | None:
    """The error that names all packages which are not installed; None if all are.

    Args:
        extras: the extra of posezoo that installs a package, by the name that is imported.
    """
    missing = [package for package in extras if find_spec(package) is None]
    if not missing:
        return None
    needed = dict.fromkeys(extras[package] for package in missing)
    return MissingPackageError(", ".join(missing), extra=",".join(needed))


def require_packages(extras: Mapping[str, str]) -> None:
    """Refuse before the work begins what would fail in the middle of it.

    Args:
        extras: as for ``find_missing_packages``.

    Raises:
        MissingPackageError: not all are installed.
    """
    if error := find_missing_packages(extras):
        raise error


def import_cv2() -> ModuleType:
    """Import OpenCV; it raises as ``import_optional`` does."""
    try:
        cv2 = import_optional("cv2", extra="run")
    except MissingPackageError as error:
        if is_foreign_opencv():  # it does not load, such as without libGL
            pip = pip_command()
            replace = f"{pip} uninstall --yes {' '.join(OPENCV[1:])}"
            error.hint = f"{replace} && {pip} install {OPENCV[0]}"
        raise
    if is_cv2_broken():
        raise explain_broken_cv2()
    return cv2


def is_cv2_broken() -> bool:
    """Whether OpenCV's folder is empty: all its packages write there, and after one of two is
    uninstalled Python imports it without an error.
    """
    module = sys.modules.get("cv2")
    spec = find_spec("cv2") if module is None else module.__spec__
    return spec is not None and spec.origin is None


def explain_broken_cv2() -> MissingPackageError:
    """The error where a package of OpenCV is installed, and its files are gone."""
    reason = "its files went when another OpenCV package was uninstalled"
    error = MissingPackageError("cv2", extra="run", reason=reason)
    error.hint = (
        f"{pip_command()} install --force-reinstall --no-deps opencv-python-headless, or the OpenCV"
        " package that you use"
    )
    return error


# Names of URL parameters and headers with secret values: those in signed URLs of S3, Google Cloud
# and Azure, and other common names.
_SECRET_WORDS = "signature|credential|token|secret|password|api-?key|access-?key|authorization"
_SECRET_PARAMETERS = (
    "sig|key|key-pair-id|auth|jwt|code|otp|ticket|policy|session|sid|pwd|pass|passwd|passphrase|user|user[-_]?name"
    "|login|email|account"
)
# A value that begins with 24 letters and digits is probably a key, whatever the parameter's name.
_RANDOM_VALUE = r"(?=[A-Za-z_%+=]*[0-9])(?=[0-9_%+=]*[A-Za-z])[\w%+=]{24,}[^&;\s\"'#]*"
_SECRET = rf"[\w-]{{0,40}}(?:{_SECRET_WORDS})[\w-]{{0,40}}"


_LONG_HEX = re.compile(r"\b([0-9a-f]{12})[0-9a-f]{28,}\b")


def shorten_digests(text: str) -> str:
    """Keep the first digits of the digests and commits in an address or path, for people.

    >>> shorten_digests("https://example.org/0f6a4845d37b5b16edacbb76f1b1debb39e28a11/model.xml")
    'https://example.org/0f6a4845d37b…/model.xml'
    """
    return _LONG_HEX.sub(r"\1…", text)


def redact_secrets(text: str) -> str:
    """Replace the secrets in URLs and headers with ``***``, so that the text can be logged.

    >>> redact_secrets("https://reader:secret@example.org/models?X-Amz-Signature=12ab&part=1")
    'https://example.org/models?X-Amz-Signature=***&part=1'
    """
    text = re.sub(r"(?<=://)[^/\s\"']*@", "", text)
    text = re.sub(rf"(?i)([?&;#](?:{_SECRET}|{_SECRET_PARAMETERS})=)[^&;\s\"'#]*", r"\1***", text)
    text = re.sub(rf"([?&;#][\w.~-]+=){_RANDOM_VALUE}", r"\1***", text)
    return re.sub(rf"(?i)\b({_SECRET}|cookie)(\s*:\s*)[^\n\"']+", r"\1\2***", text)


def escape_control_characters(text: str) -> str:
    """Replace control characters, invisible characters and those that change the writing direction
    with escapes.

    Names in downloaded files may contain them.
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


# A URL with a user and a password. It may be malformed: one slash or none after the scheme, no
# scheme, no host, or a slash in the password.
_LOGIN = re.compile(
    r"\s*(?:--?\w+=)?(?!npm:[^:]*$)(?:[\w+.-]*:?//?|[\w+.-]+:(?=[^@]*:))?"
    r"[^/@:]*:(?!\d{1,5}/)(?P<password>.+)@",
    re.DOTALL,
)
# A malformed URL, with a password where the port should be.
_NO_PORT = re.compile(r"\s*(?:--?\w+=)?[\w+.-]*://?[^/@:\s]+:(?P<password>(?!\d+(?:/|$))[^/@]+)")


def hide_passwords(text: str, words: Sequence[str] = ()) -> str:
    """Replace the passwords of URLs on the command line, and in other words, with ``***``: error
    messages quote malformed URLs.
    """
    for password in (*_passwords_in(tuple(words)), *_passwords_in(tuple(sys.argv[1:]))):
        if password in text:  # replace() would make a plain str of an Advice
            text = text.replace(password, "***")
    return text


@lru_cache(maxsize=2)
def _passwords_in(words: Sequence[str]) -> tuple[str, ...]:
    """The passwords in the words of a command line, also as Python and URLs escape them, the
    longest first.
    """
    passwords: set[str] = set()
    for word in words:
        match = _LOGIN.match(word) or _NO_PORT.match(word)
        if match and not os.path.isfile(word):
            password = match["password"]
            parts = {password, *re.split(r"[/@:,#?\s]", password)}
            passwords |= {part for part in parts if len(part) > 2}
    spellings = set()
    for each in passwords:
        spellings |= {each, ascii(each)[1:-1], quote(each)}
    return tuple(sorted(spellings, key=len, reverse=True))


#: The most characters of one value that a message repeats.
MOST_REPEATED = 200
_LONG_WORD = re.compile(rf"\S{{{MOST_REPEATED + 1},}}")


def printable(text: str) -> str:
    """The text as one line for the user, without control characters and passwords, and only with
    both ends of a long value: a photo may be given as text.
    """
    text = hide_passwords(text)
    given = [word for word in sys.argv if len(word) > MOST_REPEATED]
    for word in (*given, *_LONG_WORD.findall(text)):
        if word in text:  # replace() would make a plain str of an Advice
            text = text.replace(word, f"{word[:130]}…{word[-69:]}")
    return escape_control_characters(text)


def sanitize(text: str) -> str:
    """Text from a file or a user, without secrets, shortened and safe to print on a terminal."""
    text = redact_secrets(hide_passwords(text))
    return ascii(text if len(text) <= 60 else text[:57] + "...")


def os_reason(error: OSError) -> str:
    """The operating system's reason, such as ``No such file or directory``."""
    return error.strerror or str(error)


def suggest(
    word: str,
    valid: Iterable[str],
    *,
    cutoff: float = 0.6,
    spell: Callable[[str], str] = str,
) -> str:
    """A hint that names the valid words that begin with ``word``, or else the most similar one.

    It is empty if none is similar enough: ``cutoff``, 0..1, where 1 means equal. ``spell`` makes a
    word as it is shown.

    >>> suggest("chekpoint", ["checkpoint", "files"])
    'did you mean checkpoint?'
    >>> suggest("movenet", ["movenet-lightning", "movenet-thunder"])
    'did you mean movenet-lightning or movenet-thunder?'
    """
    from difflib import get_close_matches

    # Dashes would make all flags similar.
    bare = word.lstrip("-")
    words = {each.lstrip("-"): each for each in valid}
    matches = [each for each in words if len(bare) > 2 and each.startswith(bare)][:5]
    matches = matches or get_close_matches(bare, words, n=1, cutoff=cutoff)
    *others, last = [spell(words[each]) for each in matches] or [""]
    before = f"{', '.join(others)} or " if others else ""
    return f"did you mean {before}{last}?" if last else ""


def explain_windows_path(text: str) -> str:
    """A hint for a path of Windows on another system, and for one of WSL, such as /mnt/c/photos, on
    Windows; empty for any other path.
    """
    if IS_WINDOWS and re.match("/mnt/[a-z]/", text):
        path = text[6:].replace("/", "\\")
        return f"{text} is a path of WSL; on Windows: {text[5].upper()}:{path}"
    if IS_WINDOWS or not re.match(r"[A-Za-z]:[\\/]", text):
        return ""
    path = text[2:].replace("\\", "/")
    return (
        f"{text} is a path of Windows, and this is not Windows; in WSL:"
        f" /mnt/{text[0].lower()}{path}"
    )


#: What users catch; the functions above serve posezoo alone.
__all__ = [
    name
    for name, value in [*vars().items()]
    if isinstance(value, type) and issubclass(value, (PosezooError, ImageWarning))
]


def __dir__() -> list[str]:
    return __all__
