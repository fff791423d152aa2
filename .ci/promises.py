"""Read which environments workflows, make's targets, the hook, setup.cfg and pages promise."""

from __future__ import annotations

import configparser
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from fakes.pages import PASTED, blocks_of, named_extras

ROOT = Path(__file__).resolve().parents[1]
README = "README.md"
WORKFLOWS = Path(".github", "workflows")
RELEASE = WORKFLOWS / "release.yml"
#: What changes GitHub's machine does nothing here, and what uploads files only needs them.
STAND_INS = """\
sudo() { :; }
gh() { ls -d -- $(printf '%s\\n' "$@" | grep ^dist/) >/dev/null; }"""
HOOKS = Path(".pre-commit-hooks.yaml")
MAKEFILES = (Path("Makefile"), Path(".ci", "more.mk"))
SYSTEMS = Path("docs", "howto", "installing.md")
#: What a person types who starts a workflow or make: a model whose files the package index has.
INPUTS = {"model": "blazepose-full", "PHOTO": "src/posezoo/media/samples/astronaut.png"}


@dataclass(frozen=True)
class Command:
    """A script of a shell, and where it is written."""

    place: str  # file:line
    script: str
    environ: Mapping[str, str] = field(default_factory=dict)
    shell: tuple[str, ...] = ("bash", "-e")


@dataclass(frozen=True)
class Environment:
    """What is installed, and what is run there."""

    place: str  # file:line
    install: tuple[str, ...]  # the words after `pip install`, run in a checkout
    commands: tuple[Command, ...]
    #: Whether it is about all models, or about the one of `INPUTS`.
    whole_zoo: bool = True

    @property
    def extras(self) -> frozenset[str]:
        """The extras of posezoo that it installs."""
        named = [re.fullmatch(r"\.\[([\w,-]+)\]", word) for word in self.install]
        return frozenset(name for each in named if each for name in each[1].split(","))


class ReadingError(Exception):
    """Why a file cannot be read as what it promises; the text begins with its place."""


class _Text(str):
    line = 0


class _Loader(yaml.SafeLoader):
    """Texts know their lines."""


def _construct_text(_loader: _Loader, node: yaml.ScalarNode) -> _Text:
    text = _Text(node.value)
    text.line = node.start_mark.line + 1
    return text


_Loader.add_constructor("tag:yaml.org,2002:str", _construct_text)


def _load(path: Path) -> Any:
    return yaml.load((ROOT / path).read_text("utf-8"), _Loader)  # a SafeLoader


def read_workflows() -> Iterator[Environment]:
    """The jobs that install with pip, for each event that starts them: a person, rather than the
    clock.
    """
    found = []
    for name, workflow in _load_workflows():
        events = list(workflow[True])  # YAML 1.1 reads `on` as true
        if "workflow_dispatch" in events and "schedule" in events:
            events.remove("schedule")
        for job in workflow["jobs"].values():
            found += [read for event in events if (read := _read_job(name, job, event))]
    # Two events may run the same.
    return iter([each for index, each in enumerate(found) if each not in found[:index]])


def _load_workflows() -> Iterator[tuple[Path, Any]]:
    for path in sorted((ROOT / WORKFLOWS).glob("*.yml")):
        name = path.relative_to(ROOT)
        yield name, _load(name)


def read_calls() -> Iterator[Command]:
    """What workflows run of make, and of the scripts beside this one."""
    for name, workflow in _load_workflows():
        for job in workflow["jobs"].values():
            for step in job["steps"]:
                for call in re.findall(r"(?m)^make [\w/-]+|\.ci/[\w.]+", step.get("run", "")):
                    yield Command(f"{name}:{step['run'].line}", call)


def _read_job(file: Path, job: Mapping[str, Any], event: str) -> Environment | None:
    if not _evaluate(job.get("if", "true"), event):
        return None
    steps = [step for step in job["steps"] if "run" in step]
    steps = [step for step in steps if _evaluate(step.get("if", "true"), event)]
    installs = [step for step in steps if "pip install" in step["run"]]
    if not installs:
        return None
    place = f"{file}:{installs[0]['run'].line}"
    words = shlex.split(installs[0]["run"])
    if words[:4] != ["python", "-m", "pip", "install"]:
        raise ReadingError(f"{place}: is not one command python -m pip install: {words}")
    commands = tuple(
        Command(
            f"{file}:{step['run'].line}",
            _expand(step["run"], event),
            {key: _expand(str(value), event) for key, value in step.get("env", {}).items()}
            | {"GITHUB_BASE_REF": "main"},
            ("bash", "-eo", "pipefail") if step.get("shell") == "bash" else ("bash", "-e"),
        )
        for step in steps[steps.index(installs[0]) + 1 :]
    )
    return Environment(place, tuple(words[4:]), commands, event in ("push", "pull_request"))


