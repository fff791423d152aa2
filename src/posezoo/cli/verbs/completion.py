"""posezoo completion: print a script for a shell, so that TAB completes verbs, flags, values and models.

For each TAB, a script may call ``posezoo completion --names``, which lists folders and reads no file.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from posezoo.cli import flags
from posezoo.cli.flags import Flag

SUMMARY = "print a script for a shell, so that TAB completes verbs, flags and models"

EXAMPLES = """
posezoo completion bash > ~/.local/share/bash-completion/completions/posezoo
posezoo completion zsh > ~/.zfunc/_posezoo      # with fpath+=~/.zfunc before compinit in ~/.zshrc
posezoo completion fish > ~/.config/fish/completions/posezoo.fish

only for the current shell:
source <(posezoo completion bash)      # the same in zsh
posezoo completion fish | source
"""

SHELLS = ("bash", "zsh", "fish")

USAGE = "%(prog)s [-h] [--models_dir DIR] SHELL"

FLAGS = (
    Flag("shell SHELL", ", ".join(SHELLS), nargs="?", choices=SHELLS),
    Flag("--names", argparse.SUPPRESS),  # for the scripts
    "models_dir",
)


def run(args: argparse.Namespace) -> int:
    """Print the script of a shell, or the names of all models and composites, one per line."""
    if args.names:
        from posezoo.registry import open_registry
        from posezoo.spec.safe_names import explain_invalid_model_name

        roots = flags.settings_from_args(args).models_dir
        # The shell passes ~/models unexpanded.
        for name in open_registry([Path(root).expanduser() for root in roots]).entries:
            # The shell would expand a name such as $(...), so such a name must not be printed.
            if not explain_invalid_model_name(name):
                print(name)
        return 0
    if args.shell is None:
        args.parser.error(f"name a shell: {', '.join(SHELLS)}")
    from posezoo.cli.completion_scripts import draw_completion_script

    print(draw_completion_script(args.shell), end="")
    return 0
