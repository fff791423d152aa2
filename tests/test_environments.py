"""The program that enters what is promised: what it reads, and what it says of a verb without its extras."""

import importlib
from pathlib import Path

import pytest

from fakes.checkout import ROOT


@pytest.fixture
def promises(monkeypatch, tmp_path):
    """The reader, with a repository of its own."""
    monkeypatch.syspath_prepend(str(ROOT / ".ci"))
    module = importlib.import_module("promises")
    monkeypatch.setattr(module, "ROOT", tmp_path)
    (tmp_path / ".github" / "workflows").mkdir(parents=True)
    return module


@pytest.fixture
def environments(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / ".ci"))
    return importlib.import_module("environments")


WORKFLOW = """\
on: [push, pull_request]
jobs:
  zoo:
    steps:
      - uses: actions/checkout
      - run: python -m pip install -c constraints.txt '.[lint]'
      - if: github.event_name == 'push'
        run: posezoo verify --metadata
      - if: ${{ !cancelled() && github.event_name != 'push' }}
        env: {NAME: "${{ inputs.model || '--all' }}"}
        run: posezoo verify "$NAME"
      - if: failure()
        run: gh issue create
"""


def write(folder, text):
    (folder / ".github" / "workflows" / "zoo.yml").write_text(text, "utf-8")


def test_a_job_is_read_for_each_event_with_the_lines_where_it_is_written(promises, tmp_path):
    write(tmp_path, WORKFLOW)
    push, request = promises.read_workflows()
    assert push.install == ("-c", "constraints.txt", ".[lint]") and push.extras == {"lint"}
    (command,) = push.commands
    assert (command.place, command.script) == (
        f"{Path('.github', 'workflows', 'zoo.yml')}:8",
        "posezoo verify --metadata",
    )
    (command,) = request.commands
    assert command.environ["NAME"] == "blazepose-full"


def test_an_installation_that_is_not_one_command_is_refused_with_its_line(promises, tmp_path):
    write(tmp_path, WORKFLOW.replace("python -m pip install", "sudo pip install"))
    with pytest.raises(promises.ReadingError, match=r"zoo\.yml:6: is not one command"):
        list(promises.read_workflows())


MAKEFILE = """\
site: $(VENV)/.installed-docs $(if $(PHOTO),$(VENV)/.installed-run)  ## the site
\t$(BIN)/posezoo card
zoo: $(VENV)/.installed-lint
\t$(BIN)/posezoo verify
"""


@pytest.fixture
def makefile(promises, environments, tmp_path):
    """A Makefile that workflows run, and its file."""
    path = tmp_path / "Makefile"
    path.write_text(MAKEFILE, "utf-8")
    (tmp_path / ".ci").mkdir()
    (tmp_path / ".ci" / "more.mk").touch()
    write(tmp_path, "on: [push]\njobs: {a: {steps: [{run: make zoo}]}}\n")
    return path


def test_what_an_argument_of_make_adds_is_an_environment_of_its_own(promises, makefile):
    site, photo, zoo = promises.read_make_targets()
    assert (site.extras, photo.extras, zoo.extras) == ({"docs"}, {"docs", "run"}, {"lint"})
    assert "PHOTO=" in photo.commands[0].script and "PHOTO=" not in site.commands[0].script
    assert (site.place, zoo.place) == ("Makefile:1", "Makefile:3")


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("", "", ""),
        (" $(VENV)/.installed-lint", "", "Makefile:3: zoo needs an environment"),
        ("zoo:", "zoos:", "zoo.yml:2: make zoo does not exist"),
    ],
)
def test_what_workflows_and_make_run_exists(environments, makefile, before, after, said):
    makefile.write_text(MAKEFILE.replace(before, after), "utf-8")
    problems = list(environments.check_calls(lambda _: True))
    assert [said in problem for problem in problems] == ([True] if said else [])


def test_each_environment_of_this_repository_says_where_it_is_promised(environments):
    read = (environments.read_workflows, environments.read_make_targets, environments.read_hooks)
    for each in [environment for reader in read for environment in reader()]:
        file, _, line = each.place.partition(":")
        assert (ROOT / file).is_file() and int(line)
        assert each.commands


@pytest.mark.parametrize(
    ("bare", "said"),
    [
        ('posezoo[lint]"', "run is named too late"),
        ('posezoo[lint,run]"', ""),
    ],
)
def test_an_extra_that_only_a_second_hint_names_is_a_failure(environments, bare, said):
    lines = environments.VERBS
    first = [(1, f'error: markdown_it is not installed\n  hint: pip install "{bare}')] * len(lines)
    second = [(0, "")] * (len(lines) - 1)
    second.append((1, 'error: cv2 is not installed\n  hint: pip install "posezoo[run]"'))
    problems = list(environments.compare_verbs("lint", second, first))
    assert [said in problem for problem in problems] == ([True] if said else [])


def test_a_traceback_or_another_error_than_a_missing_extra_is_a_failure(environments):
    ended = [(0, "")] * (len(environments.VERBS) - 1)
    ended.append((1, "error: net.tflite: OpenVINO cannot read it"))
    (problem,) = environments.compare_verbs("lint", ended, ended)
    assert problem.startswith("setup.cfg:") and "exit code 1" in problem


def test_each_verb_is_tried(environments):
    assert list(environments.name_untried_verbs()) == []
