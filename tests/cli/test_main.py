"""Help, errors, exit codes and signals of the command line."""

import argparse
import os
import shlex
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from fakes.checkout import ROOT
from fakes.command import (
    heed_interrupts,
    misuse,
    omz_tool,
    posezoo,
    posezoo_process,
    printed,
    refusal,
    run_process,
)
from fakes.plugin_package import plugin_package
from fakes.waiting import HANG_S
from fakes.zoo import declared_file, model_yml, write_model
from posezoo.cli import main as command_line
from posezoo.cli import verbs
from posezoo.core.workers.threads import map_ordered

SOURCE = Path(command_line.__file__).parents[1]


def shown_verbs(text):
    return [verb for verb in command_line.VERBS if f"\n  {verb} " in text]


def test_help_shows_the_daily_verbs_and_where_the_others_are():
    shown = printed(posezoo("--help"))
    assert shown_verbs(shown) == list(verbs.DAILY)
    assert "posezoo help --all shows all verbs" in " ".join(shown.split())


def test_help_all_shows_every_verb_below_its_heading():
    shown = printed(posezoo("help", "--all"))
    modules = [path.stem for path in SOURCE.glob("*/verbs/[a-z]*.py")]
    modules = [name for name in modules if not name.endswith("_flags")]  # several verbs share them
    without_summary = sorted({*modules} - {*command_line.VERBS})
    assert not without_summary, (
        f"add what {without_summary} do to summaries.json in the folder of their modules, or call a"
        " module of shared flags NAME_flags.py"
    )
    without_module = sorted({*command_line.VERBS} - {*modules})
    assert not without_module, (
        f"add a module for {without_module} beside the summaries.json that names them"
    )
    assert shown_verbs(shown) == list(command_line.VERBS)
    for title in command_line.VERB_GROUPS:
        assert f"\n\n{title}:\n  " in shown


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("--input one.webp", "posezoo run --input one.webp"),
        ("--quiet list", "posezoo list --quiet"),
        (
            "--weights_dir 'my models' get pose-a -q",
            "posezoo get --weights_dir 'my models' pose-a -q",
        ),
        ("--quiet", "posezoo help --all shows all verbs"),
        ("-", "posezoo help --all shows all verbs"),
    ],
)
def test_flags_before_the_verb_are_told_where_they_belong(line, hint):
    words = shlex.split(line)
    assert misuse(posezoo(*words)).splitlines() == [
        f"posezoo: error: {words[0]} is no verb: flags come after the verb",
        f"  hint: {hint}",
    ]


@pytest.mark.parametrize(
    ("names", "words"),
    [("a.jpg b.jpg", "--input a.jpg b.jpg"), ("net.onnx b.jpg", "net.onnx --input b.jpg")],
)
def test_images_in_the_place_of_a_model_are_told_where_they_belong(tmp_path, names, words):
    for name in names.split():
        (tmp_path / name).touch()
    assert misuse(posezoo("run", *names.split(), cwd=tmp_path)).splitlines() == [
        "posezoo run: error: unrecognized arguments: b.jpg",
        f"  hint: posezoo run {words}",
    ]


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("convert net.onnx --data_type half", "posezoo convert net.onnx --precisions FP16"),
        ("convert --input_model net.onnx -o d", "posezoo convert net.onnx -o d"),
        (
            "run movenet-thunder --conf=0.3 -i a.jpg",
            "posezoo run movenet-thunder -i a.jpg --min_person_score 0.3",
        ),
        ("run --source a.jpg movenet-thunder", "posezoo run movenet-thunder --input a.jpg"),
        (
            "run movenet-multipose --imgsz 320 -i 'a b.jpg'",
            "posezoo run movenet-multipose -i 'a b.jpg' --height 320",
        ),
        (
            "run movenet-thunder -i a.jpg --max_people 1",
            "posezoo run movenet-thunder -i a.jpg --decoder_options max_people=1",
        ),
        ("run --chekpoint a.pth", "posezoo run --checkpoint a.pth"),
        # No command would run: the size is fixed, no option has this name, no flag is meant.
        ("run movenet-thunder --imgsz 320 -i a.jpg", "posezoo run --help shows its usage"),
        ("run movenet-multipose --max_people 1 -i a", "posezoo run --help shows its usage"),
        ("run --max_people 1 -i a.jpg", "posezoo run --help shows its usage"),
        ("list --source a.jpg", "posezoo list --help shows its usage"),
        ("run --foo", "posezoo run --help shows its usage"),
    ],
)
def test_flags_of_other_programs_are_exchanged_in_the_whole_command(line, hint):
    assert misuse(posezoo(*shlex.split(line))).splitlines()[-1] == f"  hint: {hint}"


