"""Generates completion scripts for bash, zsh and fish from the parsers of the command line.

Each script finds the verb: it is the first word of the command that is not a flag. The script contains the
words that may follow each verb. To complete the name of a model, it calls ``posezoo completion --names`` with
the --models_dir of the current command line. (shtab 1.13 was tried: in bash, it completes no --flag=VALUE.)
"""

from __future__ import annotations

import argparse
import re
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TypeVar

from posezoo.networks import NETWORKS
from posezoo.spec.model import Precision

T = TypeVar("T")

#: The kind of a value, by its placeholder in help texts; a value of any other kind cannot be completed.
KINDS = {
    "DIR": "folder",
    "FILE": "file",
    "IMAGE": "file",
    "DIR|URL": "file",
    "MODEL": "model",
    "MODEL|FILE": "model",
    "MODEL|XML": "model",
}

#: The words to offer for a value that is checked by a function and not by argparse's ``choices``.
CHOICES = {"precision": tuple(Precision), "P[,P]": tuple(Precision), "NETWORK": tuple(NETWORKS)}


def draw_completion_script(shell: str) -> str:
    """The script for "bash" (3.2 and newer, as on macOS), "zsh" or "fish" (3.0 and newer)."""
    from posezoo.cli.main import create_parser

    top = create_parser()
    verbs = next(action for action in top._actions if isinstance(action, argparse._SubParsersAction))
    summaries = {verb.dest: verb.help or "" for verb in verbs._choices_actions}
    return SCRIPTS[shell]({"": top, **verbs.choices}, summaries)


def _arguments(parser: argparse.ArgumentParser) -> tuple[list[argparse.Action], argparse.Action | None]:
    """The flags and the first positional argument that the help shows."""
    shown = [action for action in parser._actions if action.help is not argparse.SUPPRESS]
    flags = [action for action in shown if action.option_strings]
    return flags, next((action for action in shown if not action.option_strings), None)


def _name(action: argparse.Action) -> str:
    return action.metavar if isinstance(action.metavar, str) else action.dest


def _complete(action: argparse.Action, offer: Callable[[Iterable[str]], T], by_kind: Mapping[str, T]) -> T:
    """What a script does for a value: it offers words, or completes a value of this kind."""
    if choices := [str(choice) for choice in action.choices or CHOICES.get(_name(action), ())]:
        return offer(choices)
    return by_kind[KINDS.get(_name(action), "any")]


def _lines(lines: Iterable[str], indent: int) -> str:
    return "".join(f"{' ' * indent}{line}\n" for line in lines)


# --- bash


def _bash_script(parsers: Mapping[str, argparse.ArgumentParser], _summaries: Mapping[str, str]) -> str:
    values, words = [], []
    for verb, parser in parsers.items():
        flags, positional = _arguments(parser)
        for flag in flags:
            if flag.nargs != 0:
                patterns = "|".join(shlex.quote(f"{verb} {name}") for name in flag.option_strings)
                values.append(f"{patterns}) {_bash_value(flag)}; return ;;")
        if not verb:
            offered = _bash_offer(filter(None, parsers))
        else:
            offered = ":" if positional is None else _bash_value(positional)
        names = _bash_offer(name for flag in flags for name in flag.option_strings)
        words.append(f"{shlex.quote(f'{verb} -')}) {names} ;;")
        words.append(f"{shlex.quote(f'{verb} ')}) {offered} ;;")
    return _BASH.replace("@VALUES@\n", _lines(values, 8)).replace("@WORDS@\n", _lines(words, 8))


def _bash_offer(words: Iterable[str]) -> str:
    return f"_posezoo_offer {shlex.quote(' '.join(words))}"


def _bash_value(action: argparse.Action) -> str:
    paths = "compopt -o default 2>/dev/null"
    models = '_posezoo_offer "$(_posezoo_names)"'
    return _complete(action, _bash_offer, {"any": ":", "file": paths, "folder": paths, "model": models})


_BASH = r"""# Completion for posezoo, drawn by `posezoo completion bash`.

_posezoo_names() {
    local i next where
    where=()
    for ((i = 1; i < COMP_CWORD; i++)); do
        next=${COMP_WORDS[i + 1]}
        # readline breaks --models_dir=DIR at the sign
        [[ $next == = ]] && next=${COMP_WORDS[i + 2]}
        # as it was typed, with its quotes
        [[ ${COMP_WORDS[i]} == --models_dir ]] && where+=(--models_dir "${next//[\"\'\\]/}")
    done
    "${COMP_WORDS[0]/#\~/$HOME}" completion --names ${where[@]+"${where[@]}"} 2>/dev/null
}

_posezoo_offer() {
    COMPREPLY=($(compgen -W "$1" -- "$current"))
}

_posezoo() {
    local i verb='' current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} dash=''
    COMPREPLY=()
    if [[ $current == = ]]; then
        current=''
    elif [[ $before == = ]]; then
        before=${COMP_WORDS[COMP_CWORD - 2]}
    fi
    for ((i = 1; i < COMP_CWORD; i++)); do
        [[ ${COMP_WORDS[i]} == -* ]] || { verb=${COMP_WORDS[i]}; break; }
    done
    [[ $current == -* ]] && dash=-
    case "$verb $before" in
@VALUES@
    esac
    case "$verb $dash" in
@WORDS@
    esac
}

complete -F _posezoo posezoo
"""


# --- zsh


