"""The commands of both sides of a replay, as copies of processes that have imported their programs.

Most of a line's time would be to start Python and to import Open Model Zoo's tools, Model Optimizer, or OpenVINO.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from fakes import program_copies
from fakes.model_optimizer import ENVIRONMENT, program, start_copies
from omz.replay import TOOLS, Side, Zoos, write_command
from omz.runs import THEIRS

#: What Model Optimizer made in an earlier replay; the folder may be removed.
KEPT = ENVIRONMENT.with_name("mo-runs")

#: What a process of Open Model Zoo's tools imports.
_THEIRS = """
import runpy
runpy.run_path({program!r})
from omz_tools import omz_converter, omz_downloader, omz_info_dumper
"""

#: What a process of posezoo's commands imports.
_OURS = """
import numpy, posezoo_openvino_dev
from posezoo.omz.commands import converter, downloader, info_dumper, quantizer
from posezoo.core.convert import publish
from posezoo.core.ir.openvino_import import import_openvino
import_openvino()
"""

# Model Optimizer, asked once for each file and arguments: what it makes is kept outside of the clone. The shell starts
# Python, as in pip's commands: no path after #! may have a space.
_KEEPING_MO = """#!/bin/sh
'''exec' {python} "$0" "$@"
' '''
import hashlib, json, os, shutil, sys
from pathlib import Path
told = [argument.partition("=") for argument in sys.argv[1:]]
said = {{flag: value for flag, _, value in told if flag in ("--output_dir", "--model_name")}}
digests = [hashlib.sha256(Path(value).read_bytes()).hexdigest() for _, _, value in told if os.path.isfile(value)]
key = json.dumps([digests, [each for each in told if each[0] != "--output_dir" and not os.path.isfile(each[2])]])
kept = Path("{kept}") / hashlib.sha256(key.encode()).hexdigest()
out = Path(said["--output_dir"])
if not (kept / "done").exists():
    sys.path.insert(0, "{fakes}")
    from program_copies import ask
    code = ask("{address}", ["{mo}", *sys.argv[1:]], os.getcwd(), os.environ, (0, 1, 2))
    if code == 0:
        kept.mkdir(parents=True, exist_ok=True)
        for path in out.glob(said["--model_name"] + ".*"):
            shutil.copyfile(path, kept / path.name)
        (kept / "done").touch()
    sys.exit(code)
out.mkdir(parents=True, exist_ok=True)
for path in kept.glob(said["--model_name"] + ".*"):
    shutil.copyfile(path, out / path.name)
"""


class CopiedSides:
    """The sides of a replay, with the commands of their zoos in copies."""

    def __init__(self, zoos: Zoos) -> None:
        self.zoos = zoos
        self._their_environ = {
            "HOME": str(zoos.folder / "home-theirs"),
            "PYTHONPATH": str(zoos.folder / "tensorflow"),
        }
        self._write_their_commands()
        self._write_our_commands()
        #: A command that posezoo takes for Model Optimizer.
        self.mo = self._write_mo()

    def theirs(self, zoo: str) -> Side:
        """Open Model Zoo's side with a zoo: "all", the "newest" release, or the "sample"."""
        python = self.zoos.mo_env / "bin" / "python"
        folder = self.zoos.folder / f"bin-{zoo}"
        return Side(folder, python, self._their_environ, folder / "mo")

    def ours(self, zoo: str, settings: Mapping[str, str]) -> Side:
        """posezoo's side with a zoo and environment variables."""
        side = self.zoos.ours(zoo, settings)
        return replace(side, bin=self.zoos.folder / "bin-ours", mo=self.mo)

    def _write_their_commands(self) -> None:
        tools = self.zoos.folder / "theirs.py"
        tools.write_text(THEIRS)
        python = self.zoos.mo_env / "bin" / "python"
        imports = _THEIRS.format(program=str(tools))
        address = program_copies.start(python, imports, self._their_environ)
        version = next(self.zoos.mo_env.glob("lib/*/site-packages/openvino_dev-*")).name
        mo = _KEEPING_MO.format(
            python=shlex.quote(str(python)),
            fakes=Path(program_copies.__file__).parent,
            address=start_copies(self._their_environ["PYTHONPATH"]),
            mo=program(),
            kept=KEPT / version,
        )
        for zoo in ("all", "newest", "sample"):
            folder = self.zoos.folder / f"bin-{zoo}"
            folder.mkdir()
            (folder / "mo").write_text(mo)
            (folder / "mo").chmod(0o755)
            for tool in TOOLS:
                if tool != "quantizer":  # the last release with it is 2022.3
                    words = (tools, tool, self.zoos.folder / zoo)
                    program_copies.write_command(folder / f"omz_{tool}", address, *words)
                write_command(folder, f"{tool}.py", f"omz_{tool}")

    def _write_our_commands(self) -> None:
        programs = self.zoos.environment / "bin"
        environ = {"HOME": str(self.zoos.home)}
        address = program_copies.start(programs / "python", _OURS, environ)
        folder = self.zoos.folder / "bin-ours"
        folder.mkdir()
        for command in programs.iterdir():
            if command.name.startswith("omz_"):
                program_copies.write_command(folder / command.name, address, command)
            elif command.name.startswith("python"):  # a link would not know its environment
                write_command(folder, command.name, command)
            else:
                (folder / command.name).symlink_to(command)

    def _write_mo(self) -> Path:
        """posezoo asks the Python beside a command which Model Optimizer it has."""
        folder = self.zoos.folder / "mo"
        folder.mkdir()
        program_copies.write_command(folder / "mo", start_copies(""), program())
        write_command(folder, "python", self.zoos.mo_env / "bin" / "python")
        return folder / "mo"
