"""Read a file of a repository on the Hugging Face Hub, or of the local cache of the hub's own
library.

The environment variables are those of that library: HF_ENDPOINT is the URL of another hub, HF_TOKEN
is the access token, and HF_HUB_CACHE, HF_HOME or XDG_CACHE_HOME set the folder of its cache:
https://huggingface.co/docs/huggingface_hub/package_reference/environment_variables
"""

from __future__ import annotations

import os
from contextlib import AbstractContextManager, suppress
from functools import partial
from pathlib import Path
from urllib.parse import quote

from posezoo.core.declarations.model import SourceFile
from posezoo.core.declarations.sources import HuggingFaceSource
from posezoo.core.download.candidates import (
    ByteStream,
    Candidate,
    CandidateKind,
    ResumeState,
    open_local_file,
)
from posezoo.core.download.context import DownloadContext
from posezoo.core.download.parallel_ranges import open_url
from posezoo.core.download.source_types import SourceType
from posezoo.core.errors import SourceError
from posezoo.core.http_headers import HostHeader

_HUB = "https://huggingface.co"


def open_hugging_face(
    source: HuggingFaceSource, file: SourceFile, context: DownloadContext, resume: ResumeState
) -> AbstractContextManager[ByteStream]:
    """Read a file from the hub; the token is sent only to the hub, not to hosts that it redirects
    to.
    """
    hub = (os.environ.get("HF_ENDPOINT") or _HUB).rstrip("/")
    token = os.environ.get("HF_TOKEN", "").strip()
    headers: tuple[HostHeader, ...] = ()
    if token:
        if not token.isascii() or not token.isprintable() or " " in token:
            raise SourceError("HF_TOKEN is not a token", hint="check HF_TOKEN: it is one word")
        try:
            headers = (HostHeader.for_url(hub, "Authorization", f"Bearer {token}"),)
        except ValueError as error:
            raise SourceError(
                "HF_ENDPOINT is not a URL", hint=f"set it to {_HUB}, or remove it"
            ) from error
    context = context.with_options(named_urls=(hub,))
    url = f"{hub}/{source.repository}/resolve/{source.revision}/{quote(source.file)}"
    return open_url(url, file, context, resume, headers=headers)


def find_in_local_cache(source: HuggingFaceSource) -> Candidate | None:
    """The copy in the local cache of the hub's own library; None if there is none."""
    folder = "--".join(["models", *source.repository.split("/")])
    cache = os.environ.get("HF_HUB_CACHE") or os.environ.get("HUGGINGFACE_HUB_CACHE")
    if not cache:
        user_cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
        cache = f"{os.environ.get('HF_HOME') or f'{user_cache}/huggingface'}/hub"
    path = Path(cache, folder, "snapshots", source.revision, source.file)
    with suppress(RuntimeError):  # the user has no home folder
        path = path.expanduser()
    if not os.path.exists(path):
        return None
    return Candidate(str(path), CandidateKind.MIRROR, partial(open_local_file, path), path)


SOURCE_TYPE = SourceType(HuggingFaceSource, open_hugging_face, find_local_copy=find_in_local_cache)
