"""The verbs of ``posezoo``: each is a module with ``EXAMPLES``, ``FLAGS`` and ``run(args) -> int``;
some have their own ``USAGE``.
"""

import json
from pathlib import Path

#: The summaries of the verbs, below the headings of the help. The help of the whole command line
#: needs nothing else: importing all verbs takes several times as long.
VERB_GROUPS: dict[str, dict[str, str]] = json.loads(
    Path(__file__).with_name("summaries.json").read_text("utf-8")
)

SUMMARIES = {name: text for group in VERB_GROUPS.values() for name, text in group.items()}