class _Context(dict[str, str]):
    def __getattr__(self, name: str) -> str:
        return self.get(name, "")


def _evaluate(expression: str, event: str) -> Any:
    """The value of an expression of GitHub, if nothing has failed."""
    names: dict[str, Any] = dict.fromkeys(("matrix", "secrets", "steps", "vars"), _Context())
    names |= {"github": _Context(event_name=event), "inputs": _Context(INPUTS)}
    names |= {"always": lambda: True, "success": lambda: True}
    names |= {"cancelled": lambda: False, "failure": lambda: False, "true": True}
    inner = expression.removeprefix("${{").removesuffix("}}")
    python = re.sub(r"!(?!=)", " not ", inner.replace("&&", " and ").replace("||", " or "))
    return eval(python.strip(), {"__builtins__": {}}, names)  # it is our file


def _expand(text: str, event: str) -> str:
    return re.sub(r"\$\{\{(.*?)\}\}", lambda match: str(_evaluate(match[1], event)), text)


@dataclass(frozen=True)
class Rule:
    """A rule of make."""

    place: str
    target: str
    needed: str
    recipe: str


def read_make_rules() -> Iterator[Rule]:
    """The rules of make, without the words of `make help`."""
    for file in MAKEFILES:
        text = (ROOT / file).read_text("utf-8")
        for match in re.finditer(
            r"^([^\s#:]+):(?!=)([^#\n]*).*\n((?:\t.*\n)*)", text, re.MULTILINE
        ):
            line = text.count("\n", 0, match.start()) + 1
            yield Rule(f"{file}:{line}", *match.groups())


def read_make_targets() -> Iterator[Environment]:
    """The targets of make that need an environment, but for that of `read_release`."""
    for rule in read_make_rules():
        if not re.fullmatch("[a-z-]+", rule.target) or rule.target == "release":
            continue
        yield from _read_target(rule, re.sub(r"\$\(if .*\)", "", rule.needed))
        for name in re.findall(r"\$\(if \$\((\w+)\)", rule.needed):
            yield from _read_target(rule, rule.needed, f"{name}={INPUTS[name]}")


def _read_target(rule: Rule, needed: str, *arguments: str) -> Iterator[Environment]:
    extras = re.findall(r"\$\(VENV\)/\.installed-([\w-]+)", needed)
    if extras:
        pins = ("-c", "constraints.txt", "--config-settings", "editable_mode=compat")
        install = (*pins, "--editable", f".[{','.join(extras)}]")
        stamps = " ".join(f'"$VENV/.installed-{extra}"' for extra in extras)
        make = shlex.join(["make", "--no-print-directory", rule.target, *arguments])
        script = f'touch {stamps} && {make} VENV="$VENV"'
        yield Environment(rule.place, install, (Command(rule.place, script),))


def read_release() -> Iterator[Environment]:
    """The workflow that publishes a release: its jobs one after the other, in one folder."""
    (rule,) = (rule for rule in read_make_rules() if rule.target == "release")
    (made,) = _read_target(rule, rule.needed)
    version = read_setup()["metadata"]["version"]
    environ = {"GITHUB_REF_NAME": f"v{version}", "GITHUB_OUTPUT": "/dev/null"}
    environ["BESIDE"] = ""  # the neighbours are entered as environments of their own
    commands = []
    for job in _load(RELEASE)["jobs"].values():
        for step in [step for step in job["steps"] if "run" in step]:
            script = step["run"].replace("make release", made.commands[0].script)
            place = f"{RELEASE}:{step['run'].line}"
            commands.append(Command(place, f"{STAND_INS}\n{script}", environ))
    yield Environment(commands[0].place, made.install, tuple(commands))


