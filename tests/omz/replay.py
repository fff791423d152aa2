"""Runs the command lines of public projects with posezoo and with openvino-dev 2024.6, and compares what they leave."""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from contextlib import redirect_stderr
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from fakes.command import Ended, run_process
from fakes.server import Server
from omz import projects
from omz.replay_zoo import GeneratedZoo, find_declarations
from omz.runs import ROOT, known

if TYPE_CHECKING:
    from omz.replay_copies import CopiedSides

TOOLS = ("downloader", "converter", "info_dumper", "quantizer")
RELEASES = ("omz", "omz@2022.1", "omz@2021.4")
#: The models of --all: an IR, a composite of two, and one to convert. A list that is unknown has only the IR.
SAMPLE = ("face-detection-retail-0004", "action-recognition-0001", "open-closed-eye-0001")

#: The files that only posezoo leaves, by the command that leaves them and the flag at which the README of
#: tools/downloader gives the reason.
EXTRA_FILES = {
    "downloader --output_dir": r"(.*/)?(provenance\.json|[^/]+\.(tar|tgz|tar\.gz|zip|whl|orig))",
    "downloader --precisions": r".*/human-pose-estimation-0001/FP16-INT8/[^/]+",
    "converter --output_dir": r"(.*/)?(provenance\.json|README\.md|card\.json)",
}


TENSORFLOW = """
from types import SimpleNamespace
class Module: pass
Graph = GenericFunction = ConcreteFunction = Module
keras = SimpleNamespace(Model=Module, layers=SimpleNamespace(Layer=Module))
types = SimpleNamespace(experimental=SimpleNamespace(GenericFunction=Module, ConcreteFunction=Module))
"""


@dataclass(frozen=True)
class Side:
    """An environment whose commands are on PATH."""

    bin: Path
    python: Path
    environ: Mapping[str, str]
    mo: Path  # what a path of --mo names

    def run(self, line: str, folder: Path) -> Ended:
        """Run a command line in a folder, by sh."""
        environ = {
            "PATH": f"{self.bin}{os.pathsep}/usr/bin{os.pathsep}/bin",
            "CI": "true",
            **self.environ,
        }
        return run_process(
            ["sh", "-c", line],
            cwd=folder,
            env=environ,
            timeout=300,
        )


class Zoos:
    """The zoos of both sides, in a folder, and their environments.

    Args:
        releases: the roots of Open Model Zoo's metadata, by the names in ``RELEASES``.
        models: the models whose files are generated.
    """

    def __init__(
        self,
        folder: Path,
        server: Server,
        releases: Mapping[str, Path],
        models: Iterable[str],
        mo_env: Path,
    ) -> None:
        zoo, models = GeneratedZoo(server), {*models, *SAMPLE}
        self.folder = folder
        home = folder / "home"
        found: set[str] = set()
        for release, root in releases.items():
            names = set(find_declarations(root)) - found
            registry = home / ".cache" / "posezoo" / "registries" / release / "models"
            zoo.write(root, registry, models, names)
            # Their tools read all that is there.
            zoo.write(root, folder / "all", models, names & models)
            found |= names
        zoo.write(releases["omz"], folder / "sample", SAMPLE, SAMPLE)
        self.newest = folder / "newest"
        shutil.copytree(home / ".cache" / "posezoo" / "registries" / "omz" / "models", self.newest)
        environment = _own_environment(folder, home)
        for tool in TOOLS:
            write_command(environment / "bin", f"{tool}.py", f"omz_{tool}")
        package = next(environment.glob("lib/*/site-packages/posezoo"))
        zoo.write(ROOT / "models", package / "models", models)
        # Model Optimizer imports TensorFlow only to ask whether the name of a file is one of its objects.
        (folder / "tensorflow" / "tensorflow").mkdir(parents=True)
        (folder / "tensorflow" / "tensorflow" / "__init__.py").write_text(TENSORFLOW)
        (folder / "home-theirs" / "intel").mkdir(parents=True)
        (folder / "home-theirs" / "intel" / "openvino_telemetry").write_text("0")  # no telemetry
        self.composites = {
            name
            for name, path in find_declarations(self.newest).items()
            if path.name != "model.yml"
        }
        self.home, self.mo_env, self.environment = home, mo_env, environment

    def ours(self, zoo: str, settings: Mapping[str, str]) -> Side:
        """posezoo's side with a zoo and environment variables."""
        environ = {"HOME": str(self.home), **settings}
        if zoo == "sample":
            environ["POSEZOO_MODELS_DIR"] = str(self.folder / "sample")
        elif zoo == "newest":
            environ["POSEZOO_REGISTRIES"] = "omz"
        python = self.environment / "bin" / "python"
        return Side(python.parent, python, environ, self.mo_env / "bin" / "mo")


