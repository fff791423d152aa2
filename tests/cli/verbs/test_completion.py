"""TAB in real shells: verbs, flags, values and the names of models."""

import os
import pty
import re
import select
import shlex
import shutil
import subprocess
import sys
import time

import pytest

from fakes.command import misuse, posezoo, printed_alone, run_process
from fakes.soak import soak
from fakes.terminal import Terminal
from fakes.waiting import HANG_S
from fakes.zoo import model_yml, write_composite, write_model
from posezoo.cli.shell_completion import SHELLS, shell_script

#: How each shell starts without anybody's settings, a prompt that is seen in its echo, and where it sources.
INTERACTIVE = {
    "bash": ["bash", "--norc", "--noprofile", "-i"],
    "zsh": ["zsh", "-f", "-i"],
}
FIRST = {
    "bash": "bind 'set bell-style none'",
    "zsh": "autoload -Uz compinit && compinit -D -u; unsetopt beep; setopt nolistambiguous",
}


@pytest.fixture
def home(tmp_path):
    """A zoo of our own, a posezoo on PATH that shows what it is given, and each shell's script."""
    write_model(tmp_path / "models", "blaze-one", model_yml())
    write_model(tmp_path / "models", "other", model_yml())
    write_composite(tmp_path / "models", "whole", ["part"])
    write_model(tmp_path / "models", "whole/part", model_yml())
    write_model(tmp_path / "my zoo", "mine", model_yml())
    shown = tmp_path / "bin" / "posezoo"
    shown.parent.mkdir()
    shown.write_text(
        "#!/bin/sh\n"
        f'[ -n "$_ARGCOMPLETE" ] && exec {shlex.quote(sys.executable)} -m posezoo "$@"\n'
        'for word in "$@"; do printf "<%s>" "$word"; done; echo " was run"\n'
    )
    shown.chmod(0o755)
    for shell in SHELLS:
        (tmp_path / f"script.{shell}").write_text(shell_script(shell))
    return tmp_path


def need(shell):
    if shutil.which(shell) is None:
        pytest.skip(f"needs {shell}")


def environment(home):
    keep = {name: os.environ[name] for name in ("HOME", "PATH", "PYTHONPATH") if name in os.environ}
    return {
        **keep,
        "PATH": f"{home / 'bin'}:{keep['PATH']}",
        "POSEZOO_MODELS_DIR": str(home / "models"),
        "TERM": "dumb",
        "LC_ALL": "C.UTF-8",
    }


def pressed(shell, home, typed, word):
    """What an interactive shell runs after a line, TAB, and, once a word or the bell is there, Enter."""
    need(shell)
    master, slave = pty.openpty()
    child = subprocess.Popen(
        INTERACTIVE[shell],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env=environment(home),
        cwd=home,
        start_new_session=True,
    )
    os.close(slave)
    try:
        answer(
            master, f"{FIRST[shell]}; source ./script.{shell} && echo rea''dy\n", until="ready\r"
        )
        answer(master, f"{typed}\t", until=word)
        shown = answer(master, "\n", until=" was run")
        return re.findall(r"<.*> was run", shown)[-1]
    finally:
        child.kill()
        child.wait()
        os.close(master)


def answer(master, keys, *, until):
    os.write(master, keys.encode())
    seen, patience = b"", time.monotonic() + HANG_S
    while until.encode() not in seen:
        assert time.monotonic() < patience, f"no {until!r} in {seen.decode()!r}"
        if select.select([master], [], [], 0.1)[0]:
            seen += os.read(master, 65536)
    return seen.decode()


def offered(home, line):
    """What fish offers for a line, without the descriptions."""
    need("fish")
    ended = run_process(
        ["fish", "--no-config", "-c", "source ./script.fish; complete -C $argv[1]", line],
        env=environment(home),
        cwd=home,
    )
    assert ended.stderr == ""
    return [each.split("\t")[0] for each in ended.stdout.splitlines()]


