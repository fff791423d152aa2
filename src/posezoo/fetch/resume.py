"""A large file from the first of its addresses that gives it, gone on with where it broke off.

What has come stays in a part beside the target, also when the run ends; whether all of it together is what
was promised shows at the end, so that it does not matter which server gave which bytes.
"""

from __future__ import annotations

import time
from itertools import count
from pathlib import Path

from posezoo.errors import DigestError, FetchError, PosezooError, SizeError, SourceError
from posezoo.events import (
    ModelFileDownloadBegin,
    ModelFileDownloadEnd,
    ModelFileDownloadProgress,
    ModelFileUpToDate,
)
from posezoo.fetch.errand import Errand
from posezoo.fetch.faults import TemporaryError
from posezoo.fetch.part import Part, claim
from posezoo.fetch.transfer import pause
from posezoo.files import digest_of, is_good_file, stamp
from posezoo.spec.model import SourceFile

_PROGRESS_EVERY_S = 0.1


def transfer_large(file: SourceFile, target: Path, errand: Errand) -> None:
    """Bring a file to its place, unless it is there.

    Args:
        file: what is promised: a size, a digest, and addresses.
        target: its final name.
        errand: the means, and whom to tell.

    Raises:
        FetchError: no address gave it; what came so far is kept for the next run, unless it is wrong.
        OutputError: it cannot be written.
    """
    if is_good_file(target, file):
        errand.tell(ModelFileUpToDate(errand.model, file.name))
        return
    with claim(target, lambda: errand.warn(f"{file.name}: waiting for another run that fetches it")) as part:
        if is_good_file(target, file):  # by the run that we waited for
            return
        part.keep()
        errors: list[FetchError] = []
        for source in file.sources:
            errand.tell(ModelFileDownloadBegin(errand.model, file.name, file.size or 0, str(source)))
            try:
                _fill(file, str(source), part, errand)
            except PosezooError as error:
                errand.tell(ModelFileDownloadEnd(errand.model, file.name, False, error.problem))
                if not isinstance(error, FetchError):
                    raise
                errors.append(error)
                errand.warn(f"{file.name}: {source}: {error.problem}")
            else:
                errand.tell(ModelFileDownloadEnd(errand.model, file.name, True))
                break
        else:
            raise _failure(file, errors, part.size)
        part.publish()
    assert file.checksum is not None
    stamp(target, file.checksum)


def _fill(file: SourceFile, url: str, part: Part, errand: Errand) -> None:
    """The rest of the part from one address, asked again where that may help, and all of it checked."""
    for attempt in count(1):
        before = part.size
        try:
            _ask(file, url, part, errand)
            break
        except TemporaryError as error:
            came = part.size > before  # a server that gives a piece each time is worth another one
            if not came and attempt >= errand.means.attempts:
                raise
            pause_s = pause(1 if came else attempt, error.wait_s)
            errand.warn(f"{file.name}: {error.problem}; going on behind {part.size} bytes in {pause_s:.1f} s")
            errand.sleep(pause_s)
    promised = file.checksum
    if promised is not None and (actual := digest_of(part.path, promised.algorithm)) != promised:
        part.restart()
        raise DigestError(
            f"gives bytes of {actual}, declared is {promised}",
            hint="it changed there, or was damaged on its way: try again, from the start",
        )


def _ask(file: SourceFile, url: str, part: Part, errand: Errand) -> None:
    from posezoo.fetch import http

    size = file.size or 0
    if part.size > size:
        part.restart()
    if part.size == size:
        return
    told = 0.0
    with http.opened_from(errand.session(), url, file, errand.means.timeout_s, part.size) as (start, pieces):
        part.restart(start)
        for piece in pieces:
            start += len(piece)
            if start > size:
                part.restart()
                raise SizeError(f"gives more than the declared {size} bytes")
            part.write(piece)
            if (now := time.monotonic()) - told >= _PROGRESS_EVERY_S or start == size:
                told = now
                errand.tell(ModelFileDownloadProgress(errand.model, file.name, start))
    if start < size:
        raise TemporaryError(f"the connection broke after {start} of {size} bytes")


def _failure(file: SourceFile, errors: list[FetchError], size: int) -> FetchError:
    reasons = "; ".join(
        f"{source}: {error.problem}" for source, error in zip(file.sources, errors, strict=True)
    )
    if size:
        hint = f"the same command goes on behind the {size} bytes that are here"
    else:
        hint = next((error.hint for error in errors if error.hint), "check the network and any proxy")
    kind = type(errors[0]) if len({type(error) for error in errors}) == 1 else FetchError
    if kind not in (DigestError, SizeError):
        kind = SourceError
    return kind(f"{file.name}: {reasons}", hint=hint)
