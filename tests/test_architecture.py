"""A part imports only parts above it in one table, and no two modules import each other in a cycle.

Every import counts: at the top of a module, inside a function, and for the type checker alone.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from pathlib import Path

from fakes.source import imports_in, nodes_in

SOURCE = Path(__file__).resolve().parents[1] / "src" / "posezoo"

#: From the ground up: the core, the command line, then features. A part imports only parts above its own row.
PARTS = (
    "core",
    "poses",
    "networks",
    "cli",
    "packages",
    "run",
    "formats",
    "pages",
    "scale",
    "measure",
    "oci",
    "quantize",
    "lint",
    "solutions",
    "omz",
    "export",
    "upkeep",
    "api",
    "__init__",
    "__main__",
)
#: The same for the packages and modules inside the core; those of one row do not import each other.
CORE: tuple[set[str], ...] = (
    {"arrays", "ended", "features", "operating_system", "values"},
    {"regular_files", "user_folders"},
    {"errors", "events", "http_headers", "versions"},
    {"plugins"},
    {"declarations", "workers"},
    {"layout", "settings"},
    {"files"},
    {"ir"},
    {"registry"},
    {"download", "lockfile"},
    {"resolve"},
    {"convert"},
    {"sidecars", "verify"},
    {"pipeline"},
)


def part_of(path: Path, top: Path = SOURCE) -> str:
    relative = path.relative_to(top)
    return relative.parts[0] if len(relative.parts) > 1 else relative.stem


def parts_named_in(code: str, package: str = "posezoo") -> list[str]:
    """What is imported from directly below a package, once for each import."""
    used: list[str] = []
    for node in imports_in(code):
        if isinstance(node, ast.ImportFrom):
            module = f"{node.module}."
            if module == f"{package}.":
                used += [alias.name for alias in node.names]
            elif module.startswith(f"{package}."):
                used.append(module.removeprefix(f"{package}.").split(".")[0])
        else:
            names = (alias.name for alias in node.names)
            used += [
                name.removeprefix(f"{package}.").split(".")[0]
                for name in names
                if name.startswith(f"{package}.")
            ]
    return used


def test_a_part_imports_only_parts_above_it():
    above: set[str] = set()
    for part in PARTS:
        for path in sorted(SOURCE.rglob("*.py")):
            if part_of(path) == part:
                upward = set(parts_named_in(path.read_text("utf-8"))) - above - {part}
                assert not upward, f"{path.relative_to(SOURCE)} may not import {sorted(upward)}"
        above.add(part)


def test_inside_the_core_a_package_imports_only_those_above_it():
    above: set[str] = set()
    for row in CORE:
        for path in sorted((SOURCE / "core").rglob("*.py")):
            if (package := part_of(path, SOURCE / "core")) in row:
                used = set(parts_named_in(path.read_text("utf-8"), "posezoo.core"))
                upward = used - above - {package}
                assert not upward, f"{path.relative_to(SOURCE)} may not import {sorted(upward)}"
        above |= row


def test_the_tables_name_each_part_once_and_none_that_is_gone():
    assert sorted(PARTS) == sorted({part_of(path) for path in SOURCE.rglob("*.py")})
    core = SOURCE / "core"
    found = {part_of(path, core) for path in core.rglob("*.py")} - {"__init__"}
    assert sorted(name for row in CORE for name in row) == sorted(found)


def test_the_page_lists_the_parts_in_their_order():
    page = (SOURCE.parents[1] / "docs" / "architecture.md").read_text("utf-8")
    listed = re.findall(r"^\| `(\w+)(?:/|\.py)` \|", page, re.MULTILINE)
    assert listed == [part for part in PARTS if not part.startswith("__")]


def test_the_page_lists_the_rows_of_the_core():
    page = (SOURCE.parents[1] / "docs" / "architecture.md").read_text("utf-8")
    listed = re.findall(r"^\| (\d+) \| ([\w/, ]+) \|", page, re.MULTILINE)
    rows = [
        sorted(f"{name}/" if (SOURCE / "core" / name).is_dir() else name for name in row)
        for row in CORE
    ]
    assert [names.split(", ") for _, names in listed] == rows
    assert [int(number) for number, _ in listed] == [*range(1, len(CORE) + 1)]


def test_the_modules_that_the_page_names_exist():
    page = (SOURCE.parents[1] / "docs" / "architecture.md").read_text("utf-8")
    named = re.findall(r"`([a-z_]+/[a-z_/]+(?:\.py|/))`", page)
    assert len(named) > 20
    assert [
        name
        for name in named
        if not any((top / name).exists() for top in (SOURCE, SOURCE.parents[1]))
    ] == []


def test_every_way_to_import_is_seen():
    code = (
        "def f():\n    from posezoo.core.download.http import open_url\n    import posezoo.cli.main\n"
        "from posezoo import pages\nfrom posezoo.core import files, layout\n"
    )
    assert sorted(parts_named_in(code)) == ["cli", "core", "core", "pages"]
    assert sorted(parts_named_in(code, "posezoo.core")) == ["download", "files", "layout"]


def name_of(path: Path) -> str:
    """A module's name below posezoo; a package has its folder's name, and posezoo itself an empty one."""
    parts = path.relative_to(SOURCE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def modules_named_in(code: str, modules: set[str]) -> set[str]:
    """The modules that a module's imports name, whatever their place in the code.

    ``from package import module`` names that module, not the package.
    """
    used: set[str] = set()
    for node in imports_in(code):
        if isinstance(node, ast.ImportFrom):
            assert not node.level, "relative imports are not read"
            top, _, package = (node.module or "").partition(".")
            if top == "posezoo":
                named = {f"{package}.{alias.name}".removeprefix(".") for alias in node.names}
                used |= {name if name in modules else package for name in named}
        else:
            names = (alias.name.partition(".") for alias in node.names)
            used |= {name for top, _, name in names if top == "posezoo"}
    return used


def cycles_in(imports: Mapping[str, set[str]]) -> set[frozenset[str]]:
    """The sets of modules of which each reaches each other one over imports."""
    reached = {module: {module} for module in imports}
    for module, seen in reached.items():
        on_wait = [module]
        while on_wait:
            new = imports.get(on_wait.pop(), set()) - seen
            seen |= new
            on_wait += new
    groups = (
        frozenset(other for other in reached[module] if module in reached.get(other, ()))
        for module in imports
    )
    return {group for group in groups if len(group) > 1}


def test_no_modules_import_each_other_in_a_cycle():
    paths = {name_of(path): path for path in SOURCE.rglob("*.py")}
    imports = {
        name: modules_named_in(path.read_text("utf-8"), set(paths)) - {name}
        for name, path in paths.items()
    }
    cycles = sorted(map(sorted, cycles_in(imports)))
    assert not cycles, f"modules that import each other in a cycle: {cycles}"


def verbs() -> dict[str, Path]:
    return {name_of(path): path for path in SOURCE.glob("*/verbs/[a-z]*.py")}


def test_no_verb_imports_another():
    assert len(verbs()) > 30
    for name, path in verbs().items():
        others = modules_named_in(path.read_text("utf-8"), set(verbs())) & set(verbs()) - {name}
        assert not others, f"{name} imports {others}: what verbs share belongs beside them"


def test_no_command_of_open_model_zoo_imports_a_verb():
    paths = [*(SOURCE / "omz" / "commands").glob("[a-z]*.py")]
    assert len(paths) > 5
    for path in paths:
        imported = modules_named_in(path.read_text("utf-8"), set(verbs())) & set(verbs())
        assert not imported, f"{path.name} imports {imported}: what they share belongs beside them"


def test_an_import_names_the_module_wherever_it_stands():
    code = (
        "import posezoo\nfrom posezoo.core.download import http\nfrom posezoo.core.files import CHUNK\n"
        "if TYPE_CHECKING:\n    from posezoo.pages.cards import nothing\n"
        "def f():\n    import posezoo.cli.main\n    import requests\n"
    )
    modules = {"", "core.download", "core.download.http", "core.files", "pages.cards", "cli.main"}
    assert modules_named_in(code, modules) == modules - {"core.download"}


def test_a_cycle_is_found_over_several_modules():
    imports = {"a": {"b"}, "b": {"c"}, "c": {"a", "d"}, "d": {"e"}, "e": set()}
    assert cycles_in(imports) == {frozenset("abc")}
    assert not cycles_in({"a": {"b", "c"}, "b": {"c"}, "c": set()})


def test_every_module_says_what_it_is_for():
    said: dict[str, Path] = {}
    for path in sorted(SOURCE.rglob("*.py")):
        text = ast.get_docstring(nodes_in(path.read_text("utf-8"))[0])
        assert text, path
        assert "what it is for" not in text, f"{path}: this is the text of a template"
        assert text not in said, f"{path} says the same as {said[text]}"
        said[text] = path


#: What only some systems have, or what tells them apart; all of it is in one module. The sandbox exists only on Linux.
SYSTEM_MODULES = {"fcntl", "grp", "msvcrt", "posix", "pwd", "resource", "termios", "tty", "winreg"}
SYSTEM_NAMES = {
    "os": {
        *(
            "name",
            "fork",
            "geteuid",
            "getgid",
            "getpgrp",
            "getuid",
            "killpg",
            "link",
            "mkfifo",
            "register_at_fork",
        ),
        *(
            "sched_getaffinity",
            "setsid",
            "statvfs",
            "symlink",
            "sysconf",
            "uname",
            "wait4",
            "pread",
            "pwrite",
        ),
        *("O_BINARY", "O_NOFOLLOW", "O_NONBLOCK", "O_DIRECTORY"),
    },
    "signal": {"SIGALRM", "SIGHUP", "SIGKILL", "SIGPIPE", "pthread_kill", "setitimer"},
    "sys": {"platform", "getwindowsversion"},
}
HOMES = {"core/operating_system.py"}
ONLY_ON_LINUX = {"omz/sandbox.py", "omz/upstream_job.py"}


def system_name(node: ast.AST) -> str:
    """What an expression uses that only some systems have, or that tells them apart; empty for nothing."""
    match node:
        case ast.Attribute(value=ast.Name(id=module), attr=name) if name in SYSTEM_NAMES.get(
            module, ()
        ):
            return f"{module}.{name}"
        case ast.Call(
            func=ast.Name(id="hasattr" | "getattr"),
            args=[ast.Name(id=module), ast.Constant(value=name), *_],
        ):
            return f"{module}.{name}" if name in SYSTEM_NAMES.get(module, ()) else ""
        case ast.Constant(value=str(text)) if text.startswith(("/proc", "/sys/")):
            return text
    return ""


def system_names_in(code: str) -> set[str]:
    """The same of a whole module, with its imports."""
    used = {system_name(node) for node in nodes_in(code)} - {""}
    for node in imports_in(code):
        if isinstance(node, ast.Import):
            used |= SYSTEM_MODULES & {alias.name for alias in node.names}
        else:
            used |= SYSTEM_MODULES & {str(node.module)}
            names = {alias.name for alias in node.names}
            used |= {
                f"{node.module}.{name}"
                for name in names & SYSTEM_NAMES.get(str(node.module), set())
            }
    return used


def test_only_one_module_knows_what_differs_between_operating_systems():
    for path in sorted(SOURCE.rglob("*.py")):
        name = path.relative_to(SOURCE).as_posix()
        if name not in HOMES | ONLY_ON_LINUX:
            used = system_names_in(path.read_text("utf-8"))
            assert not used, (
                f"{name} uses {used}: what differs belongs into core/operating_system.py"
            )


def test_each_way_to_tell_systems_apart_is_seen():
    code = (
        "import os, fcntl\nfrom sys import platform\nfrom resource import getrlimit\n"
        "def f():\n    os.name\n    hasattr(os, 'fork')\n    open('/proc/self/maps')\n    os.path.join('a')\n"
    )
    assert system_names_in(code) == {
        "fcntl",
        "sys.platform",
        "resource",
        "os.name",
        "os.fork",
        "/proc/self/maps",
    }


def opens_without_encoding(node: ast.AST) -> bool:
    """Whether a call reads or writes text in the encoding of the system; ruff sees it only where it knows the type."""
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
        return False
    given = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
    most = {"read_text": 0, "write_text": 1}.get(node.func.attr, -1)
    return (len(node.args) <= most or given.get("text") == "True") and "encoding" not in given


def test_each_text_is_read_and_written_in_a_stated_encoding():
    for path in sorted(SOURCE.rglob("*.py")):
        for node in nodes_in(path.read_text("utf-8")):
            assert not opens_without_encoding(node), f"{path.relative_to(SOURCE)}:{node.lineno}"


def test_a_text_without_a_stated_encoding_is_seen():
    def is_seen(code: str) -> bool:
        return any(map(opens_without_encoding, nodes_in(code)))

    assert all(map(is_seen, ["p.read_text()", "p.write_text(x)", "subprocess.run(c, text=True)"]))
    assert not any(
        map(
            is_seen, ["p.read_text('utf-8')", "p.write_text(x, encoding='utf-8')", "p.read_bytes()"]
        )
    )