def _zsh_script(parsers: Mapping[str, argparse.ArgumentParser], summaries: Mapping[str, str]) -> str:
    verbs = [_zsh_quoted(f"{_zsh_escaped(verb)}:{summary}") for verb, summary in summaries.items()]
    top = [*_zsh_flags(_arguments(parsers[""])[0]), "'1: :->verb'", "'*:: :->rest'"]
    rest = []
    for verb in summaries:
        flags, positional = _arguments(parsers[verb])
        arguments = [f"{verb}) _arguments -s", *_zsh_flags(flags)]
        if positional is not None:
            arguments.append(_zsh_quoted(f"*{_zsh_value(positional)}"))
        rest.append(" \\\n                        ".join(arguments) + " ;;")
    return (
        _ZSH.replace("@TOP@\n", _lines((f"{argument} \\" for argument in top), 8))
        .replace("@VERBS@\n", _lines(verbs, 16))
        .replace("@REST@\n", _lines(rest, 16))
    )


def _zsh_flags(flags: Iterable[argparse.Action]) -> Iterator[str]:
    for flag in flags:
        repeats = isinstance(flag, argparse._AppendAction) or flag.nargs == "+"
        prefix = "*" if repeats else f"({' '.join(flag.option_strings)})"
        for name in flag.option_strings:
            sign = "=" if name.startswith("--") else "+"
            help = f"[{_zsh_escaped(flag.help or '')}]"
            value = f"{sign}{help}{_zsh_value(flag)}" if flag.nargs != 0 else help
            yield _zsh_quoted(f"{prefix}{name}{value}")


def _zsh_value(action: argparse.Action) -> str:
    kinds = {"any": " ", "file": "_files", "folder": "_files -/", "model": "_posezoo_names"}
    offered = _complete(action, lambda words: f"({' '.join(map(_zsh_escaped, words))})", kinds)
    return f":{_zsh_escaped(_name(action))}:{offered}"


def _zsh_escaped(text: str) -> str:
    return re.sub(r"([\\:\[\]])", r"\\\1", text)


def _zsh_quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


_ZSH = r"""#compdef posezoo
# Completion for posezoo, drawn by `posezoo completion zsh`.

_posezoo_names() {
    local -a where names
    local -i i
    for ((i = 1; i < CURRENT; i++)); do
        case $words[i] in
            --models_dir) where+=(--models_dir "${(Q)words[i + 1]}") ;;
            --models_dir=*) where+=("${(Q)words[i]}") ;;
        esac
    done
    names=(${(f)"$("$posezoo_command" completion --names $where 2>/dev/null)"})
    compadd -a names
}

_posezoo() {
    local curcontext="$curcontext" state line posezoo_command="${${(Q)words[1]}/#\~/$HOME}"
    local -A opt_args
    local -a verbs
    _arguments -C \
@TOP@
        && return
    case $state in
        verb)
            verbs=(
@VERBS@
            )
            _describe verb verbs
            ;;
        rest)
            case $words[1] in
@REST@
            esac
            ;;
    esac
}

if [[ $funcstack[1] == _posezoo ]]; then
    _posezoo "$@"
else
    compdef _posezoo posezoo
fi
"""


# --- fish


def _fish_script(parsers: Mapping[str, argparse.ArgumentParser], summaries: Mapping[str, str]) -> str:
    lines = []
    for verb, parser in parsers.items():
        here = f"complete -c posezoo -n {_fish_quoted(f'__posezoo_on {verb}'.strip())}"
        flags, positional = _arguments(parser)
        for flag in flags:
            names = [
                f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}"
                for name in flag.option_strings
            ]
            value = _fish_value(flag) if flag.nargs != 0 else []
            lines.append(" ".join((here, *names, *value, f"-d {_fish_quoted(flag.help or '')}")))
        if verb:
            summary = _fish_quoted(summaries[verb])
            lines.append(f"complete -c posezoo -n __posezoo_on -a {verb} -d {summary}")
            offered = [] if positional is None else [part for part in _fish_value(positional) if part != "-x"]
            if offered:
                lines.append(" ".join((here, *offered)))
    return _FISH + _lines(lines, 0)


def _fish_value(action: argparse.Action) -> list[str]:
    kinds = {
        "any": ["-x"],
        "file": ["-r", "-F"],
        "folder": ["-x", "-a '(__fish_complete_directories)'"],
        "model": ["-x", "-a '(__posezoo_names)'"],
    }
    return _complete(action, lambda words: ["-x", f"-a {_fish_quoted(' '.join(words))}"], kinds)


def _fish_quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


_FISH = r"""# Completion for posezoo, drawn by `posezoo completion fish`.

function __posezoo_on -d 'Is this the verb? Without one: is there none yet?'
    set -l words (commandline -opc)
    set -l verb
    for word in $words[2..-1]
        if not string match -q -- '-*' $word
            set verb $word
            break
        end
    end
    test "$verb" = "$argv"
end

function __posezoo_names
    set -l words (commandline -opc)
    set -l where
    for i in (seq (count $words))
        switch $words[$i]
            case --models_dir
                set -a where --models_dir $words[(math $i + 1)]
            case '--models_dir=*'
                set -a where $words[$i]
        end
    end
    set -l command (string replace -r '^~' $HOME -- $words[1])
    $command completion --names $where 2>/dev/null
end

complete -c posezoo -f
"""

SCRIPTS: dict[str, Callable[[Mapping[str, argparse.ArgumentParser], Mapping[str, str]], str]] = {
    "bash": _bash_script,
    "zsh": _zsh_script,
    "fish": _fish_script,
}
