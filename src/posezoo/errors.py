"""Every way a run can fail, as one family, each with a hint.

PosezooError
├── SettingsError            a flag, POSEZOO_* variable or posezoo.cfg holds a value that cannot be used
├── SpecError                a model.yml says something that cannot be meant (file:line:column)
├── UnknownModelError        no model of that name
├── LockError                it is not what posezoo.lock has, or who vouches for that is not known
├── FetchError               a file did not arrive
│   ├── SourceError          a source did not answer, or not with the file
│   ├── SizeError            more or fewer bytes than declared
│   ├── DigestError          other bytes than declared
│   ├── NoPinError           nothing says what the bytes must be
│   ├── LicenseError         its terms are none of those that are allowed here
│   └── ArchiveError         a wheel or archive that does not hold what it should
├── NetworkError             a network of ours cannot be built as asked
├── ConversionError          the original could not be made into an IR
│   ├── SelfCheckError       the IR does not compute what the original computes
│   └── QuantizationError    no INT8 IR can be made, or what it finds lies too far from FP32's
├── CheckpointError          weights could not be read, or do not fit the network
├── InferenceError           a model could not be read, compiled or run
│   ├── DecoderError         the outputs of a network are not those that a decoder needs
│   └── TargetSizeError      a network does not go with the size that was asked for
├── ImageError               a picture could not be read or is not one
├── DatasetError             images and their annotations could not be read, or do not go together
├── EvaluationError          nothing was measured, or not what was asked
├── OutputError              a result could not be written
└── MissingPackageError      an optional package is not installed
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path
from types import ModuleType


class PosezooError(Exception):
    """A failure that the user can act on.

    Args:
        problem: what went wrong and where, in one line.
        hint: what to do next, in one line; empty when the problem says it all.
    """

    def __init__(self, problem: str, *, hint: str = "") -> None:
        super().__init__(problem)
        self.problem = problem
        self.hint = hint

    def __reduce__(self) -> tuple[object, ...]:
        """Survive a process pool: arguments differ from class to class, the state does not."""
        return _rebuild, (type(self), self.args, self.__dict__)


def _rebuild(kind: type[PosezooError], args: tuple[object, ...], state: dict[str, object]) -> PosezooError:
    error = kind.__new__(kind, *args)
    error.args = args
    error.__dict__.update(state)
    return error


class SettingsError(PosezooError):
    """A setting cannot be used; the problem names where it was said."""


class SpecError(PosezooError):
    """A model.yml says something that cannot be meant.

    The problem reads ``path:line:column: field: what is wrong`` (lines and columns count from 1).
    """

    def __init__(
        self, file: str, line: int, column: int, field: str, problem: str, *, hint: str = ""
    ) -> None:
        where = f"{file}:{line}:{column}"
        said = f"{where}: {field}: {problem}" if field else f"{where}: {problem}"
        super().__init__(_printable(said), hint=hint)
        self.file, self.line, self.column, self.field = file, line, column, field


def _printable(text: str) -> str:
    """Folders and keys are named by strangers: what could move a terminal's cursor is escaped."""
    return text if text.isprintable() else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


class UnknownModelError(PosezooError):
    """No model matches; the hint names the nearest one."""


class LockError(PosezooError):
    """Something is not what posezoo.lock has, or the lock is not what somebody signed."""


class DownloadError(PosezooError):
    """A file of a model did not arrive."""


class SourceError(DownloadError):
    """A source did not answer, or not with the file.

    Args:
        problem: what the source did.
        hint: what to do next.
        temporary: whether asking again may help (a timeout, a 503), or not (a 404).
    """

    def __init__(self, problem: str, *, hint: str = "", temporary: bool = False) -> None:
        super().__init__(problem, hint=hint)
        self.temporary = temporary


class SizeError(DownloadError):
    """More or fewer bytes than declared."""


class DigestError(DownloadError):
    """Other bytes than declared."""


class UnpinnedFileError(DownloadError):
    """Nothing says what the bytes of a file must be, and nobody said to trust the source."""


class LicenseError(DownloadError):
    """A model's terms are none of those that the setting allow_licenses names; nobody was asked."""


class ArchiveError(DownloadError):
    """A wheel or archive that does not hold what it should."""


class NetworkError(PosezooError):
    """A network of ours cannot be built as asked."""


class ConversionError(PosezooError):
    """The original could not be made into an IR."""


