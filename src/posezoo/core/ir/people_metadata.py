"""How the people are found that a network takes one at a time, as the metadata of its IR say: the
section ``posezoo``, ``pipeline`` of its rt_info, and its keys.

The keys are those of ``people`` in model.yml::

    photo           the model that detects them in a photo, or ``the whole image``
    video           the same for a video, or ``tracking``
    whole_image     if the detector finds nobody, the whole image is one person, who is kept with
                    this score or more, 0..1; absent if nobody is found then
    detectors       the limits with each detector that was measured with the model, in JSON; absent
                    if there are none

One more key, ``preparation``, is ``unstated`` if nothing says how images are prepared; it is here
because it says nothing of the network itself.

An export adds what its programs need (``export.people_programs``).
"""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

from posezoo.core.declarations.model import WHOLE_IMAGE, People
from posezoo.core.regular_files import read_regular_bytes

PIPELINE = "pipeline"
UNSTATED = "unstated"

# The version of OpenVINO that wrote an IR, on a line of its own. Before 2026.2, OpenVINO writes
# none.
_STAMP = re.compile(rb'[\t ]*<info name="OpenVINO Runtime" value="([^"]*)" />\r?\n?')
# The beginning of the metadata of the network: those of its layers are before it.
_METADATA = re.compile(rb".*<rt_info>(\r?\n)", re.DOTALL)

# OpenVINO writes each key on a line of its own.
_SECTION = re.compile(rb"[\t ]*<pipeline>.*?</pipeline>\r?\n?", re.DOTALL)


def describe_people(people: People | None) -> dict[str, str]:
    """The metadata by key; empty if model.yml does not say how people are found."""
    if people is None:
        return {}
    facts = {"photo": people.photo, "video": people.video}
    if people.whole_image is not None and people.photo != WHOLE_IMAGE:
        facts["whole_image"] = f"{people.whole_image:g}"
    if people.detectors:
        limits = {name: limits.stated() for name, limits in people.detectors.items()}
        facts["detectors"] = json.dumps(limits, sort_keys=True)
    return facts


def read_stamp(xml: Path) -> str:
    """The version of OpenVINO that an .xml names; empty if it names none."""
    found = _STAMP.search(read_regular_bytes(xml))
    return found[1].decode() if found else ""


def list_equal_digests(xml: Path, stamp: str) -> set[str]:
    """The SHA-384 that an .xml has, and would have with another stamp or without one: these are of
    the same network.

    Args:
        stamp: as from ``read_stamp``; empty if it is unknown.
    """
    own = read_regular_bytes(xml)
    unstamped = _STAMP.sub(b"", own)
    texts = {own, unstamped, _with_stamp(unstamped, stamp)}
    return {hashlib.sha384(text).hexdigest() for text in texts}


def _with_stamp(unstamped: bytes, stamp: str) -> bytes:
    found = _METADATA.match(unstamped)
    if not found:
        return unstamped
    line = b'\t\t<info name="OpenVINO Runtime" value="%b" />%b' % (stamp.encode(), found[1])
    return unstamped[: found.end()] + line + unstamped[found.end() :]


def digest_network(xml: Path) -> str:
    """The SHA-384 of an .xml without this section: a network stays the same if its people are found
    in another way.
    """
    network, section, description = read_regular_bytes(xml).partition(b"<posezoo>")
    content = network + section + _SECTION.sub(b"", description)
    return hashlib.sha384(content).hexdigest()
