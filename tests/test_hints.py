"""Every command that a hint, a page or a card gives is one that the real parser takes; none is run."""

import argparse
import ast
import re
import shlex
from functools import cache
from itertools import islice, product
from pathlib import Path

from fakes.checkout import ROOT
from fakes.source import nodes_in
from posezoo.cli import flags
from posezoo.cli.main import VERBS, create_parser

SOURCES = sorted((ROOT / "src" / "posezoo").rglob("*.py"))
PAGES = [
    # Commands of earlier versions are in the history.
    *sorted({*(ROOT / "docs").rglob("*.md")} - {ROOT / "docs" / "history.md"}),
    *sorted((ROOT / "models").rglob("*.md")),
    *(
        ROOT / name
        for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "benchmarks/README.md")
    ),
]
#: What stands for a placeholder whose type argparse checks.
VALUES = {"H,W": "368,432", "P[,P]": "FP16", "N": "8", "S": "0.5", "PX": "368", "PRECISION": "FP16"}

DOWNLOADING = (
    "download",
    "get",
    "export",
    "quantize",
    "run",
    "demo",
    "evaluate",
    "benchmark",
    "mirror",
)
CONVERTING = ("convert", *DOWNLOADING[1:-1])
#: The verbs that show the hints of a package. Each takes every flag that such a hint names.
SHOWN_BY = {
    "core/download": DOWNLOADING,
    "core/convert": CONVERTING,
    "core/resolve": CONVERTING,
    "core/declarations": CONVERTING,
    "core/pipeline": CONVERTING,
    "run/runtime": ("run", "demo", "evaluate", "benchmark"),
    "measure/evaluation": ("evaluate",),
    "quantize": ("quantize",),
    "lint": ("lint",),
    "export": ("export",),
    "upkeep/draft": ("new",),
    "core/lockfile": (
        *CONVERTING,
        "download",
        "mirror",
        "verify",
        "lock",
    ),
}
#: Flags that only users of some of these verbs can have given, or that belong to Model Optimizer.
ONLY = {
    "--model_name": ("convert", "evaluate"),
    "--force": ("convert", "evaluate"),
    "--input_type": ("convert",),
    "--input_layout": ("convert",),
    "--resize": ("convert",),
    "--decode": ("convert", "get"),
    "--max_people": ("convert", "get"),
    "--min_score": ("convert", "get", "run"),
    "--self_check": ("convert", "evaluate"),
    "--dynamic": ("convert",),
    "--input_shape": ("convert",),
    "--add_mo_arg": (),  # of converter.py
    "--python": (),  # of converter.py
    "--output_format": (),  # of tensorflowjs_converter
    "--size": ("benchmark",),
    "--min_person_score": ("run", "demo"),
    "--detector": ("run", "demo", "evaluate"),
    "--allow_rollback": ("lock",),
    "--skeleton": ("convert", "run", "evaluate"),
    "--decoder": ("run", "new"),
    "--as": ("run", "quantize"),
    **dict.fromkeys(("--mean_values", "--scale_values", "--metric"), ("quantize",)),
    "--reverse_input_channels": ("quantize",),
}


@cache
def the_parser():
    return create_parser()


@cache
def verb_parsers():
    (verbs,) = (
        each for each in the_parser()._actions if isinstance(each, argparse._SubParsersAction)
    )
    return dict(verbs.choices)


def offered(verb):
    """The flags that a verb's help shows."""
    actions = [
        action for action in verb_parsers()[verb]._actions if action.help != argparse.SUPPRESS
    ]
    return {flag for action in actions for flag in action.option_strings}


def former(verb):
    """The spellings of other programs, which a verb takes, but which no text teaches."""
    every = {flag for action in verb_parsers()[verb]._actions for flag in action.option_strings}
    return every - offered(verb)


@cache
def texts(path):
    """The texts of a module with their lines; what an f-string inserts is known, or a model's name."""
    nodes = nodes_in(path.read_text("utf-8"))
    assigned = {}
    for node in nodes:
        if isinstance(node, ast.Assign):
            pairs = zip(
                *(getattr(side, "elts", [side]) for side in (node.targets[0], node.value)),
                strict=False,
            )
            for name, value in pairs:
                assigned.setdefault(ast.unparse(name), []).append(value)
    found, inner = [], set()
    for node in nodes:
        if isinstance(node, ast.JoinedStr):
            inner |= {id(child) for child in ast.walk(node) if child is not node}
            for text in forms(node, assigned):
                text = re.sub(r"(?<=[\w\0])\0", "", text)
                found.append((node.lineno, text.replace("\0", "blazepose-full")))
        elif (
            isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inner
        ):
            found.append((node.lineno, node.value))
    return found


def forms(node, assigned, depth=0):
    """The texts that an expression can be; a null byte stands for what is known only at run time."""
    match node:
        case ast.Constant(value=str(text)):
            return [text]
        case ast.FormattedValue(value=value):
            return forms(value, assigned, depth)
        case ast.IfExp(body=body, orelse=orelse):
            return forms(body, assigned, depth) + forms(orelse, assigned, depth)
        case ast.Name(id=name) if name in assigned and depth < 3:
            texts = [text for value in assigned[name] for text in forms(value, assigned, depth + 1)]
            return list(dict.fromkeys(texts))[:6]
        case ast.Call(
            func=ast.Name(id="format_command"), args=[ast.Constant(value=verb), _, *folder]
        ):
            weights_dir = " --weights_dir ir" if folder else ""
            return [f"posezoo {verb} blazepose-full --models_dir zoo{weights_dir}"]
        case ast.JoinedStr(values=values):
            parts = [forms(value, assigned, depth) for value in values]
            return ["".join(each) for each in islice(product(*parts), 24)]
    return ["\0"]