class SelfCheckError(ConversionError):
    """The IR does not compute what the original computes."""


class QuantizationError(ConversionError):
    """No INT8 IR can be made, or what it finds lies too far from what FP32 finds."""


class CheckpointError(PosezooError):
    """Weights could not be read, or do not fit the network; names in the problem are strangers'."""

    def __init__(self, problem: str, *, hint: str = "") -> None:
        super().__init__(_printable(problem), hint=hint)


class InferenceError(PosezooError):
    """A model could not be read, compiled or run."""


class DecoderError(InferenceError):
    """The outputs of a network are not those that a decoder needs.

    Args:
        problem: what it needs, and what there is.
        decoder: the one that was meant; empty where none was.
        fitting: the one that the outputs look like; empty where none is known.
        hint: what to do next.
    """

    def __init__(self, problem: str, *, decoder: str = "", fitting: str = "", hint: str = "") -> None:
        super().__init__(problem, hint=hint)
        self.decoder, self.fitting = decoder, fitting


class TargetSizeError(InferenceError):
    """A network does not go with the size that was asked for."""


class ImageError(PosezooError):
    """A picture could not be read, or is not one."""


class DatasetError(PosezooError):
    """Images and their annotations could not be read, or do not go together; names are strangers'."""

    def __init__(self, problem: str, *, hint: str = "") -> None:
        super().__init__(_printable(problem), hint=hint)


class EvaluationError(PosezooError):
    """Nothing was measured, or not what was asked."""


class OutputError(PosezooError):
    """A result could not be written."""


class PluginError(PosezooError):
    """An installed plug-in cannot be used."""


class MissingPackageError(PosezooError):
    """An optional package is not installed.

    Args:
        package: its import name.
        extra: the extra of ours that brings it.
        reason: what the import itself said, where it is installed but does not load.
    """

    def __init__(self, package: str, *, extra: str, reason: str = "") -> None:
        problem = (
            f"{package} is installed but does not load: {reason}" if reason else f"{package} is not installed"
        )
        super().__init__(problem, hint=install_command(extra))
        self.package, self.extra = package, extra


def install_command(extra: str) -> str:
    """The command that brings an extra: from this checkout, where we run in one, else by our name."""
    checkout = Path(__file__).resolve().parents[2]
    if (checkout / "setup.cfg").is_file():
        return f"pip install -e '{checkout}[{extra}]'"
    return f'pip install "posezoo[{extra}]"'


def import_optional(package: str, *, extra: str) -> ModuleType:
    """Import an optional package, or say which extra brings it.

    Raises:
        MissingPackageError: it is not installed, or its import fails.
    """
    try:
        return importlib.import_module(package)
    except ModuleNotFoundError as error:
        missing = error.name is not None and error.name.split(".")[0] == package.split(".")[0]
        raise MissingPackageError(package, extra=extra, reason="" if missing else str(error)) from error
    except ImportError as error:
        raise MissingPackageError(package, extra=extra, reason=str(error)) from error


# Names, in the query of an address or of a header, whose values open doors: signed addresses of S3, Google
# Cloud and Azure, and the usual words.
_SECRET_WORDS = "signature|credential|token|secret|password|api-?key|access-?key|authorization"
_SECRET = rf"[\w-]{{0,40}}(?:{_SECRET_WORDS})[\w-]{{0,40}}"


def redact_secrets(text: str) -> str:
    """Addresses and headers as they may be shown and logged.

    >>> redact_secrets("https://reader:secret@example.org/models?X-Amz-Signature=12ab&part=1")
    'https://example.org/models?X-Amz-Signature=***&part=1'
    """
    text = re.sub(r"(?<=://)[^/\s\"']*@", "", text)
    text = re.sub(rf"(?i)([?&;](?:{_SECRET}|sig|key|auth)=)[^&;\s\"']*", r"\1***", text)
    return re.sub(rf"(?i)\b({_SECRET}|cookie)(\s*:\s*)[^\n\"']+", r"\1\2***", text)


def suggest(word: str, known: Iterable[str]) -> str:
    """A hint that names the known word nearest to a mistyped one; empty when none is near.

    >>> suggest("chekpoint", ["checkpoint", "files"])
    'did you mean checkpoint?'
    """
    matches = get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f"did you mean {matches[0]}?" if matches else ""


#: Names that these errors had before; they stay, since users catch them.
FetchError = DownloadError
NoPinError = UnpinnedFileError
