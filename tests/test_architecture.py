"""A part imports only parts above it in one table, and no two modules import each other in a cycle.

Every import counts: at the top of a module, inside a function, and for the type checker alone; and so does a text with
the name of a module, such as ``posezoo.run.load:Loader``.
"""

import ast
import re

from fakes.checkout import ROOT
from fakes.source import imports_in, nodes_in

SOURCE = ROOT / "src" / "posezoo"

#: From the ground up: the core, what people read, the command line, then features. A part imports only parts above its own row.
PARTS = (
    "core",
    "proof",
    "console",
    "poses",
    "networks",
    "cli",
    "packages",
    "media",
    "run",
    "figures",
    "formats",
    "pages",
    "scale",
    "measure",
    "quantize",
    "lint",
    "solutions",
    "convert",
    "omz",
    "export",
    "upkeep",
    "api",
    "__init__",
    "__main__",
)
#: The same for the packages and modules inside the core; those of one row do not import each other.
CORE = (
    {"arrays", "features", "operating_system", "other_words", "telemetry", "values"},
    {"install_commands", "regular_files"},
    {"errors", "events", "http_headers", "versions"},
    {"neighbours", "plugins"},
    {"declarations", "workers"},
    {"layout", "settings"},
    {"diagnosis", "files"},
    {"ir"},
    {"registry"},
    {"download", "license_notice", "lockfile"},
    {"resolve"},
    {"convert"},
    {"sidecars"},
    {"pipeline"},
)


def part_of(path, top=SOURCE):
    relative = path.relative_to(top)
    return relative.parts[0] if len(relative.parts) > 1 else relative.stem


def parts_named_in(code, package="posezoo"):
    """What is imported from directly below a package, once for each import."""
    used = []
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


def texts_in(code):
    """The texts in a module's code, without docstrings."""
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    nodes = [*nodes_in(code)]
    docstrings = {
        id(node.body[0].value)
        for node in nodes
        if isinstance(node, documented) and has_docstring(node)
    }
    for node in nodes:
        if (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and id(node) not in docstrings
        ):
            yield node.value


def has_docstring(node):
    return bool(node.body) and isinstance(node.body[0], ast.Expr)


def parts_in_text(code):
    """The parts whose modules a text names; ``posezoo.decoders`` alone is a group of entry points."""
    named = (re.findall(r"\bposezoo\.([a-z_]+)\.[a-z_]", text) for text in texts_in(code))
    return {part for parts in named for part in parts if part in PARTS}


def test_a_part_imports_only_parts_above_it():
    above = set()
    for part in PARTS:
        for path in sorted(SOURCE.rglob("*.py")):
            if part_of(path) == part:
                code = path.read_text("utf-8")
                upward = {*parts_named_in(code), *parts_in_text(code)} - above - {part}
                assert not upward, f"{path.relative_to(SOURCE)} may not import {sorted(upward)}"
        above.add(part)


def test_inside_the_core_a_package_imports_only_those_above_it():
    above = set()
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


def test_the_modules_that_the_page_names_exist():
    root = SOURCE.parents[1]
    page = (root / "docs" / "architecture.md").read_text("utf-8")
    named = re.findall(r"`([a-z_]+/[a-z_/]+(?:\.py|/))`", page)
    assert len(named) > 20
    assert [
        name
        for name in named
        if not any((top / name).exists() for top in (SOURCE, root, root / "tests"))
    ] == []


