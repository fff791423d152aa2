"""Print the slow tests of what changed since the last commit that passed all, for pytest.

.ci/green names this commit; .ci/nightly writes it. .ci/run runs all quick tests, and these:

- of a changed feature: its own, those that import a module that imports what changed, or run a
  verb among these modules, themselves or by a helper, and the pages with such a verb; the core's,
  if the core asks for one of these modules as a part of a feature; a changed template, table or
  picture of a feature counts as the modules that name it;
- of a changed decoder: as of a feature, but of those that find decoders by their names, the ones
  that name this decoder or a model that declares it, and those that read all models;
- of a changed page or picture: its own, and those that name it, or that read all cards;
- of a changed test: itself, and those that name it; of a changed conftest.py: those beside it;
- of any other file, such as one of the core or of the helpers of tests: those that name it, or its
  model, and the everyday tests, which are all but NIGHTLY.

Where no commit is known that passed all tests, all are chosen. .ci/nightly runs all.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from fakes.pages import PAGES, PASTED  # noqa: E402
from test_architecture import PARTS, SOURCE, modules_named_in, name_of, verbs  # noqa: E402

TESTS, GREEN = ROOT / "tests", ROOT / ".ci" / "green"
FEATURES = {part for part in PARTS if (SOURCE / part).is_dir()} - {"core"}
#: What is around the package: a test that uses one of them names it.
AROUND = {"benchmarks", "demos", "golden", "recorded", "tools"}
#: The table of decoders, and the module that imports the pipelines that decoders name.
DECODERS, LOADING = "poses.decoders", "run.runtime.loading"
#: What declares the decoder in a model.yml.
DECODER = re.compile(r"(?m)^decoder: \{name: (\w+)")
DOCS, SITE = "tests/test_docs.py", "tests/test_site.py"
#: Other files with the tests of a page.
OTHER_PAGE_TESTS = {
    "docs/first_minutes.md": "tests/test_first_minutes.py",
    "docs/howto/measure_your_own.md": "tests/test_measure_your_own.py",
    "docs/howto/own_service.md": "tests/test_own_service.py",
    "docs/migrating.md": "tests/test_migrating.py",
}
#: Some pages have tests of their own in tests/test_docs.py, and the others have one in common.
PAGE_TESTS = {
    "README.md": (
        "test_every_posezoo_command_of_the_readme_runs_as_pasted",
        "test_the_python_of_the_readme_runs_as_pasted",
    ),
    "docs/supply_chain.md": (
        "test_the_commands_of_the_supply_chain_page_run_as_pasted_and_in_their_order",
    ),
    "models/public/blazepose-full/README.md": ("test_the_commands_of_a_card_run_as_pasted",),
}
PASTED_TEST = "test_the_blocks_of_a_page_run_as_pasted_and_in_their_order"
#: What a change of the core, or of helpers of tests, leaves to the night: each takes long, and its
#: subject is a feature, which chooses it when it changes. What breaks in the core is seen by
#: others: the quick tests of these features, and the slow ones of conversions, downloads,
#: networks, formats and commands. Kills, failing servers and hostile files are among those.
NIGHTLY = (
    # Real and large models: other programs, photos, devices, INT8, weights of a training.
    "tests/export/decoded",
    "tests/export/test_programs.py",
    "tests/export/test_targets.py",
    "tests/formats/test_onnx_writer.py",
    "tests/judges",
    "tests/measure",
    "tests/networks/test_export.py",
    "tests/networks/zoo/test_conversion.py",
    "tests/poses",
    "tests/quantize/test_accuracy_evaluator.py",
    "tests/quantize/test_int8_comparison.py",
    "tests/quantize/test_own_boxes.py",
    "tests/quantize/test_own_ir.py",
    "tests/quantize/test_quantization.py",
    "tests/quantize/test_real_models.py",
    "tests/quantize/test_undecoded_ir.py",
    "tests/run/runtime",
    "tests/run/test_load.py",
    "tests/run/video/test_window.py",
    "tests/run/verbs/test_demo.py",
    "tests/test_measure.py",
    "tests/test_opencv_versions.py",
    "tests/test_own_keypoints.py",
    "tests/test_pose_models_of_2026.py",
    "tests/test_stated_accuracy.py",
    "tests/test_task_files.py",
    "tests/test_undeclared_decoders.py",
    "tests/test_vit_and_hrnet_models.py",
    "tests/upkeep",
    # Whole flows of Open Model Zoo, each of whose commands is tried by others.
    "tests/omz/test_replay.py",
    "tests/omz/test_service.py",
    "tests/omz/test_stand_in_wheel.py",
    "tests/omz/test_whole_models.py",
    "tests/test_migrating.py",
    # Pages, packages, and what maintainers are told.
    "tests/lint/test_answers.py",
    "tests/lint/test_decoder_mistakes.py",
    "tests/lint/test_injected_mistakes.py",
    "tests/lint/test_open_model_zoo.py",
    "tests/lint/test_recomputation.py",
    "tests/pages/gallery/test_chart_in_a_browser.py",
    "tests/pages/gallery/test_index_in_a_browser.py",
    "tests/pages/gallery/test_reading_in_a_browser.py",
    "tests/test_packaging.py",
    "tests/test_site.py",
    # Hundreds of models: where a verb becomes slow, no result is wrong.
    "tests/test_growth.py",
    # A cluster, of which scale/test_cluster_flag.py kills a worker; a server of a store.
    "tests/scale/test_cluster.py",
    "tests/scale/test_stores.py",
)
EVERYDAY_PAGES = ("README.md", "docs/tutorials/one_person.md")


@cache
def slow_tests() -> dict[str, str]:
    """The text of each file with slow tests."""
    texts = {path: path.read_text("utf-8") for path in sorted(TESTS.rglob("test_*.py"))}
    return {
        path.relative_to(ROOT).as_posix(): text
        for path, text in texts.items()
        if "mark.slow" in text
    }


@cache
def page_texts() -> dict[Path, str]:
    """The text of each page."""
    return {page: page.read_text("utf-8") for page in PAGES}


def tests_with(pattern: str) -> set[str]:
    """Those whose text has it; of DOCS, those of pages whose text has it."""
    files = {name for name, text in slow_tests().items() if re.search(pattern, text)}
    pages = [page for page, text in page_texts().items() if re.search(pattern, text)]
    return (files - {DOCS}).union(*map(tests_of_page, pages))


def tests_of_page(page: Path) -> set[str]:
    """The tests that run the blocks of a page, as pytest names them."""
    name = page.relative_to(ROOT).as_posix()
    if name in OTHER_PAGE_TESTS:
        return {OTHER_PAGE_TESTS[name]}
    common = (f"{PASTED_TEST}[{name}]",) if page in PASTED else ()
    return {f"{DOCS}::{test}" for test in PAGE_TESTS.get(name, common)}


@cache
def everyday_tests() -> set[str]:
    """Those that run whenever the core changed: all but NIGHTLY, and of the pages some."""
    files = {
        name
        for name in slow_tests()
        if name != DOCS and not any(map(Path(name).is_relative_to, NIGHTLY))
    }
    return files.union(*(tests_of_page(ROOT / page) for page in EVERYDAY_PAGES))


def readers_of(name: str) -> set[str]:
    """The other tests that read a page or a picture: those that name it."""
    if name.startswith("models/"):
        return readers_of_cards()
    if name in PAGE_TESTS:
        return set()
    pattern = rf"\b{re.escape(Path(name).name)}\b"
    return {test for test in tests_with(pattern) if not test.startswith(DOCS)}


def tests_of_all_models() -> set[str]:
    """Those that read all cards, or open our registry."""
    return readers_of_cards() | tests_with(r"\b(?:open|own)_registry\(\)")


def readers_of_cards() -> set[str]:
    """Those that read all cards."""
    return tests_named({"lint", "pages"})


@cache
def codes() -> dict[str, str]:
    """The code of each module."""
    return {name_of(path): path.read_text("utf-8") for path in SOURCE.rglob("*.py")}


@cache
def imports() -> dict[str, set[str]]:
    """The modules that each module imports when it runs, names as text in a table of parts, or asks
    for.
    """
    every = set(codes())
    return {
        name: (imported_by(code, every) | named_in_tables(name) | parts_asked_for(name)) & every
        for name, code in codes().items()
    }


def imported_by(code: str, modules: set[str]) -> set[str]:
    """The modules that a module imports when it runs: not those that only its types name."""
    return modules_named_in(ast.unparse(WithoutTypes().visit(ast.parse(code))), modules)


class WithoutTypes(ast.NodeTransformer):
    """Removes what only a type checker reads."""

    def visit_If(self, node: ast.If) -> ast.AST | list[ast.stmt]:
        """An if; without TYPE_CHECKING, what is done instead."""
        if ast.unparse(node.test) == "TYPE_CHECKING":
            return node.orelse
        return self.generic_visit(node)


def named_in_tables(module: str) -> set[str]:
    """The modules of parts such as "posezoo.formats.paddle:PADDLE".

    Decoders are found by their names, and LOADING imports the pipeline that a decoder names.
    """
    named = texts_of_parts(codes()[module])
    if module == LOADING:
        return named | pipelines()
    return set() if module == DECODERS else named - pipelines()


def texts_of_parts(code: str) -> set[str]:
    """The modules of the parts that a code names as text."""
    return set(re.findall(r"\"posezoo\.([\w.]+):", code))


@cache
def pipelines() -> set[str]:
    """The modules of the pipelines that decoders name."""
    poses = (code for name, code in codes().items() if name.startswith("poses."))
    named = set[str]().union(*map(texts_of_parts, poses))
    return {name for name in named if name.startswith("run.runtime.")}


def parts_asked_for(module: str) -> set[str]:
    """The modules of features that a module of another part than the core asks for."""
    return set() if module.startswith("core.") else parts_of_places(codes()[module])


@cache
def parts_of_the_core() -> set[str]:
    """The modules of features that the core asks for."""
    core = (code for name, code in codes().items() if name.startswith("core."))
    return set[str]().union(*map(parts_of_places, core))


def parts_of_places(code: str) -> set[str]:
    """The modules that features add to the places that a module has."""
    places = set(re.findall(r"\b(?:FeatureParts|Hook|LazyTable)\(\s*\"([\w.]+)\"", code))
    return set[str]().union(
        *(modules for place, modules in added_parts().items() if place in places)
    )


@cache
def added_parts() -> dict[str, set[str]]:
    """The modules of features by the place to which posezoo/__init__.py adds them.

    A hook is a place.
    """
    calls = (node for node in ast.walk(ast.parse(codes()[""])) if isinstance(node, ast.Call))
    (call,) = (node for node in calls if ast.unparse(node.func) == "features.add_parts")
    tables = ast.literal_eval(call.args[0])
    places = {hook: {hook: part} for hook, part in tables.pop("hooks").items()}
    return {
        place: {part.removeprefix("posezoo.").partition(":")[0] for part in parts.values()}
        for place, parts in (tables | places).items()
    }


def importers_of(modules: set[str]) -> set[str]:
    """The modules, and those that import one of them, directly or not."""
    reached, waiting = set[str](), modules
    while waiting:
        reached |= waiting
        waiting = {name for name, used in imports().items() if used & waiting} - reached
    return reached


def modules_in(path: Path) -> set[str]:
    """The module in a file of a feature, or those of the feature that name the file.

    Without one, all modules of the feature.
    """
    part, module = path.relative_to(SOURCE).parts[0], name_of(path)
    if path.suffix == ".py" and path.stem != "__init__" and module in imports():
        return {module}
    modules = {name for name in imports() if name.partition(".")[0] == part}
    if path.suffix == ".py":
        return modules
    return {name for name in modules if names_file(codes()[name], path.name)} or modules


def names_file(code: str, name: str) -> bool:
    """Whether a text in the code is the name of a file, or a path that ends with it.

    Templates such as sample.py.in are also named without their last ending.
    """
    names = "|".join(map(re.escape, {name, name.removesuffix(".in")}))
    return re.search(rf"[\"/](?:{names})\"", code) is not None


def tests_of_modules(modules: set[str]) -> set[str]:
    """The slow tests of changed modules of a feature."""
    reached, parts = importers_of(modules), {module.partition(".")[0] for module in modules}
    if "api" not in reached:
        reached.discard("")  # it names all features
    if parts_of_the_core() & reached:
        parts.add("core")
    inside = {module for module in reached if module.partition(".")[0] in parts}
    chosen = (tests_named(parts), tests_that_import(reached), tests_that_run(reached))
    helped = tests_with_helpers_of(inside)
    return set[str]().union(*chosen, helped, tests_that_name_decoders(reached))


def tests_that_name_decoders(modules: set[str]) -> set[str]:
    """Those that find decoders by their names, and name one in these modules, or a model that
    declares it, themselves or by a helper; and those that read all models.
    """
    names = names_of_decoders(modules)
    if not names:
        return set()
    pattern = "|".join(map(re.escape, sorted(names)))
    finding = importers_of({DECODERS}) - {""}
    return (tests_with_or_by_helpers(pattern) | tests_of_all_models()) & (
        tests_that_import(finding) | tests_that_run(finding) | tests_with_helpers_of(finding)
    )


def names_of_decoders(modules: set[str]) -> set[str]:
    """The names of the decoders in these modules, and of the models that declare them."""
    parts = re.findall(r"\"(\w+)\": \"posezoo\.([\w.]+):", codes()[DECODERS])
    decoders = {name for name, module in parts if module in modules}
    models = (ROOT / "models").rglob("model.yml")
    declared = ((path.parent.name, path.read_text("utf-8")) for path in models)
    return decoders | {name for name, text in declared if decoders & set(DECODER.findall(text))}


def tests_with_helpers_of(modules: set[str]) -> set[str]:
    """Those that use a helper of tests that imports one of the modules, directly or not."""
    every = set(imports())
    return tests_that_use(
        {name for name, text in helpers().items() if modules_named_in(text, every) & modules}
    )


def tests_that_use(reached: set[str]) -> set[str]:
    """Those that use one of these helpers, directly or by another one."""
    waiting = reached
    while waiting:
        pattern = imports_of_helpers(waiting)
        waiting = {name for name, text in helpers().items() if re.search(pattern, text)} - reached
        reached |= waiting
    return tests_with(imports_of_helpers(reached)) if reached else set()


def tests_with_or_by_helpers(pattern: str) -> set[str]:
    """Those whose text has it, or the text of a helper that they use."""
    helping = {name for name, text in helpers().items() if re.search(pattern, text)}
    return tests_with(pattern) | tests_that_use(helping)


def imports_of_helpers(names: set[str]) -> str:
    """What lines that import one of these helpers match."""
    one = "|".join(sorted(names))
    return (
        rf"(?m)^ *(?:from|import) (?:fakes\.(?:{one})|fakes import [^\n]*\b(?:{one})|(?:{one}))\b"
    )


@cache
def helpers() -> dict[str, str]:
    """The text of each helper in tests/fakes, and of the module beside it, by their names."""
    paths = [*(TESTS / "fakes").glob("[a-z]*.py"), TESTS / "checked_exports.py"]
    return {path.stem: path.read_text("utf-8") for path in paths}


def tests_named(parts: set[str]) -> set[str]:
    """Those of features: in their folders, or in a file with such a name."""
    return {name for name in slow_tests() if parts & set(re.split(r"[/_.]", name))}


def tests_that_import(modules: set[str]) -> set[str]:
    """Those that import one of the modules."""
    every, texts = set(imports()), slow_tests().items()
    return {name for name, text in texts if modules_named_in(text, every) & modules}


def tests_that_run(modules: set[str]) -> set[str]:
    """Those that run a verb, or a command of Open Model Zoo, that is one of the modules, themselves
    or by a helper.
    """
    programs = {name for name in modules if name in verbs() or name.startswith("omz.commands.")}
    if not programs:
        return set()
    one = "(?:" + "|".join(sorted(name.rpartition(".")[2] for name in programs)) + ")"
    run = rf"[(\[]\s*[\"']{one}[\"' ]|posezoo(?: |[\"'],\s*[\"']){one}\b|omz_{one}\b|\b{one}\.py\b"
    return tests_with_or_by_helpers(run)


def tests_of_file(name: str) -> set[str]:
    """The slow tests of a changed file."""
    path, (top, *_) = ROOT / name, Path(name).parts
    if path == GREEN:
        return set()
    if path.suffix in {".md", ".svg", ".jpg"} and top not in {"src", "tests"}:
        return tests_of_page(path) | {SITE} | readers_of(name)
    if around := AROUND.intersection(path.relative_to(ROOT).parts[:2]):
        return tests_with(rf"\b{around.pop()}\b")
    if top == "tests" and path.match("test_*.py"):
        return tests_with(rf"\b{path.stem}\b") | ({name} & slow_tests().keys())
    if path.name == "conftest.py":
        return tests_beside(path)
    if path.is_relative_to(SOURCE) and path.relative_to(SOURCE).parts[0] in FEATURES:
        return tests_of_modules(modules_in(path))
    named = path.parent.name if path.name == "model.yml" else path.name
    return everyday_tests() | (tests_with(rf"\b{re.escape(named)}\b") if path.suffix else set())


def tests_beside(conftest: Path) -> set[str]:
    """Those that use the fixtures of a conftest.py; the everyday ones of them, if it is of all."""
    if conftest.parent == TESTS:
        return everyday_tests()
    return {name for name in slow_tests() if (ROOT / name).is_relative_to(conftest.parent)}


def choose(changed: Iterable[str]) -> set[str]:
    """The slow tests of changed files."""
    return set[str]().union(*map(tests_of_file, changed))


def git(*words: str) -> str:
    """What git prints."""
    command = ["git", "-C", str(ROOT), *words]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def files_changed_since(commit: str) -> list[str]:
    """Also those that are not committed."""
    changed = git("diff", "--name-only", "--no-renames", "-z", commit)
    changed += git("ls-files", "--others", "--exclude-standard", "-z")
    return changed.split("\0")[:-1]


def choose_now() -> tuple[set[str], str]:
    """The tests of what changed since the last commit that passed all, and why they are chosen."""
    try:
        commit = GREEN.read_text("utf-8").strip()
        changed = files_changed_since(commit)
    except (OSError, subprocess.CalledProcessError):
        return set(slow_tests()), "no commit is known here that passed all tests"
    return choose(changed), f"{len(changed)} files changed since {commit[:12]}"


def print_choice() -> None:
    """The tests; and on standard error, one line that says what was chosen and why."""
    every = slow_tests().keys()
    chosen, reason = choose_now()
    files = {name.partition("::")[0] for name in chosen}
    left_out = Counter(Path(name).parent.as_posix() for name in every - files)
    print(*sorted(chosen))
    print(
        f"== slow tests: {len(files)} of {len(every)} files, because {reason}; left out:",
        ", ".join(f"{folder} {count}" for folder, count in sorted(left_out.items())) or "none",
        file=sys.stderr,
    )


def record(commit: str) -> None:
    """Write the commit that passed all tests, if it is still what is checked out."""
    try:
        is_here = not git("status", "--porcelain") and git("rev-parse", "HEAD").strip() == commit
    except (OSError, subprocess.CalledProcessError):
        is_here = False
    if is_here:
        GREEN.write_text(f"{commit}\n", "utf-8")
        print(".ci/green is written: commit it")
    else:
        print(".ci/green stays: the files are not those of the commit that was tested")


if __name__ == "__main__":
    record(sys.argv[2]) if sys.argv[1:2] == ["--record"] else print_choice()
