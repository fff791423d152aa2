"""The front matter of a card: YAML metadata that model hubs read."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from posezoo.cards.markdown import is_safe_url, one_line
from posezoo.facts.labels import format_protocol, join
from posezoo.facts.model_facts import ModelFacts
from posezoo.spec.model import ModelSpec, Precision

#: Licenses that hubs know by their SPDX identifier in lower case; for any other license they use ``other``.
_KNOWN = ("apache-2.0", "mit", "bsd-2-clause", "bsd-3-clause", "isc", "cc-by-4.0", "cc-by-nc-4.0", "gpl-3.0")
_PIPELINES = {"detection": "object-detection"}


def draw_front_matter(facts: ModelFacts, note: str) -> str:
    """The lines from ``---`` to ``---``.

    Args:
        facts: the facts of the card's model.
        note: one line that says how the card was generated.
    """
    task = facts.model.task
    int8 = ["int8"] if any(Precision.FP16_INT8 in part.precisions for part in facts.parts) else []
    lines = ["---", f"# {note}", *_license(facts.parts), "library_name: openvino"]
    lines.append(f"pipeline_tag: {_PIPELINES.get(task, 'keypoint-detection')}")
    # The model was not trained again, so no base model is named.
    lines.append(f"tags: {_quoted(['openvino', task.replace('_', '-'), *int8])}")
    return "\n".join([*lines, *_results(facts), "---"])


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


def _results(facts: ModelFacts) -> list[str]:
    """The published accuracy as a model index; fractions become percentages."""
    claims = [claim for part in facts.parts for claim in part.published.accuracy if claim.dataset]
    if not claims:
        return []
    lines = ["model-index:", f"  - name: {_quoted(facts.name)}", "    results:"]
    for claim in claims:
        value = claim.value if claim.metric == "MPJPE" else float(f"{claim.value * 100:.6g}")
        name = join(claim.metric, format_protocol(claim))
        kind = "coco" if claim.dataset.startswith("COCO") else "other"
        lines += [
            "      - task: {type: keypoint-detection}",
            f"        dataset: {{type: {kind}, name: {_quoted(claim.dataset)}}}",
            f"        metrics: [{{type: {claim.metric}, name: {_quoted(name)}, value: {value:g}}}]",
        ]
    return lines


def _quoted(value: str | list[str]) -> str:
    """A text or a list of texts in a form that is the same in YAML and JSON.

    Characters with a meaning in Markdown or HTML are escaped: some readers show front matter as text.
    """
    if isinstance(value, list):
        return f"[{', '.join(map(_quoted, value))}]"
    quoted = json.dumps(one_line(value), ensure_ascii=False)
    return re.sub(r"[<>&\[\]`*|~]", lambda match: f"\\u{ord(match.group()):04x}", quoted)