def test_a_package_adds_a_verb_and_replaces_none(tmp_path, capsys):
    code = (
        "from posezoo.cli.verbs import Verb\n"
        "VERB = Verb('do nothing well', lambda args: 7, (), 'posezoo rest')"
    )
    added = [f"posezoo.verbs: {name} = resting:VERB" for name in ("rest", "list")]
    with plugin_package(tmp_path, *added, name="rested", resting=code):
        assert command_line.main(["rest"]) == 7
        assert verbs.find_verb("list").summary == verbs.SUMMARIES["list"]
        with pytest.raises(SystemExit):
            command_line.main(["help", "--all"])
    assert capsys.readouterr().out.count("\n  rest        do nothing well\n") == 1


@pytest.mark.parametrize(
    ("body", "code", "shown"),
    [
        ("lambda args: 1 // 0, ()", 3, "a bug in the plug-in rest (posezoo.verbs) of the package"),
        ("print, ('--times',)", 1, "posezoo rest: no shared flag is called --times"),
    ],
)
def test_a_fault_of_an_added_verb_names_it(tmp_path, capsys, monkeypatch, body, code, shown):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    module = f"from posezoo.cli.verbs import Verb\nVERB = Verb('rest', {body}, 'posezoo rest')"
    with plugin_package(tmp_path, "posezoo.verbs: rest = resting:VERB", resting=module):
        assert command_line.main(["rest"]) == code
    assert f"error: {shown}" in capsys.readouterr().err


