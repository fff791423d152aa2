"""What only the site shows, since commands print it: the help of each verb, and the rules for metadata."""

from __future__ import annotations

import os
import re
from collections.abc import Callable


def draw_help() -> str:
    """What ``posezoo help VERB --all`` prints, for each verb."""
    os.environ["COLUMNS"] = "100"
    from posezoo.cli.main import VERBS, create_parser, verb_parsers

    parsers = verb_parsers(create_parser())
    return "\n".join(
        f"## posezoo {verb}\n\n```text\n{parsers[verb].format_help().rstrip()}\n```\n"
        for verb in VERBS
    )


def draw_rules() -> str:
    """What ``posezoo lint --explain all`` prints, as tables."""
    from posezoo.lint.recomputation import ARTIFACT_RULES
    from posezoo.lint.rules import load_rules
    from posezoo.pages.cards.markdown import format_code, format_table

    columns = ["Rule", "Severity", "What must hold", "A mistake that it finds"]
    tables = (
        format_table(
            columns,
            [
                (format_code(rule.id), str(rule.severity), rule.explanation, rule.example)
                for rule in rules
            ],
        )
        for rules in (load_rules().values(), ARTIFACT_RULES.values())
    )
    return "\n\nWith `--artifacts DIR`:\n\n".join(tables)


#: By the mark ``<!-- on the site: NAME -->`` of a page.
PARTS: dict[str, Callable[[], str]] = {"help": draw_help, "rules": draw_rules}

_MARK = re.compile(r"<!-- on the site: (\w+) -->")


def fill_marks(text: str) -> str:
    """A page with what only the site shows."""
    return _MARK.sub(lambda mark: PARTS[mark[1]](), text)
