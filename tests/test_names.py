"""Names in the code are standard terms, and each of them names one thing."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from fakes.source import nodes_in

SOURCE = Path(__file__).resolve().parents[1] / "src" / "posezoo"

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)

#: Words that no name may contain, each with what to write instead.
REFUSED_WORDS = {
    "alarm": "timer",
    "alarms": "timers",
    "arrival": "download record",
    "arrivals": "download records",
    "carrier": "connection pool",
    "crew": "thread pool",
    "door": "run_main",
    "errand": "download context",
    "gate": "host limiter",
    "held": "resume state",
    "house": "native format",
    "judge": "accuracy evaluator",
    "looks": "test-time augmentation",
    "stranger": "unknown key",
    "strangers": "unknown keys",
    "strays": "untracked files",
    "survey": "snapshot",
    "ways": "route options",
}
#: Words that only one kind of name may not contain.
REFUSED_WORDS_OF_CLASSES = {
    "means": "download options, or evaluation protocol",
    "shift": "keypoint displacement",
}
#: Variables and parameters that do not say what they hold.
VAGUE_VARIABLES = {"found", "known", "own", "places", "stated"}
#: Parameters that say nothing: typed options take their place.
REFUSED_PARAMETERS = {"how": "a parameter for each option, or a frozen dataclass of options"}


def words_of(name: str) -> list[str]:
    """The words of a name in snake_case, CamelCase or CAPITALS, in small letters.

    >>> words_of("_HTTPErrand2_of")
    ['http', 'errand', 'of']
    """
    return [word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)]


def refused_names_in(code: str) -> Iterator[str]:
    """Each name that is refused, with its line and what to write instead.

    The names of classes, functions, parameters and annotated fields are read.
    """
    for node in nodes_in(code):
        name, others = "", {}
        if isinstance(node, ast.ClassDef):
            name, others = node.name, REFUSED_WORDS_OF_CLASSES
        elif isinstance(node, FUNCTIONS):
            name = node.name
        elif isinstance(node, ast.arg):
            name = node.arg
            if name in REFUSED_PARAMETERS:
                yield f"{node.lineno}: {name}: write {REFUSED_PARAMETERS[name]}"
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            name = node.target.id
        else:
            continue
        for word in words_of(name):
            if instead := REFUSED_WORDS.get(word) or others.get(word):
                yield f"{node.lineno}: {name}: {word} is refused, write {instead}"


def vague_variables_in(code: str) -> Iterator[str]:
    """Each variable and parameter with a vague name, and its line; a field's class explains it."""
    classes = [node for node in nodes_in(code) if isinstance(node, ast.ClassDef)]
    fields = {
        statement.target
        for of_class in classes
        for statement in of_class.body
        if isinstance(statement, ast.AnnAssign)
    }
    for node in nodes_in(code):
        if isinstance(node, ast.arg):
            name = node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            name = node.id if node not in fields else ""
        else:
            continue
        if name in VAGUE_VARIABLES:
            yield f"{node.lineno}: {name}: write what it holds"


def repeated(named: Iterable[tuple[str, Path]]) -> dict[str, list[str]]:
    """The names that more than one place has, with these places."""
    places = defaultdict(list)
    for name, path in named:
        places[name].append(str(path.relative_to(SOURCE)))
    return {name: sorted(found) for name, found in sorted(places.items()) if len(found) > 1}


def test_no_name_contains_a_refused_word():
    problems = []
    for path in sorted(SOURCE.rglob("*.py")):
        module = path.relative_to(SOURCE)
        problems += [f"{module}:{problem}" for problem in refused_names_in(path.read_text("utf-8"))]
        for word in words_of(path.parent.name if path.stem == "__init__" else path.stem):
            if word in REFUSED_WORDS:
                problems.append(f"{module}: {word} is refused, write {REFUSED_WORDS[word]}")
    assert not problems, "\n".join(problems)


def test_variables_say_what_they_hold():
    problems = []
    for path in sorted(SOURCE.rglob("*.py")):
        vague = vague_variables_in(path.read_text("utf-8"))
        problems += [f"{path.relative_to(SOURCE)}:{problem}" for problem in vague]
    assert not problems, "\n".join(problems)


def test_no_two_public_classes_have_the_same_name():
    classes = (
        (node.name, path)
        for path in SOURCE.rglob("*.py")
        for node in nodes_in(path.read_text("utf-8"))
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    )
    assert not repeated(classes)


def test_no_two_modules_have_the_same_name():
    """A module of a verb is named after the verb, as a module of the library may be."""
    modules = (
        (path.stem, path)
        for path in SOURCE.rglob("*.py")
        if path.stem not in {"__init__", "__main__"} and path.parent.name != "verbs"
    )
    assert not repeated(modules)


@pytest.mark.parametrize(
    "code",
    [
        "class HttpErrand: pass",
        "class _Shift: pass",
        "def crew_of(): pass",
        "def f(a, *, how): pass",
        "def f(**how): pass",
        "class A:\n    held_bytes: int",
    ],
)
def test_a_refused_name_is_found_wherever_it_stands(code):
    assert len(list(refused_names_in(code))) == 1


@pytest.mark.parametrize(
    "code",
    [
        "def shift(): pass",
        "def show(delegate, household): pass",
        "class Mean: pass",
        "def f(means): pass",
    ],
)
def test_other_names_are_allowed(code):
    assert not list(refused_names_in(code))


@pytest.mark.parametrize(
    "code",
    [
        "found = 1",
        "def f():\n    first, own = 1, 2",
        "def f(known): pass",
        "rows = [places for places in ()]",
        "if (stated := 1): pass",
        "def f():\n    own: int = 1",
    ],
)
def test_a_vague_variable_is_found_wherever_it_gets_its_value(code):
    assert len(list(vague_variables_in(code))) == 1


def test_a_field_may_have_a_short_name():
    assert not list(vague_variables_in("class A:\n    own: int\n\nA(own=1).own = 2"))
