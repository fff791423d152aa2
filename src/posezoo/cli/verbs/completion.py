"""posezoo completion: scripts for shells, so that TAB completes verbs, flags, their values and models.

The scripts are drawn from the parsers. Only the names of models are asked for at each TAB, by
``posezoo completion --names``, which finds folders and reads no file.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from posezoo.cli import flags

EXAMPLES = """
posezoo completion bash > ~/.local/share/bash-completion/completions/posezoo
posezoo completion zsh > ~/.zfunc/_posezoo      # with fpath+=~/.zfunc before compinit in ~/.zshrc
posezoo completion fish > ~/.config/fish/completions/posezoo.fish

for the shell that runs now: source <(posezoo completion bash), the same for zsh;
posezoo completion fish | source
"""

SHELLS = ("bash", "zsh", "fish")


def add_parser(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    """The verb's flags."""
    parser = flags.add_verb(
        verbs, "completion", "print a script that teaches a shell to complete posezoo's words", EXAMPLES
    )
    parser.add_argument("shell", nargs="?", choices=SHELLS, metavar="SHELL", help=", ".join(SHELLS))
    # What the scripts ask, not people.
    parser.add_argument("--names", action="store_true", help=argparse.SUPPRESS)
    flags.add_flags(parser, "models_dir")
    return parser


def run(args: argparse.Namespace) -> int:
    """Print the script of a shell; or the names of all models and composites, one a line."""
    if args.names:
        for name in _names(args):
            print(name)
        return 0
    if args.shell is None:
        args.parser.error(f"name a shell: {', '.join(SHELLS)}")
    from posezoo.cli.completion_scripts import SCRIPTS, list_verbs

    print(SCRIPTS[args.shell](list_verbs()), end="")
    return 0


def _names(args: argparse.Namespace) -> list[str]:
    from posezoo.registry import open_registry
    from posezoo.spec.safe_names import explain_invalid_model_name

    roots = flags.settings_from_args(args).models_dir
    # A shell hands over ~/models as it is typed.
    registry = open_registry([Path(root).expanduser() for root in roots])
    # Shells expand what they are given: a folder called $(...) is no name and must not reach them.
    return [name for name in registry.entries if not explain_invalid_model_name(name)]
