"""What each word of the command line may be, drawn from the parsers as scripts for bash, zsh and fish.

All three work alike: they find the command's first word that is no flag, the verb; what may follow
it is written into the script. Where a model is wanted they ask ``posezoo completion --names`` with the
--models_dir of the line that is being typed.
"""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum

from posezoo.networks import NETWORKS
from posezoo.spec.model import Precision


class CompletionKind(Enum):
    """What a value is, where it is not one of a few words."""

    TEXT = "anything"
    FILE = "a file or folder"
    FOLDER = "a folder"
    MODELS = "a model or composite"


#: What the placeholders of our help stand for.
KINDS = {
    "DIR": CompletionKind.FOLDER,
    "FILE": CompletionKind.FILE,
    "IMAGE": CompletionKind.FILE,
    "DIR|URL": CompletionKind.FILE,
    "MODEL": CompletionKind.MODELS,
    "MODEL|FILE": CompletionKind.MODELS,
}

#: What is offered where a parser checks its value with a function of its own.
KNOWN = {"precision": tuple(Precision), "P[,P]": tuple(Precision), "NETWORK": tuple(NETWORKS)}


@dataclass(frozen=True, slots=True)
class CompletionValue:
    """What a flag or a word takes: one of ``choices``, or something of a kind."""

    name: str
    kind: CompletionKind
    choices: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CompletionFlag:
    """A flag by all its names; ``value`` is None for a switch."""

    names: tuple[str, ...]
    help: str
    value: CompletionValue | None
    repeats: bool


@dataclass(frozen=True, slots=True)
class CompletionVerb:
    """What may follow a verb."""

    help: str
    flags: tuple[CompletionFlag, ...]
    words: CompletionValue | None  # that are no flags

    @property
    def names(self) -> list[str]:
        """All flags, long and short."""
        return [name for flag in self.flags for name in flag.names]


def list_verbs() -> dict[str, CompletionVerb]:
    """Every verb of posezoo; by an empty name what stands in place of a verb."""
    from posezoo.cli.main import create_parser

    top = create_parser()
    verbs = next(action for action in top._actions if isinstance(action, argparse._SubParsersAction))
    summaries = {each.dest: each.help or "" for each in verbs._choices_actions}
    found = {"": _command(top, "")}
    found.update({name: _command(verbs.choices[name], summaries[name]) for name in verbs.choices})
    return found


def _command(parser: argparse.ArgumentParser, summary: str) -> CompletionVerb:
    shown = [action for action in parser._actions if action.help is not argparse.SUPPRESS]
    flags = tuple(_flag(action) for action in shown if action.option_strings)
    words = next((_value(action) for action in shown if not action.option_strings), None)
    return CompletionVerb(summary, flags, words)


def _flag(action: argparse.Action) -> CompletionFlag:
    value = None if action.nargs == 0 else _value(action)
    repeats = isinstance(action, argparse._AppendAction) or action.nargs == "+"
    return CompletionFlag(tuple(action.option_strings), action.help or "", value, repeats)


def _value(action: argparse.Action) -> CompletionValue:
    name = action.metavar if isinstance(action.metavar, str) else action.dest
    choices = tuple(str(each) for each in action.choices or KNOWN.get(name, ()))
    return CompletionValue(name, KINDS.get(name, CompletionKind.TEXT), choices)


def bash_script(found: Mapping[str, CompletionVerb]) -> str:
    """The script for bash, 3.2 (macOS) and newer."""
    return _BASH.replace("@VALUES@\n", _lines(_bash_values(found), 8)).replace(
        "@WORDS@\n", _lines(_bash_words(found), 8)
    )


def _bash_values(found: Mapping[str, CompletionVerb]) -> Iterator[str]:
    for verb, command in found.items():
        for flag in command.flags:
            if flag.value is not None:
                patterns = "|".join(shlex.quote(f"{verb} {name}") for name in flag.names)
                yield f"{patterns}) {_bash_action(flag.value)}; return ;;"


def _bash_action(value: CompletionValue) -> str:
    if value.choices:
        return f"_posezoo_offer {shlex.quote(' '.join(value.choices))}"
    return {
        CompletionKind.TEXT: ":",
        CompletionKind.FILE: "compopt -o default 2>/dev/null",
        CompletionKind.FOLDER: "compopt -o default 2>/dev/null",
        CompletionKind.MODELS: '_posezoo_offer "$(_posezoo_names)"',
    }[value.kind]