def _own_environment(folder: Path, home: Path) -> Path:
    """A fresh environment with the stand-in for openvino-dev; it shares the packages of the one that runs the tests.

    The stand-in carries the generated models that are in the cache of the home folder.
    """
    wheels, environment = folder / "wheels", folder / "environment"
    shims = [sys.executable, "-m", "posezoo", "shims", "--wheel", wheels]
    environ = {**os.environ, "HOME": str(home)}
    subprocess.run(shims, check=True, stdout=subprocess.DEVNULL, env=environ)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    pip = [sys.executable, "-m", "pip", "--python", environment]
    install = [*pip, "install", "--quiet", "--no-index", "--no-deps", "--find-links", wheels]
    subprocess.run([*install, "openvino-dev==2024.6.0", "posezoo"], check=True)
    packages = next(environment.glob("lib/*/site-packages"))
    others = [path for path in sys.path if Path(path).name == "site-packages"]
    (packages / "others.pth").write_text("\n".join(others))
    write_command(environment / "bin", "pip", "python", "-m", "pip")
    return environment


def write_command(folder: Path, name: str, *words: object) -> None:
    """Write a command that runs these words, followed by its own arguments."""
    (folder / name).write_text(f'#!/bin/sh\nexec {shlex.join(map(str, words))} "$@"\n')
    (folder / name).chmod(0o755)


@dataclass(frozen=True)
class Left:
    """What a command line left, as far as scripts rely on it."""

    code: int
    stderr: str
    models: tuple[str, ...]  # that it names on the standard output
    failed: tuple[str, ...]  # the names below FAILED:
    files: Mapping[str, str]  # the digest of each file of the script so far, by path
    changed: frozenset[str]  # those of them that the command line changed
    converted: frozenset[str]  # those of them that a converter wrote
    inputs: Mapping[str, Set[tuple[str, ...]]]  # of each IR that it wrote: name, shape and type
    info: Sequence[Mapping[str, Any]] = ()  # of the information dumper


@dataclass(frozen=True)
class Call:
    """A row of command_lines.tsv with its parsed arguments; None if the parser refuses them."""

    line: Any
    args: argparse.Namespace | None

    @classmethod
    def of(cls, line: Any) -> Call:
        """The call of a row."""
        try:
            with redirect_stderr(io.StringIO()):
                return cls(line, projects.PARSERS[line.tool]().parse_args(line.arguments))
        except SystemExit:
            return cls(line, None)

    @property
    def zoo(self) -> str:
        """The zoo that the line is run with."""
        if self.args is not None and (self.args.print_all or self.args.all):
            return "newest" if self.args.print_all else "sample"
        return "all"


@dataclass(frozen=True)
class Result:
    """The comparison of a command line.

    Attributes:
        outcome: same; differs; refused, with the same exit code, for a flag or a name that 2024.6 does not know;
            unconverted, if neither side converts what was generated; alone, if 2024.6 has no such command.
        needs: the settings and flags without which posezoo does less; empty if the line runs unchanged.
        differences: the allowed differences, each as the command and the flag that explain it in the README of
            tools/downloader.
        why: what differs; or the reasons, as ``posezoo info`` names them, why models need more.
    """

    outcome: str
    needs: str = ""
    differences: str = ""
    why: str = ""


def replay(calls: Sequence[Call], sides: CopiedSides, folder: Path) -> list[Result]:
    """Run the calls of one script in their order, in one folder for each side."""
    composites = sides.zoos.composites
    theirs = _run_script(calls, sides.theirs, folder / "theirs")
    ours = _run_script(calls, lambda zoo: sides.ours(zoo, {}), folder / "ours")
    results = [compare(*each, composites) for each in zip(calls, theirs, ours, strict=True)]
    wanting = [
        number
        for number, (left, result) in enumerate(zip(ours, results, strict=True))
        if "POSEZOO_MO" in left.stderr and result.outcome == "differs"
    ]
    if wanting:
        settings = {"POSEZOO_MO": str(sides.mo)}
        again = _run_script(calls, lambda zoo: sides.ours(zoo, settings), folder / "ours-mo")
        for number in wanting:
            result = compare(calls[number], theirs[number], again[number], composites)
            needs, reasons = _needs(ours[number])
            results[number] = replace(
                result, needs=needs, why=result.why if result.outcome == "differs" else reasons
            )
    return results


