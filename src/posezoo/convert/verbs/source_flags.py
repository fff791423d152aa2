"""Select what get and convert make IR of: models, and the user's own weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

from posezoo.cli import flags
from posezoo.core.registry import Selection
from posezoo.core.resolve.stage_context import Context
from posezoo.run.verbs.run_flags import select_subjects

if TYPE_CHECKING:
    from posezoo.cli.model_jobs import Select
    from posezoo.console.console import Console


def select_sources(args: flags.ModelsArgs, context: Context) -> Select:
    """Select the models whose IR are made, and weights as models of their own."""
    patterns = flags.patterns_from_args(args)

    def select(console: Console) -> Selection:
        return select_subjects(patterns, context, console, takes_files=False)[1]

    return select