#: What is typed before TAB, and the words that posezoo is given then.
CASES = [
    ("posezoo inf", ["info"]),
    ("posezoo run --dev", ["run", "--device"]),
    ("posezoo get blaze", ["get", "blaze-one"]),
    ("posezoo run --device G", ["run", "--device", "GPU"]),
    ("posezoo run --input bi", ["run", "--input", "bin"]),
    ("posezoo info who", ["info", "whole"]),
    ("posezoo run --precision FP32-", ["run", "--precision", "FP32-INT8"]),
    ("posezoo convert --network higher", ["convert", "--network", "higher_hrnet"]),
    ("posezoo list --models_dir my\\ zoo mi", ["list", "--models_dir", "my zoo", "mine"]),
    ("posezoo list --models_dir=my\\ zoo mi", ["list", "--models_dir=my zoo", "mine"]),
    ("posezoo export other --to ov", ["export", "other", "--to", "ovms"]),
    ("posezoo export other --to ovms bi", ["export", "other", "--to", "ovms", "bin"]),
    ("posezoo list --format=js", ["list", "--format=json"]),
]


def in_shells():
    """All lines in bash, and every fourth in zsh; what posezoo answers to fish is tried below."""
    for place, (typed, words) in enumerate(CASES):
        yield pytest.param("bash", typed, words, id=f"bash-{typed}")
        zsh = ("zsh", typed, words)
        yield soak(*zsh, id=f"zsh-{typed}") if place % 4 else pytest.param(*zsh, id=f"zsh-{typed}")


@pytest.mark.parametrize(("shell", "typed", "words"), list(in_shells()))
def test_tab_completes_a_line(home, shell, typed, words):
    shown = pressed(shell, home, typed, words[-1])
    # bash and fish end a folder with /, zsh takes it back at Enter
    assert shown.replace("/>", ">") == "".join(f"<{word}>" for word in words) + " was run"


@pytest.mark.parametrize(("typed", "words"), CASES)
def test_fish_offers_how_a_line_goes_on(home, typed, words):
    assert [word.rstrip("/") for word in offered(home, typed)] == [words[-1]]


def asked(line, **variables):
    """What posezoo answers to a shell that asks how a line goes on."""
    request = {
        "_ARGCOMPLETE": "1",
        "_ARGCOMPLETE_IFS": "\n",
        "COMP_LINE": line,
        "COMP_POINT": str(len(line)),
    }
    output = printed_alone(
        run_process(
            ["sh", "-c", 'exec "$0" -m posezoo 8>&1 >/dev/null', sys.executable],
            env={**os.environ, **request, **variables},
        )
    )
    return output.split()


def test_names_are_those_of_models_and_composites_and_reach_no_shell_otherwise(tmp_path):
    for name in ("one", "$(touch broken)", "two words"):
        write_model(tmp_path / "models", name, "files: [")
    write_composite(tmp_path / "models", "whole", ["part"])
    write_model(tmp_path / "models", "whole/part", model_yml())
    assert asked(f"posezoo convert --network alphapose --models_dir {tmp_path / 'models'} ") == [
        "one",
        "part",
        "whole",
    ]


def test_a_models_dir_below_the_home_folder_is_found_as_it_is_typed(tmp_path):
    write_model(tmp_path / "zoo", "one", model_yml())
    assert asked("posezoo info --models_dir ~/zoo on", HOME=str(tmp_path)) == ["one"]


@pytest.mark.parametrize(
    ("args", "problem"),
    [((), "required: {bash,zsh,fish}"), (("tcsh",), "invalid choice: 'tcsh'")],
)
def test_an_unknown_shell_is_answered_with_the_known_ones(args, problem):
    error = misuse(posezoo("completion", *args))
    assert problem in error
    assert "fish" in error


def test_the_help_shows_how_to_set_each_shell_up():
    help_text = posezoo("completion", "--help").stdout
    for shell in SHELLS:
        assert f"posezoo completion {shell} >" in help_text


def test_zsh_shows_descriptions_of_flags_and_nothing_behind_names(home):
    need("zsh")
    with Terminal(100) as terminal:
        environ = {**environment(home), "TERM": "xterm"}
        terminal.start_program(INTERACTIVE["zsh"], environ, home)
        terminal.type(f"{FIRST['zsh']}; source ./script.zsh; clear\nposezoo get \t")
        terminal.wait_for(lambda rows: row_with("blaze-one  ", rows))
        names = row_with("blaze-one  ", terminal.rows)
        assert "other" in names and "--" not in names
        terminal.type("--s\t")
        terminal.wait_for(lambda rows: row_with("--self_check ", rows))
        row = row_with("--self_check ", terminal.rows)
        assert re.match(r"--self_check +-- nodes compares an IR", row)


def row_with(start, rows):
    """The first row of a screen with such a start; empty if there is none."""
    return next((row for row in rows if row.startswith(start)), "")