def _run_script(calls: Sequence[Call], side_of: Callable[[str], Side], root: Path) -> list[Left]:
    """Run the calls; what a converter converts is downloaded before, unless the script did so."""
    folder = root / "work" / "here"
    folder.mkdir(parents=True)
    downloaded: set[tuple[Path, str]] = set()
    converted: set[str] = set()
    left = []
    for call in calls:
        side, args = side_of(call.zoo), call.args
        if args is not None:
            _seed(call, folder, root, side)
            names = ["*"] if args.all else list(call.line.models)
            if call.line.tool == "downloader":
                downloaded.update((args.output_dir or Path(), name) for name in names)
            elif call.line.tool == "converter":
                source = args.download_dir or Path()
                missing = [name for name in names if (source, name) not in downloaded]
                if missing:
                    chosen = "--all" if missing == ["*"] else f"--name {','.join(missing)}"
                    side.run(_rooted(f"omz_downloader {chosen} -o {source}", root), folder)
                    downloaded.update((source, name) for name in missing)
        before = _files(root)
        ended = side.run(_command(call, folder, root, side), folder)
        files = _files(root)
        changed = frozenset(path for path, digest in files.items() if before.get(path) != digest)
        if call.line.tool == "converter":
            converted |= changed
        listed = call.line.tool == "info_dumper" and ended.stdout.startswith("[")
        info = json.loads(ended.stdout) if listed else []
        told = re.findall(r"(?:#\|\| Downloading|Converting|Skipping) (\S+)", ended.stdout)
        if args is not None and args.print_all:
            told += ended.stdout.split()
        left.append(
            Left(
                code=ended.returncode,
                stderr=ended.stderr,
                models=tuple(sorted(set(told))),
                failed=tuple(sorted(ended.stdout.partition("FAILED:\n")[2].splitlines())),
                files=files,
                changed=changed,
                converted=frozenset(converted),
                inputs={path: _inputs(root / path) for path in converted if path.endswith(".xml")},
                info=[part for each in info for part in (each["model_stages"] or [each])],
            )
        )
    return left


def _command(call: Call, folder: Path, root: Path, side: Side) -> str:
    """The line as it is run: its absolute paths lie below a folder, and bin is that of the commands."""
    if " bin/" in call.line.line and not (folder / "bin").exists():
        (folder / "bin").symlink_to(side.bin)
    return _rooted(call.line.line, root)


def _rooted(line: str, root: Path) -> str:
    """The line with its absolute paths moved below a folder."""
    return re.sub(r"(?<=[ =])/", f"{root}/", line)


def _seed(call: Call, folder: Path, root: Path, side: Side) -> None:
    """Write the files that a call reads besides models."""
    args = call.args
    assert args is not None
    texts = {
        "python": f'#!/bin/sh\nexec {shlex.quote(str(side.python))} "$@"\n',
        "mo": f"import os, sys\nos.execv({str(side.mo)!r}, ['mo', *sys.argv[1:]])\n",
    }
    for flag, text in texts.items():
        path = getattr(args, flag, None)
        if path is not None and path != Path("bin/mo"):
            path = Path(_rooted(f" {path}", root).strip())
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text)
            (folder / path).chmod(0o755)
    if args.list is not None:
        (folder / args.list).write_text("\n".join(call.line.models or SAMPLE[:2]))
    if getattr(args, "dataset_dir", None) is not None:
        (folder / args.dataset_dir).mkdir(parents=True, exist_ok=True)


def _files(root: Path) -> dict[str, str]:
    paths = sorted(path for path in root.rglob("*") if path.is_file())
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths
    }


def _inputs(xml: Path) -> set[tuple[str, ...]]:
    """The inputs of an IR, once for each of their names."""
    layers = ElementTree.parse(xml).iter("layer")
    return {
        (name, *layer.find("data").attrib.values())
        for layer in layers
        if layer.get("type") == "Parameter"
        for name in layer.find("output/port").get("names").split(",")
    }