@pytest.mark.parametrize("columns", [80, 120])
def test_every_help_fits_the_terminal_and_its_usage_is_one_line(monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    top = command_line.create_parser()
    for name, parser in {"": top, **command_line.verb_parsers(top)}.items():
        usage, empty, *lines = parser.format_help().partition("\nexamples:\n")[0].splitlines()
        assert usage.startswith(f"usage: posezoo {name}".rstrip())
        assert (len(usage) <= 80, empty) == (True, "")
        assert max(map(len, lines)) <= min(columns, 100)


def test_the_help_of_a_verb_shows_its_own_flags_before_those_that_many_verbs_share():
    text = command_line.verb_parsers(command_line.create_parser(["run"]))["run"].format_help()
    own = (
        "--input",
        "--output",
        "--precision",
        "--device",
        "--quiet",
        "--track",
        "--weights_dir",
    )
    shared = (
        *(
            "\nthe pipeline:\n",
            "--detector MODEL",
            "\ndownloads:\n",
            "--cache_dir",
            "\ntrust:\n",
            "--locked",
            "\nregistry:\n",
            "--models_dir",
        ),
        *("\nconversion:\n", "--mo PATH", "\nexamples:\n  posezoo run\n"),
    )
    places = [text.index(each) for each in (*own, *shared)]
    assert places == sorted(places)


@pytest.mark.parametrize("verb", ["run", "demo"])
def test_help_of_a_verb_explains_the_flags_that_decide_and_names_all_others(verb):
    short = posezoo(verb, "--help").stdout
    full = posezoo("help", verb, "--all").stdout
    assert len(short.splitlines()) < 100 < len(full.splitlines())
    parser = command_line.verb_parsers(command_line.create_parser([verb]))[verb]
    shown = [action for action in parser._actions if action.help != argparse.SUPPRESS]
    for action in shown:
        name = action.option_strings[-1] if action.option_strings else action.metavar
        assert name in short and name in full, name
        assert " ".join(action.help.split()[:3]) in " ".join(full.split()), name
    assert f"\n\nmore flags; posezoo help {verb} --all explains them:\n" in short
    assert "more flags" not in full
    explained = short.partition("\n\nmore flags")[0]
    for flag in ("--input", "--output", "--device", "--precision", "--track"):
        assert f" {flag}" in explained, flag
    assert "--lock FILE" in full and "--lock FILE" not in short


def test_help_of_a_verb_without_more_flags_is_all_there_is():
    short = posezoo("completion", "--help").stdout
    assert posezoo("help", "completion", "--all").stdout == short


def test_examples_of_every_verb_are_below_its_flags():
    for verb, parser in command_line.verb_parsers(command_line.create_parser()).items():
        assert f"\n\nexamples:\n  posezoo {verb}" in parser.format_help()


def test_no_hint_names_a_spelling_of_open_model_zoo():
    error = misuse(posezoo("list", "--output_dir", "x"))
    assert error.endswith("hint: posezoo list --help shows its usage\n")


def test_without_a_word_the_short_help_is_shown():
    shown = posezoo()
    assert (shown.returncode, shown.stdout) == (0, posezoo("--help").stdout)


def test_the_version_is_that_of_the_package():
    assert posezoo_process("--version").stdout.startswith("posezoo 0.")


@pytest.mark.parametrize(
    ("args", "problem"),
    [
        (
            ("convert", "x", "--precison", "FP16"),
            "--precison\n  hint: posezoo convert x --precisions FP16",
        ),
        (("list", "--precisions", "FP16"), "posezoo list --precision FP16"),
        (("run", "--out", "x"), "arguments: --out\n  hint: posezoo run --output x"),
        (("evaluate", "--model", "x"), "arguments: --model\n  hint: posezoo evaluate x"),
        (("run", "--model"), "--model: expected one argument"),
        (("rtsp://cam/1",), "to find the poses in it: posezoo run --input rtsp://cam/1"),
        (("get", "--name", "x"), "arguments: --name\n  hint: give the names without a flag"),
        (("get", "--name=x"), "arguments: --name=x\n  hint: give the names without a flag"),
        (
            ("download", "--list", "x.lst"),
            "arguments: --list\n  hint: give the names without a flag",
        ),
        (
            ("download", "--print_all"),
            "arguments: --print_all\n  hint: posezoo list shows all names",
        ),
        (
            ("export", "x", "--to", "ovms", "out", "--cluster", "local"),
            "hint: posezoo export --help shows its usage",
        ),
        (
            ("download", "x", "--precisions", "FP16"),
            "--precisions\n  hint: posezoo download --help shows its usage",
        ),
        (("get", "x", "--precision", "FP16"), "hint: posezoo get x --precisions FP16"),
        (
            ("convert", "x", "--add_mo_arg", "y"),
            "--add_mo_arg\n  hint: omz_converter has this flag: posezoo shims",
        ),
        (("get",), "name a model, or use --all"),
        (("get", "x", "--all"), "either --all or MODEL"),
        (
            ("benchmark", "--size", "host:80"),
            "expected height and width such as 368,432, got 'host:80'",
        ),
        (("run", "--min_score", "2"), "expected a number from 0 to 1"),
        (("lint", "--dry_run"), "--dry_run requires --fix"),
    ],
)
def test_wrong_flags_end_with_2_and_are_named(args, problem):
    ended = posezoo(*args)
    assert ended.returncode == 2
    assert problem in ended.stderr
    error, hint = ended.stderr.splitlines()
    assert error.startswith("posezoo")
    assert hint.startswith("  hint: ")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("mirror create --dry_run folder x", {"what": "create", "models": ["x"]}),
        ("mirror create folder --jobs 2 x", {"folder": Path("folder"), "models": ["x"]}),
        ("prove --jobs 2 x", {"jobs": 2, "models": ["x"]}),
        ("dataset get --quiet coco-val2017", {"what": "get", "name": "coco-val2017"}),
        ("get x --jobs 2 y", {"models": ["x", "y"]}),
        ("get --quiet -- x", {"models": ["x"]}),
        ("list --quiet", {"models": []}),
        ("run --limit 3", {"model": None}),
        ("run --model x --limit 3", {"model": "x", "limit": 3}),
        ("run --limit 3 -m x", {"model": "x"}),
    ],
)
def test_flags_may_be_anywhere_after_the_verb(monkeypatch, words, expected):
    verb, *_ = words.split()
    given = []
    (path,) = SOURCE.glob(f"*/verbs/{verb}.py")
    module = f"posezoo.{path.parts[-3]}.verbs.{verb}"
    monkeypatch.setattr(f"{module}.run", lambda args: given.append(args) or 0)
    assert command_line.main(words.split()) == 0
    assert {name: getattr(given[0], name) for name in expected} == expected