def words_of(line):
    """The arguments of the first command in a line for the shell."""
    return shlex.split(re.sub(r"\s(#|\||>|&&|\.\.\.).*$", "", line))[1:]


def commands_in_text(text):
    """The commands in a sentence: a verb, and the words after it that look like arguments."""
    lines = text.splitlines()
    if text.startswith("\n"):  # the examples of a verb
        calls = (words_of(line) for line in lines if line.startswith("posezoo "))
        return [words for words in calls if words[0] in VERBS]
    found = []
    for match in re.finditer(rf"\bposezoo ({'|'.join(VERBS)})\b(?!-)([^\n`]*)", text):
        parser = verb_parsers()[match[1]]
        takes = {
            flag for each in parser._actions if each.nargs != 0 for flag in each.option_strings
        }
        subverbs = {word for each in parser._actions for word in each.choices or ()}
        words = [match[1]]
        for token in match[2].split():
            word = token.rstrip(",;:.)")
            is_argument = (
                word.startswith("-")
                or words[-1] in takes
                or word in subverbs
                or re.fullmatch(r"[A-Z][A-Z_,|]*|blazepose-full|'.*'", word)
            )
            if not is_argument or not word:
                break
            words.append(word.strip("'"))
            if word != token:
                break
        found.append(words)
    return found


def commands_of_page(page):
    text = page.read_text("utf-8")
    lines = re.findall(r"`(posezoo [^`\n]+)`", text)
    for block in re.findall(r"```(?:console|sh|bash)\n(.*?)```", text, re.DOTALL):
        lines += re.findall(
            r"(?:^\$ |^|&& )(posezoo [^\n]+)", block.replace("\\\n", " "), re.MULTILINE
        )
    found = []
    for line in lines:
        words = words_of(line)
        if words[0] in VERBS:
            found.append(words)
    return found


def problem_of(words, capsys):
    subverbs = {word for each in verb_parsers()[words[0]]._actions for word in each.choices or ()}
    if set(words[1:]) <= subverbs:
        return ""  # a verb that is named, not called
    if earlier := former(words[0]) & {word.partition("=")[0] for word in words}:
        return f"{', '.join(earlier)} is a spelling of other programs"
    words = [VALUES.get(word, word) for word in words]
    try:
        args = the_parser().parse_args(words)
        if len(words) > 1 and hasattr(args, "models") and hasattr(args, "all"):
            args.all = args.all or not args.models  # a verb may be named without its models
            flags.patterns_from_args(args)
    except SystemExit as exit_:
        return capsys.readouterr().err.strip().splitlines()[-1] if exit_.code else ""
    return ""


def test_every_command_in_the_source_parses(capsys):
    wrong = []
    for path in SOURCES:
        for line, text in texts(path):
            for words in commands_in_text(text):
                if problem := problem_of(words, capsys):
                    wrong.append(
                        f"{path.relative_to(ROOT)}:{line}: posezoo {' '.join(words)}: {problem}"
                    )
    assert not wrong, "\n".join(wrong)


def test_every_command_of_the_pages_and_cards_parses(capsys):
    found = {
        (str(page.relative_to(ROOT)), *words) for page in PAGES for words in commands_of_page(page)
    }
    assert len(found) > 300
    wrong = [
        f"{words}: {problem}"
        for words in sorted(found)
        if (problem := problem_of([*words[1:]], capsys))
    ]
    assert not wrong, "\n".join(wrong)


def hints_of(path):
    """The hints in a module: what is given as ``hint`` or to ``Obstacle``, or has such a name."""
    places = set()
    code = path.read_text("utf-8")
    if "hint" not in code.lower() and "Obstacle" not in code:  # to parse all takes seconds
        return []
    for node in nodes_in(code):
        values = []
        match node:
            case ast.keyword(arg="hint", value=value):
                values = [value]
            case ast.Assign(targets=[ast.Name(id=name)], value=value) if "hint" in name.lower():
                values = [value]
            case ast.Call(func=ast.Name(id="Obstacle"), args=[_, _, *others]):
                values = others
        places |= {
            child.lineno
            for value in values
            for child in ast.walk(value)
            if hasattr(child, "lineno")
        }
    if not places:  # the texts of all modules take seconds
        return []
    return [(line, text) for line, text in texts(path) if line in places]


def flags_alone(text):
    """The flags that a hint names, without those of its commands."""
    in_commands = {word for words in commands_in_text(text) for word in words}
    named = set(re.findall(r"(?<![\w=-])--[a-z][a-z_]+", text))
    # There Model Optimizer's are meant.
    return set() if "in model.yml" in text else named - in_commands


def verbs_that_show(module):
    """The verbs that show the hints of a module; a verb shows its own."""
    if module.parent.name == "verbs" and not module.stem.endswith("_flags"):
        return (module.stem.replace("_", "-"),)
    if module == Path("core/registry.py"):
        return tuple(verb for verb in VERBS if "--models_dir" in offered(verb))
    return SHOWN_BY.get("/".join(module.parts[:2]), SHOWN_BY.get(module.parts[0], ()))


def test_every_flag_in_a_hint_is_one_of_each_verb_that_shows_it():
    wrong, checked = [], 0
    for path in SOURCES:
        inside = path.relative_to(ROOT / "src" / "posezoo")
        verbs = verbs_that_show(inside)
        for line, text in hints_of(path):
            for flag in flags_alone(text):
                for verb in set(verbs) & set(ONLY.get(flag, verbs)) & set(VERBS):
                    checked += 1
                    if flag not in offered(verb):
                        wrong.append(f"{inside}:{line}: {flag} is no flag of {verb}: {text}")
    assert checked > 60 and not wrong, "\n".join(wrong)
