"""Replace parts of a downloaded text by regular expressions, with a time limit.

``re`` cannot be interrupted, and a pattern from a model.yml may never end on a downloaded text. So it runs in
a child process that is killed at the time limit.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from posezoo.errors import DownloadError
from posezoo.spec.model import RegexReplace

#: The texts of Open Model Zoo have at most 0.3 MB, and replacing takes milliseconds.
TIMEOUT_S = 10.0
MAX_BYTES = 16 << 20

# ``problem`` is empty if all replacements succeeded.
_CHILD = """
import json, re, sys
job = json.load(sys.stdin)
text, problem = job["text"], ""
for pattern, replacement, count in job["steps"]:
    try:
        text, done = re.subn(pattern, replacement, text, count)
    except (re.error, IndexError) as error:
        problem = f"{pattern!a} cannot be replaced by {replacement!a}: {error}"
        break
    if done == 0 or count not in (0, done):
        problem = f"{pattern!a} was found {done} times, expected {count or 'at least 1'}"
        break
    if len(text) > job["limit"]:
        problem = f"replacing {pattern!a} makes it longer than {job['limit']} characters"
        break
json.dump({"text": text, "problem": problem}, sys.stdout)
"""


def replace_text(name: str, published: Path, steps: Sequence[RegexReplace]) -> str:
    """The text of a published file after all replacements, in order; lines end with a newline.

    Args:
        name: the file's name in errors.
        published: the file, UTF-8.

    Raises:
        DownloadError: the file is not a text, does not match a pattern, or replacing takes too long.
    """
    job = {
        "text": _text_of(name, published),
        "steps": [[step.pattern, step.replacement, step.count] for step in steps],
        "limit": MAX_BYTES,
    }
    try:
        ended = subprocess.run(
            [sys.executable, "-I", "-S", "-c", _CHILD],
            input=json.dumps(job).encode(),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=TIMEOUT_S,
            check=True,
        )
        answer: dict[str, str] = json.loads(ended.stdout)
    except subprocess.TimeoutExpired as error:
        raise DownloadError(
            f"{name}: replacing text takes longer than {TIMEOUT_S:g} s",
            hint="simplify the pattern in model.yml",
        ) from error
    except (OSError, subprocess.CalledProcessError, ValueError) as error:
        raise DownloadError(f"{name}: text cannot be replaced: {error}") from error
    if answer["problem"]:
        raise DownloadError(f"{name}: {answer['problem']}", hint="check the postprocessing in model.yml")
    return answer["text"]


def _text_of(name: str, published: Path) -> str:
    try:
        if published.stat().st_size > MAX_BYTES:
            raise DownloadError(f"{name}: is larger than {MAX_BYTES} bytes: too large to replace text in")
        return published.read_text("utf-8")  # converts line ends to newlines, as Open Model Zoo does
    except FileNotFoundError as error:
        raise DownloadError(
            f"{name}: does not exist: neither published nor in an archive",
            hint="check the postprocessing in model.yml",
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise DownloadError(f"{name}: cannot be read as UTF-8 text: {error}") from error