def test_an_unknown_model_ends_with_1_and_a_hint():
    error = refusal(posezoo("info", "blazepose-ful"))
    assert (
        error == "error: no model is called 'blazepose-ful'\n  hint: did you mean blazepose-full?\n"
    )


def test_a_closed_pipe_is_no_error(tmp_path):
    for number in range(2000):
        write_model(tmp_path / "models", f"model-{number}", model_yml(description="x" * 200 + "."))
    words = [sys.executable, "-m", "posezoo", "list", "--models_dir", f"{tmp_path}/models"]
    command = f"{shlex.join(words)} --format json | head -1"
    ended = run_process(["bash", "-c", f"set -o pipefail; {command}"])
    assert ended.stdout == "[\n"
    assert ended.stderr == ""


@pytest.mark.parametrize(
    ("verb", "count", "closed"),  # the lines of 60 with long names do not fit into a buffer
    [
        ("verify", 60, "| head -1"),
        ("verify", 60, "2>&1 | true"),
        ("convert", 1, "2>&1 | true"),
        ("convert", 60, "| head -1"),
    ],
)
def test_a_closed_pipe_hides_no_failure(tmp_path, verb, count, closed):
    for number in range(count):
        name = f"{'long-' * 30}{number}"
        write_model(tmp_path / "models", name, model_yml())
        damaged = tmp_path / "out" / "public" / name / "net.tflite"
        damaged.parent.mkdir(parents=True)
        damaged.write_bytes(b"damaged")
    words = [sys.executable, "-m", "posezoo", verb, "--all", "--models_dir", "models"]
    command = f"{shlex.join([*words, '--weights_dir', 'out'])} {closed}"
    error = refusal(
        run_process(
            ["bash", "-c", f"{command}; exit ${{PIPESTATUS[0]}}"],
            cwd=tmp_path,
        )
    )
    assert "Traceback" not in error


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_behind_the_standard_output_is_one_line():
    with open("/dev/full", "w", encoding="utf-8") as full:
        ended = subprocess.run(
            [sys.executable, "-m", "posezoo", "list"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
        )
    assert ended.returncode == 1
    assert ended.stderr == "error: output: No space left on device\n"


@pytest.mark.skipif(os.name == "nt", reason="Windows keeps a folder that somebody works in")
def test_a_working_folder_that_was_removed_is_named(tmp_path):
    (tmp_path / "gone").mkdir()
    tool = ROOT / "tools" / "downloader" / "downloader.py"
    error = refusal(
        run_process(
            [
                "sh",
                "-c",
                'rmdir ../gone; exec "$0" "$@"',
                sys.executable,
                str(tool),
                "--name",
                "blazepose-full",
            ],
            cwd=tmp_path / "gone",
        )
    )
    assert error == "error: the working folder: No such file or directory\n"


def test_a_file_name_that_the_system_cannot_encode_is_one_error(tmp_path):
    (tmp_path / "net").write_bytes(b"net")
    file = {**declared_file(tmp_path / "net"), "name": "größe.tflite"}
    write_model(tmp_path / "models", "net", model_yml(files=[file]))
    error = refusal(posezoo_process(
        "download", "net", "--models_dir", tmp_path / "models", "-o", tmp_path / "out", LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0"
    ))  # fmt: skip
    assert error.splitlines()[-1] == "  hint: set PYTHONUTF8=1"
    assert r"\xf6\xdfe.tflite" in error


def test_no_more_threads_are_one_error_and_fewer_threads_do_the_work(monkeypatch, capsys):
    from posezoo.pages.verbs import list as listing

    start, left = threading.Thread.start, [2]

    def start_few(thread):
        if not left[0]:
            raise RuntimeError("can't start new thread")
        left[0] -= 1
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", start_few)
    assert list(map_ordered(lambda item, check: item + 1, range(9), 64)) == list(range(1, 10))
    monkeypatch.setattr(listing, "run", lambda args: len(list(map_ordered(print, range(9), 64))))
    assert command_line.main(["list"]) == 1
    assert capsys.readouterr().err.splitlines()[0] == "error: the system allows no more threads"


def test_a_bug_is_written_to_a_log_whose_path_is_shown(monkeypatch, capsys, tmp_path):
    from posezoo.pages.verbs import list as listing

    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.setattr(listing, "run", lambda args: 1 // 0)
    assert command_line.main(["list"]) == 3
    shown = capsys.readouterr().err
    assert "a bug in posezoo: ZeroDivisionError" in shown
    log = next(tmp_path.glob("posezoo-*.log"))
    assert str(log) in shown
    assert "Traceback" in log.read_text()


REST = ": what is complete was kept; run the same command again for the rest"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("download", "blazepose-full"), REST),
        (("quantize", "blazepose-full"), REST),
        (
            ("run",),
            ": models and the results so far were kept; the same command continues with photos, if they"
            " are many, and begins videos anew",
        ),
        (("list",), ""),
        (("cache", "remove", "blazepose-full"), ""),
    ],
)
def test_after_an_interrupt_each_verb_says_what_is_true_of_it(monkeypatch, words, said):
    def interrupt(_args):
        raise KeyboardInterrupt

    verb = verbs.find_verb(words[0])
    monkeypatch.setattr("posezoo.cli.main.find_verb", lambda _: verb._replace(run=interrupt))
    ended = posezoo(*words)
    assert (ended.returncode, ended.stderr) == (130, f"interrupted{said}\n")