def read_hooks() -> Iterator[Environment]:
    """The hooks of pre-commit, which installs the packages beside posezoo, without our pins."""
    for hook in _load(HOOKS):
        place = f"{HOOKS}:{hook['entry'].line}"
        script = f"{hook['entry']} {shlex.join(hook.get('args', []))}"
        install = (".", *hook.get("additional_dependencies", []))
        yield Environment(place, install, (Command(place, script),))


@dataclass(frozen=True)
class Block:
    """A block that a reader pastes into a terminal."""

    place: str  # file:line
    kind: str  # what its fence says
    text: str


@dataclass(frozen=True)
class Page:
    """A page with commands, and the extras that it names."""

    file: str
    extras: frozenset[str]
    blocks: tuple[Block, ...]


def read_pages() -> Iterator[Page]:
    """The pages whose blocks run as they are written, without the targets of make.

    The other pages have tests of their own, which prepare more.
    """
    for name in [README, *(path.relative_to(ROOT).as_posix() for path in PASTED)]:
        text = (ROOT / name).read_text("utf-8")
        blocks, begin = [], 0
        for kind, block in blocks_of(text):
            begin = text.index(block, begin)
            line = text.count("\n", 0, begin) + 1
            if "$ make" not in block:
                blocks.append(Block(f"{name}:{line}", kind, block))
            begin += len(block)
        yield Page(name, named_extras(text), tuple(blocks))


def read_beginning(page: Page) -> Page:
    """The blocks of a page until one installs more than README's first command."""
    installs = [index for index, block in enumerate(page.blocks) if "pip install" in block.text]
    end = installs[0] if installs else len(page.blocks)
    return Page(page.file, frozenset({"run"}), page.blocks[:end])


@dataclass(frozen=True)
class System:
    """A row of the table of systems: which extras find wheels there."""

    place: str
    platform: str  # as uv calls it
    pinned: tuple[str, ...]
    unpinned: tuple[str, ...]


def read_systems() -> Iterator[System]:
    """The systems that the page of installing names.

    Raises:
        ReadingError: the page has no such table.
    """
    lines = (ROOT / SYSTEMS).read_text("utf-8").splitlines()
    rows = [(number, re.split(r"\s*\|\s*", line)[1:-1]) for number, line in enumerate(lines, 1)]
    found = [
        (number, row) for number, row in rows if len(row) == 4 and re.search("`.+-.+`", row[1])
    ]
    if not found:
        raise ReadingError(f"{SYSTEMS}:1: has no table of systems")
    for number, (_, platform, pinned, unpinned) in found:
        extras = [tuple(re.findall(r"`(\w+)`", cell)) for cell in (pinned, unpinned)]
        yield System(f"{SYSTEMS}:{number}", platform.strip("`"), extras[0], extras[1])


def read_python_lists() -> Iterator[tuple[str, list[str]]]:
    """Where a workflow names more than one Python, and which, the lowest first."""
    listed = r"python: \[(.*)\]|python-version: \|\n((?: +(?:#.*|3\.\d+)\n)+)"
    for path in sorted((ROOT / WORKFLOWS).glob("*.yml")):
        text = path.read_text("utf-8")
        for match in re.finditer(listed, text):
            line = text.count("\n", 0, match.start()) + 1
            found = re.findall(r"3\.(\d+)", match[0])
            yield (
                f"{path.relative_to(ROOT)}:{line}",
                [f"3.{minor}" for minor in sorted(map(int, found))],
            )


def read_setup() -> configparser.ConfigParser:
    """setup.cfg, with the extras that others name."""
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg", "utf-8")
    return parser


def read_extras() -> dict[str, list[str]]:
    """The requirements of posezoo with each extra; those of the bare wheel are those of ""."""
    setup = read_setup()

    def read(text: str) -> list[str]:
        return [line for line in text.splitlines() if line and not line.startswith("#")]

    bare = read(setup["options"]["install_requires"])
    extras = setup["options.extras_require"]
    return {"": bare} | {name: bare + read(text) for name, text in extras.items()}


def read_pythons() -> list[str]:
    """The versions of Python that setup.cfg names, the lowest first."""
    return re.findall(r"Python :: (3\.\d+)", read_setup()["metadata"]["classifiers"])


def place_of_extra(extra: str) -> str:
    """Where setup.cfg has an extra."""
    lines = (ROOT / "setup.cfg").read_text("utf-8").splitlines()
    wanted = f"{extra} =" if extra else "install_requires ="
    return f"setup.cfg:{lines.index(wanted) + 1 if wanted in lines else 1}"