def compare(call: Call, theirs: Left, ours: Left, composites: Set[str] = frozenset()) -> Result:
    """The result of a call of which both sides left something; ``composites`` are names that ours does not print."""
    if call.line.tool == "quantizer":
        return Result("alone", why="2024.6 has no quantizer")
    allowed = set()
    found = _compare_files(theirs, ours, allowed)
    found += _compare_answers(call, theirs, ours, composites, allowed)
    needs, why = _needs(ours)
    if call.zoo != "all":
        needs = "POSEZOO_REGISTRIES=omz"
    outcome = "same"
    if found:
        outcome, why = "differs", "; ".join(found)
    elif theirs.code == 2 or "No matching models" in theirs.stderr:
        outcome = "refused"
    elif ours.failed and set(ours.failed) >= set(call.line.models):
        outcome, why = "unconverted", why or "the generated files convert on neither side"
    return Result(outcome, needs, ", ".join(sorted(allowed)), why)


def _compare_files(theirs: Left, ours: Left, allowed: set[str]) -> list[str]:
    """How the files differ; the flags that may add files are put into ``allowed``."""
    differences = []
    converted = theirs.converted | ours.converted
    for path in sorted({*theirs.changed, *ours.changed}):
        if path not in ours.files:
            differences.append(f"ours lacks {path}")
        elif path not in theirs.files:
            flags = _flags_that_add(path, "converter" if path in converted else "downloader")
            allowed.update(flags)
            if not flags:
                differences.append(f"only ours has {path}")
        elif path not in converted:
            if theirs.files[path] != ours.files[path]:
                differences.append(f"{path} differs")
        elif path.endswith(".xml") and not _inputs_of(theirs, path) <= _inputs_of(ours, path):
            differences.append(f"the inputs of {path} differ")
    return differences


def _compare_answers(
    call: Call, theirs: Left, ours: Left, composites: Set[str], allowed: set[str]
) -> list[str]:
    """How exit codes, printed names and facts differ; allowed differences are put into ``allowed``."""
    differences = []
    for aspect in ("code", "failed"):
        if getattr(theirs, aspect) != getattr(ours, aspect):
            differences.append(f"{aspect}: {getattr(theirs, aspect)} and {getattr(ours, aspect)}")
    # Ours prints the parts of a composite in its place.
    if call.args is not None and call.args.print_all:
        allowed.add(f"{call.line.tool} --print_all")
        if lacking := set(theirs.models) - set(ours.models) - composites:
            differences.append(f"ours does not print {', '.join(sorted(lacking))}")
    elif call.line.tool == "downloader" and theirs.models != ours.models:
        differences.append(f"models: {theirs.models} and {ours.models}")
    if any(each["composite_model_name"] for each in theirs.info):
        allowed.add("info_dumper --name")
    if list(map(_facts, theirs.info)) != list(map(_facts, ours.info)):
        differences.append("the facts differ")
    return differences


def _inputs_of(left: Left, path: str) -> set:
    return left.inputs.get(path, set())


def _flags_that_add(path: str, command: str) -> list[str]:
    flags = [flag for flag in EXTRA_FILES if flag.startswith(command)]
    return [flag for flag in flags if re.fullmatch(EXTRA_FILES[flag], path)]


def _needs(left: Left) -> tuple[str, str]:
    """What would convert the models that posezoo did not convert, and the reasons as ``posezoo info`` names them."""
    obstacles = re.findall(r"cannot be converted here \(([\w-]+), ([\w-]+)\)", left.stderr)
    means = {"upstream-code": "--allow_upstream_code", "mo": "POSEZOO_MO"}
    return ", ".join(sorted({means[route] for route, _ in obstacles})), ", ".join(
        sorted({reason for _, reason in obstacles})
    )


def _facts(info: Mapping[str, Any]) -> dict[str, Any]:
    """What the information dumper of 2024.6 says; posezoo joins the lines of a description."""
    told = known(dict(info))
    config = Path(told["model_config"]).relative_to(Path(told["model_config"]).parents[2])
    return {
        **told,
        "description": " ".join(told["description"].split()),
        "model_config": str(config),
    }