@pytest.mark.parametrize(("name", "said"), [("downloader", REST), ("info_dumper", "")])
def test_so_do_the_commands_of_open_model_zoo(monkeypatch, name, said):
    def interrupt(*_args):
        raise KeyboardInterrupt

    monkeypatch.setattr("posezoo.omz.commands.conventions.select_models", interrupt)
    ended = omz_tool(name, "--name", "blazepose-full")
    assert (ended.returncode, ended.stderr) == (130, f"interrupted{said}\n")


@pytest.mark.parametrize(
    "command",
    [
        ["-m", "posezoo", "list"],
        *([f"tools/downloader/{name}.py", "--print_all"] for name in ("downloader", "converter", "info_dumper")),
    ],
    ids=lambda command: command[-2],
)  # fmt: skip
def test_an_interrupt_during_the_start_ends_the_process_silently(tmp_path, command):
    # In place of Python's own: an import that takes longer than anybody waits.
    (tmp_path / "argparse.py").write_text(
        "import time\nprint('importing', flush=True)\ntime.sleep(60)\n"
    )
    environ = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join((str(tmp_path), os.environ.get("PYTHONPATH", ""))),
    }
    child = subprocess.Popen(
        [sys.executable, *command],
        cwd=ROOT, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=heed_interrupts,
    )  # fmt: skip
    assert child.stdout.readline() == "importing\n"
    child.send_signal(signal.SIGINT)
    _, shown = child.communicate(timeout=HANG_S)
    assert shown == ""
    assert child.returncode == -signal.SIGINT  # a shell says 130


@pytest.mark.parametrize(("chosen", "threads"), [({}, 1), ({"OPENCV_FOR_THREADS_NUM": "3"}, 3)])
def test_commands_run_opencv_in_one_thread_unless_the_user_chooses(chosen, threads):
    pytest.importorskip("cv2")
    code = (
        "import sys; from posezoo.__main__ import main; from posezoo.cli import main as command_line\n"
        "command_line.main = lambda: __import__('cv2').getNumThreads()\n"
        "sys.exit(main())"
    )
    environment = {
        name: value for name, value in os.environ.items() if name != "OPENCV_FOR_THREADS_NUM"
    }
    done = subprocess.run(
        [sys.executable, "-c", code], timeout=HANG_S, check=False, env={**environment, **chosen}
    )
    assert done.returncode == threads


@pytest.mark.parametrize(
    ("word", "hint"),
    [
        ("upload", "posezoo help --all shows all verbs"),
        ("prune", "posezoo help --all shows all verbs"),
        ("remove", "posezoo cache remove removes the files and IR of models"),
        ("downlod", "did you mean download?"),
        ("rnu", "did you mean run?"),
        ("evaluation", "did you mean evaluate?"),
        ("plain.png", "to find the poses in it: posezoo run --input plain.png"),
        (
            "gone.png",
            "there is no file gone.png here; to find the poses in it: posezoo run --input gone.png",
        ),
    ],
)
def test_a_word_that_is_no_verb_is_answered_with_what_is_meant_or_with_nothing(
    tmp_path, word, hint
):
    (tmp_path / "plain.png").write_bytes(b"")
    error = misuse(posezoo(word, cwd=tmp_path))
    assert error == f"posezoo: error: no verb is called '{word}'\n  hint: {hint}\n"