def name_of(path):
    """A module's name below posezoo; a package has its folder's name, and posezoo itself an empty one."""
    parts = path.relative_to(SOURCE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def modules_named_in(code, modules):
    """The modules that a module's imports name, whatever their place in the code.

    ``from package import module`` names that module, not the package.
    """
    used = set()
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


def cycles_in(imports):
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


def verbs():
    """The modules of verbs, without those of the flags that verbs share."""
    paths = {name_of(path): path for path in SOURCE.glob("*/verbs/[a-z]*.py")}
    return {name: path for name, path in paths.items() if not name.endswith("_flags")}


def test_no_verb_imports_another():
    assert len(verbs()) > 20
    for name, path in verbs().items():
        others = modules_named_in(path.read_text("utf-8"), set(verbs())) & set(verbs()) - {name}
        assert not others, f"{name} imports {others}: what verbs share belongs beside them"


def test_no_command_of_open_model_zoo_imports_a_verb():
    paths = [*(SOURCE / "omz" / "commands").glob("[a-z]*.py")]
    assert len(paths) > 5
    for path in paths:
        imported = modules_named_in(path.read_text("utf-8"), set(verbs())) & set(verbs())
        assert not imported, f"{path.name} imports {imported}: what they share belongs beside them"


#: Who needs the command line itself: what runs it, what plug-ins import, and the rule that asks it.
USERS_OF_CLI = {"__main__.py", "api.py", "lint/rules/card_commands.py"}


def test_only_verbs_and_commands_import_the_command_line():
    users = {
        path.relative_to(SOURCE).as_posix()
        for path in SOURCE.rglob("*.py")
        if not {"cli", "verbs", "commands"} & {*path.relative_to(SOURCE).parts}
        and "cli" in {*parts_named_in(code := path.read_text("utf-8")), *parts_in_text(code)}
    }
    assert users == USERS_OF_CLI


def opens_without_encoding(node):
    """Whether a call reads or writes text in the encoding of the system; ruff sees it only where it knows the type."""
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
        return False
    given = {keyword.arg: getattr(keyword.value, "value", None) for keyword in node.keywords}
    most = {"read_text": 0, "write_text": 1}.get(node.func.attr, -1)
    return (len(node.args) <= most or given.get("text") is True) and "encoding" not in given


def test_each_text_is_read_and_written_in_a_stated_encoding():
    for path in sorted(SOURCE.rglob("*.py")):
        for node in nodes_in(path.read_text("utf-8")):
            assert not opens_without_encoding(node), f"{path.relative_to(SOURCE)}:{node.lineno}"


#: The packages that report to their makers when they are imported, unless ``disable_telemetry`` was called before.
REPORTING = {"nncf", "onnxruntime", "openvino", "openvino_telemetry"}
#: The module that imports OpenVINO by a statement, so that types are known; it calls ``import_openvino`` before.
_GRAPHS = SOURCE / "core" / "ir" / "openvino_graph.py"


def imported_directly(code):
    """The packages of ``REPORTING`` that a module imports without ``import_optional`` and ``import_openvino``."""
    found = set()
    nodes = nodes_in(code)
    for_types = {
        inner
        for node in nodes
        if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING"
        for statement in node.body
        for inner in ast.walk(statement)
    }
    for node in nodes:
        names = []
        if node in for_types:
            continue
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        elif isinstance(node, ast.Call):
            function = getattr(node.func, "attr", getattr(node.func, "id", ""))
            if function in ("__import__", "import_module", "run_module"):
                names = [each.value for each in node.args if isinstance(each, ast.Constant)]
        found |= {str(name).partition(".")[0] for name in names} & REPORTING
    return found


def test_packages_that_report_are_imported_by_one_function():
    folders = (SOURCE, *(ROOT / name for name in ("benchmarks", "demos", "docs", "tools", ".ci")))
    paths = [path for folder in folders for path in sorted(folder.rglob("*.py"))]
    assert len(paths) > 500
    found = {
        str(path.relative_to(ROOT)): imported_directly(path.read_text("utf-8"))
        for path in paths
        if path != _GRAPHS
    }
    assert {name: packages for name, packages in found.items() if packages} == {}
    graphs = _GRAPHS.read_text("utf-8")
    assert graphs.index("\nimport_openvino()\n") < graphs.index("\nfrom openvino import")


#: What turns off the reports of a package in an exported program; Model API imports both others.
_OFF = {
    "openvino": ['sys.modules["openvino_telemetry"] = None\n'],
    "onnxruntime": ['environ["ORT_DISABLE_TELEMETRY"] = "1"\n'],
}
_OFF["model_api"] = _OFF["openvino"] + _OFF["onnxruntime"]
_IMPORT = re.compile(r"\b(?:import|from) (\w+)")


def imported_with_reports(template):
    """The packages that a program imports before it turns off their reports."""
    return {
        match[1]
        for match in _IMPORT.finditer(template)
        if not all(line in template[: match.start()] for line in _OFF.get(match[1], []))
    }


def test_exported_programs_turn_reports_off_before_they_import():
    templates = sorted((SOURCE / "export" / "templates").iterdir())
    texts = {path.name: path.read_text("utf-8") for path in templates}
    importing = [name for name, text in texts.items() if {*_IMPORT.findall(text)} & _OFF.keys()]
    assert len(importing) == 5
    assert {
        name: found for name, text in texts.items() if (found := imported_with_reports(text))
    } == {}
    assert imported_with_reports("import onnxruntime\n" + _OFF["onnxruntime"][0]) == {"onnxruntime"}


def test_no_command_for_users_imports_a_package_that_reports():
    """``python -c "import openvino"`` would report."""
    texts = [
        *ROOT.rglob("docs/**/*.md"),
        *(ROOT / ".ci").iterdir(),
        ROOT / "Makefile",
        *SOURCE.rglob("*.in"),
    ]
    commands = re.compile(rf"""-c ['"][^'"]*import ({"|".join(REPORTING)})\b""")
    assert len(texts) > 50
    assert [
        path.name for path in texts if path.is_file() and commands.search(path.read_text("utf-8"))
    ] == []
