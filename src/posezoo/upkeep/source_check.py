"""Ask the sources of models whether they still have the files, without downloading them."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from dataclasses import fields, replace
from itertools import count
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from requests.exceptions import InvalidProxyURL

from posezoo.console.bars import counting_bar
from posezoo.core.declarations.model import ModelSpec, Source, SourceFile
from posezoo.core.download.candidates import (
    LocalSettingsError,
    RangeMismatchError,
    ResumeState,
)
from posezoo.core.download.context import ConnectionPool, DownloadContext
from posezoo.core.download.options import DownloadOptions
from posezoo.core.download.source_types import find_source_type, type_name
from posezoo.core.errors import (
    DigestError,
    DownloadError,
    MissingPackageError,
    PosezooError,
    SizeError,
    SourceError,
    redact_secrets,
)
from posezoo.core.regular_files import read_regular_text
from posezoo.core.values import frozen
from posezoo.core.workers.retries import TransientSourceError, ask_again

#: The states of a source from which the file cannot be downloaded now.
BAD_STATES = ("dead", "changed", "unreachable", "refused")


@frozen
class CheckedSource:
    """A source of a file, and its answer."""

    model: str  # its name
    file: str  # its name
    source: str  # as users see it, without secrets
    type: str  # its ``$type`` in model.yml
    host: str  # the host that its URL names; empty if it has none
    #: ``good``, ``dead`` (it does not have the file), ``refused`` (it wants a login or a right, or
    #: this machine does not know its certificate authority), ``changed`` (another size or digest),
    #: ``unreachable`` (no answer, a temporary failure, or a wrong setting of npm or the proxy here)
    #: or ``unchecked`` (for example, a package is missing).
    state: str
    compared: tuple[str, ...]  # what was equal to model.yml: ``size``, ``digest``
    problem: str  # the reason for any other state than ``good``
    path: Path  # the model.yml
    line: int  # the line that names the source, counted from 1; 0 if it was not found


def check_sources(
    specs: Sequence[ModelSpec],
    download_options: DownloadOptions,
    *,
    quiet: bool = True,
) -> tuple[CheckedSource, ...]:
    """Ask each source of each file of the models, ``jobs`` at once; nothing is written.

    A host that does not answer is not asked again. Caches and mirrors are not asked, and plain http
    is allowed, because no byte is used.
    """
    options = replace(download_options, allow_http=True)
    items = []
    for spec in specs:
        for file in spec.files:
            items += [(spec, file, source) for source in file.sources]
    silent_hosts: dict[str, str] = {}
    answers = count(1)
    lock = threading.Lock()

    def check(item: tuple[ModelSpec, SourceFile, Source]) -> CheckedSource:
        spec, file, source = item
        state = "good"
        problem = ""
        compared: tuple[str, ...] = ()
        try:
            with DownloadContext(spec, options, pool=pool) as context:
                compared = _ask(source, file, context, silent_hosts)
        except PosezooError as error:
            state = _state_after(error)
            problem = redact_secrets(error.problem)
        with lock:
            show(next(answers))
        return CheckedSource(
            model=spec.full_name,
            file=file.name,
            source=redact_secrets(str(source)),
            type=type_name(source),
            host=_address(source).hostname or "",
            state=state,
            compared=compared,
            problem=problem,
            path=spec.path,
            line=find_line(spec.path, source) if state in BAD_STATES else 0,
        )

    bar = counting_bar("sources", len(items), "source", quiet=quiet)
    with ConnectionPool(options) as pool, bar as show:
        return tuple(pool.run_all(check, items))


def _ask(
    source: Source,
    file: SourceFile,
    context: DownloadContext,
    silent_hosts: dict[str, str],
) -> tuple[str, ...]:
    """Ask a source, again if it fails temporarily, and return what was compared.

    Args:
        silent_hosts: the problems of hosts that are not asked any more.
    """

    def ask() -> tuple[str, ...]:
        problem = silent_hosts.get(_address(source).netloc)
        if problem:
            raise SourceError(problem, temporary=True)
        return _ask_once(source, file, context)

    try:
        return ask_again(ask, context.options.limits)
    except TransientSourceError as error:
        if error.silent_host:
            silent_hosts[error.silent_host] = error.problem
        raise


def _ask_once(source: Source, file: SourceFile, context: DownloadContext) -> tuple[str, ...]:
    source_type = find_source_type(source)
    if source_type.check:
        return source_type.check(source, file, context)

    def first_byte(context: DownloadContext) -> tuple[str, ...]:
        with source_type.open(source, file, context, ResumeState()) as stream:
            next(stream.pieces, b"")
            if stream.size is None or file.size is None:
                return ()
            if stream.size != file.size:
                raise SizeError(f"has {stream.size} bytes, {file.size} are declared")
            return ("size",)

    try:
        return first_byte(context.probing())
    except RangeMismatchError:  # another size, or a server whose ranges are wrong
        return first_byte(context)


def _state_after(error: PosezooError) -> str:
    if isinstance(error, (SizeError, DigestError)):
        return "changed"
    is_installed = not isinstance(error.__cause__, (MissingPackageError, ImportError))
    if not is_installed or not isinstance(error, DownloadError):
        return "unchecked"
    if isinstance(error, LocalSettingsError) or isinstance(error.__cause__, InvalidProxyURL):
        return "unreachable"
    if getattr(error, "refused", False):
        return "refused"
    return "unreachable" if getattr(error, "temporary", False) else "dead"


def _address(source: Source) -> SplitResult:
    try:
        return urlsplit(str(source))
    except ValueError:  # an invalid address, which the request reports
        return urlsplit("")


def find_line(path: Path, source: Source) -> int:
    """The line of model.yml with the longest text of a source: its URL, id or member; 0 if there is
    none.
    """
    texts: Iterable[object] = (getattr(source, each.name) for each in fields(source))
    wanted = max(
        (str(text) for text in texts if isinstance(text, (str, Path))), key=len, default=""
    )
    try:
        lines = read_regular_text(path, "replace").splitlines()
    except OSError:
        return 0
    return next((number for number, line in enumerate(lines, 1) if wanted and wanted in line), 0)
