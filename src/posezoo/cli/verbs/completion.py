"""posezoo completion: print the set-up of a shell, so that TAB completes verbs, flags, values and
models.
"""

from __future__ import annotations

from posezoo.cli.flags import Flag
from posezoo.cli.parsers import Args
from posezoo.cli.shell_completion import SHELLS, shell_script

EXAMPLES = """
posezoo completion fish | source       # for the current shell alone
source <(posezoo completion bash)      # the same in bash and zsh

for each new shell:
mkdir -p ~/.local/share/bash-completion/completions
posezoo completion bash > ~/.local/share/bash-completion/completions/posezoo
mkdir -p ~/.zfunc                      # with fpath+=~/.zfunc before compinit in ~/.zshrc
posezoo completion zsh > ~/.zfunc/_posezoo
mkdir -p ~/.config/fish/completions
posezoo completion fish > ~/.config/fish/completions/posezoo.fish
"""

FLAGS = (Flag("shell", "the shell", choices=SHELLS),)


class _CompletionArgs(Args):
    shell: str


def run(args: _CompletionArgs) -> int:
    """Print the script of a shell."""
    print(shell_script(args.shell), end="")
    return 0