def _bash_words(found: Mapping[str, CompletionVerb]) -> Iterator[str]:
    verbs = " ".join(filter(None, found))
    for verb, command in found.items():
        flags = f"_posezoo_offer {shlex.quote(' '.join(command.names))}"
        words = f"_posezoo_offer {shlex.quote(verbs)}" if not verb else ":"
        if verb and command.words is not None:
            words = _bash_action(command.words)
        yield f"{shlex.quote(f'{verb} -')}) {flags} ;;"
        yield f"{shlex.quote(f'{verb} ')}) {words} ;;"


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


def zsh_script(found: Mapping[str, CompletionVerb]) -> str:
    """The script for zsh."""
    verbs = [_zsh_quoted(f"{_zsh_escaped(name)}:{found[name].help}") for name in found if name]
    top = [*_zsh_flags(found[""]), "'1: :->verb'", "'*:: :->rest'"]
    return (
        _ZSH.replace("@TOP@\n", _lines((f"{spec} \\" for spec in top), 8))
        .replace("@VERBS@\n", _lines(verbs, 16))
        .replace("@REST@\n", _lines(_zsh_rest(found), 16))
    )


def _zsh_rest(found: Mapping[str, CompletionVerb]) -> Iterator[str]:
    for verb, command in found.items():
        if verb:
            specs = [*_zsh_flags(command)]
            if command.words is not None:
                specs.append(_zsh_quoted(f"*{_zsh_value(command.words)}"))
            yield " \\\n                        ".join((f"{verb}) _arguments -s", *specs)) + " ;;"


def _zsh_flags(command: CompletionVerb) -> Iterator[str]:
    for flag in command.flags:
        alone = "" if flag.repeats else f"({' '.join(flag.names)})"
        text = f"[{_zsh_escaped(flag.help)}]"
        for name in flag.names:
            sign = "" if flag.value is None else "=" if name.startswith("--") else "+"
            value = _zsh_value(flag.value) if flag.value is not None else ""
            yield _zsh_quoted(f"{'*' if flag.repeats else alone}{name}{sign}{text}{value}")


def _zsh_value(value: CompletionValue) -> str:
    kinds = {
        CompletionKind.TEXT: " ",
        CompletionKind.FILE: "_files",
        CompletionKind.FOLDER: "_files -/",
        CompletionKind.MODELS: "_posezoo_names",
    }
    action = f"({' '.join(map(_zsh_escaped, value.choices))})" if value.choices else kinds[value.kind]
    return f":{_zsh_escaped(value.name)}:{action}"


def _zsh_escaped(text: str) -> str:
    for character in "\\:[]":
        text = text.replace(character, f"\\{character}")
    return text


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


def fish_script(found: Mapping[str, CompletionVerb]) -> str:
    """The script for fish, 3.0 and newer."""
    return _FISH + "\n".join(_fish_lines(found)) + "\n"


def _fish_lines(found: Mapping[str, CompletionVerb]) -> Iterator[str]:
    for verb, command in found.items():
        here = f"complete -c posezoo -n {_fish_quoted(f'__posezoo_on {verb}'.strip())}"
        for flag in command.flags:
            names = (f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}" for name in flag.names)
            value = [*_fish_value(flag.value)] if flag.value is not None else []
            yield " ".join((here, *names, *value, f"-d {_fish_quoted(flag.help)}"))
        if verb:
            yield f"complete -c posezoo -n __posezoo_on -a {verb} -d {_fish_quoted(command.help)}"
        if verb and command.words is not None:
            offered = [part for part in _fish_value(command.words) if part != "-x"]
            if offered:
                yield " ".join((here, *offered))


def _fish_value(value: CompletionValue) -> Iterator[str]:
    if value.choices:
        yield from ("-x", f"-a {_fish_quoted(' '.join(value.choices))}")
    elif value.kind is CompletionKind.MODELS:
        yield from ("-x", "-a '(__posezoo_names)'")
    elif value.kind is CompletionKind.FOLDER:
        yield from ("-x", "-a '(__fish_complete_directories)'")
    elif value.kind is CompletionKind.FILE:
        yield from ("-r", "-F")
    else:
        yield "-x"


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


def _lines(lines: Iterator[str] | list[str], indent: int) -> str:
    return "".join(f"{' ' * indent}{line}\n" for line in lines)


SCRIPTS: dict[str, Callable[[Mapping[str, CompletionVerb]], str]] = {
    "bash": bash_script,
    "zsh": zsh_script,
    "fish": fish_script,
}
