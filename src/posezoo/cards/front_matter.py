"""What a card opens with: YAML that model hubs read."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from posezoo.cards.markdown import is_safe_url, one_line
from posezoo.facts.labels import Model, format_protocol
from posezoo.spec.model import ModelSpec, Precision

#: Identifiers that hubs know by SPDX's name in small letters; any other licence is ``other`` to them.
_KNOWN = ("apache-2.0", "mit", "bsd-2-clause", "bsd-3-clause", "isc", "cc-by-4.0", "cc-by-nc-4.0", "gpl-3.0")
_PIPELINES = {"detection": "object-detection"}


def draw_front_matter(model: Model, parts: Sequence[ModelSpec], note: str) -> str:
    """The lines from ``---`` to ``---``.

    Args:
        model: whose card it is.
        parts: the parts of a composite; a model itself, alone.
        note: who drew the card, a line.
    """
    lines = ["---", f"# {note}", *_license(parts), "library_name: openvino"]
    lines.append(f"pipeline_tag: {_PIPELINES.get(model.task, 'keypoint-detection')}")
    # A model lies here as its publisher made it, an IR as we did: neither is trained anew.
    lines.append(f"tags: {_quoted(['openvino', model.task.replace('_', '-'), *_precisions(parts)])}")
    lines += _results(model, parts)
    return "\n".join([*lines, "---"])


def _license(parts: Sequence[ModelSpec]) -> list[str]:
    licenses = {part.license for part in parts}
    first = parts[0].license
    if len(licenses) == 1 and first.spdx.lower() in _KNOWN:
        return [f"license: {first.spdx.lower()}"]
    names = " and ".join(sorted({each.spdx or "see link" for each in licenses}))
    link = next((each.url for each in licenses if is_safe_url(each.url)), "")
    return [
        "license: other",
        f"license_name: {_quoted(names)}",
        *([f"license_link: {_quoted(link)}"] if link else []),
    ]


def _precisions(parts: Sequence[ModelSpec]) -> list[str]:
    return ["int8"] if any(Precision.FP16_INT8 in part.precisions for part in parts) else []


def _results(model: Model, parts: Sequence[ModelSpec]) -> list[str]:
    """What is published of its accuracy, as a model index; a share as per cent."""
    claims = [claim for part in parts for claim in part.published.accuracy if claim.dataset]
    if not claims:
        return []
    lines = ["model-index:", f"  - name: {_quoted(model.full_name)}", "    results:"]
    for claim in claims:
        value = claim.value if claim.metric == "MPJPE" else float(f"{claim.value * 100:.6g}")
        name = ", ".join(filter(None, (claim.metric, format_protocol(claim))))
        kind = "coco" if claim.dataset.startswith("COCO") else "other"
        lines += [
            "      - task: {type: keypoint-detection}",
            f"        dataset: {{type: {kind}, name: {_quoted(claim.dataset)}}}",
            f"        metrics: [{{type: {claim.metric}, name: {_quoted(name)}, value: {value:g}}}]",
        ]
    return lines


def _quoted(value: str | list[str]) -> str:
    """A text or a list of texts as YAML and JSON write them, whatever is in it.

    What opens anything in Markdown or HTML is escaped: some readers take front matter for a part of the page.
    """
    if isinstance(value, list):
        return f"[{', '.join(map(_quoted, value))}]"
    quoted = json.dumps(one_line(value), ensure_ascii=False)
    return re.sub(r"[<>&\[\]`*|~]", lambda found: f"\\u{ord(found.group()):04x}", quoted)
