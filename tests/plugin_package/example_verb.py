"""The verb ``posezoo todo``: it has flags of posezoo, and one of its own."""

from __future__ import annotations

from posezoo.api import Args, Flag, Verb, context_from_args


class TodoArgs(Args):
    word: str


def run(args: TodoArgs) -> int:
    """Print the models whose description has the word; 1 if there is one."""
    registry = context_from_args(args).registry
    models = registry.select(None).models
    found = [spec.full_name for spec in models if args.word in spec.description]
    print("\n".join(found))  # noqa: T201 a verb prints
    return 1 if found else 0


VERB = Verb(
    "list models whose description is not finished",
    run,
    (
        Flag("--word WORD", "the word to look for (default: TODO)", default="TODO"),
        "models_dir registries",
    ),
    "posezoo todo --models_dir models",
)
