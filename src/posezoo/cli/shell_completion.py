"""What TAB offers: verbs, flags, values and the names of models. argcomplete talks to the
shells.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from posezoo.cli.parsers import Args
from posezoo.console.completer import Completer
from posezoo.core.plugins import LazyTable

#: What features complete, by the placeholder or the name of the argument.
_COMPLETERS = LazyTable("completers", Completer, {})

SHELLS = ("bash", "zsh", "fish")


def shell_script(shell: str) -> str:
    """The set-up of a shell: "bash", "zsh" or "fish"."""
    from argcomplete.shell_integration import shellcode

    script = shellcode(["posezoo"], shell=shell)
    # zsh shows "--" behind a value whose description is empty, such as the name of a model.
    return script.replace("_describe", 'completions=("${completions[@]%:}"); _describe', 1) + "\n"


def answer(top: argparse.ArgumentParser, verbs: Iterable[argparse.ArgumentParser]) -> None:
    """Tell the shell how its line continues, and end the process."""
    import argcomplete
    from argcomplete.completers import DirectoriesCompleter, FilesCompleter

    from posezoo.core.declarations.model import Precision, list_frameworks
    from posezoo.core.declarations.model_yml import TASKS

    # By the placeholder in help texts; any other value cannot be completed.
    completers: dict[str, Callable[..., Iterable[str]]] = {
        "DIR": DirectoriesCompleter(),
        **dict.fromkeys(("FILE", "IMAGE", "PHOTO", "INPUT", "PATH", "DIR|URL"), FilesCompleter()),
        **dict.fromkeys(("MODEL", "MODEL|FILE", "MODEL|XML", "MODEL|XML|FILE"), _model_names),
        **dict.fromkeys(("precision", "P[,P]"), lambda **_: tuple(Precision)),
        "DEVICE": lambda **_: ("AUTO", "CPU", "GPU", "NPU"),
        "FRAMEWORK": lambda **_: tuple(list_frameworks()),
        "TASK": lambda **_: tuple(TASKS),
        **dict(_COMPLETERS.items()),
    }
    for parser in verbs:
        for action in parser._actions:
            if action.choices is None:
                name = action.metavar if isinstance(action.metavar, str) else action.dest
                action.completer = completers.get(name, lambda **_: ())  # type: ignore[attr-defined]
    argcomplete.autocomplete(top, always_complete_options=False)


def _model_names(parsed_args: Args, **_: object) -> Iterator[str]:
    from posezoo.cli.flags import settings_from_args
    from posezoo.core.declarations.safe_names import explain_invalid_model_name
    from posezoo.core.registry import open_registry

    # The shell passes ~/models unexpanded.
    roots = [Path(root).expanduser() for root in settings_from_args(parsed_args).models_dir]
    # The shell would expand a name such as $(...), so such a name is not offered.
    registry = open_registry(roots)
    names = [*registry.entries]
    for others in registry.other_names:
        names += others.aliases
    return (name for name in names if not explain_invalid_model_name(name))
