"""The command lines of public projects go through the parsers of the commands that they call."""

import argparse

import pytest

from omz import projects
from posezoo.core.registry import open_registry
from posezoo.omz.commands import converter, downloader, info_dumper, quantizer

LINES = projects.read_lines()
CALLS = [line for line in LINES if line.tool in projects.PARSERS]
MAINS = {
    "downloader": downloader.main,
    "converter": converter.main,
    "quantizer": quantizer.main,
    "info_dumper": info_dumper.main,
}

#: Models that left Open Model Zoo before 2021.4, and one that was never in it.
GONE = {
    "deeplabv3p_person",
    "face-detection-adas-binary-0001",
    "person-reidentification-retail-0031",
    "person-reidentification-retail-0079",
    "person-reidentification-retail-0248",
    "person-reidentification-retail-0300",
    "resnet-50",
}

#: The flags of Open Model Zoo's commands, as their releases 2021.4 and 2024.6 declare them.
SELECTION = "--name --list --all --print_all"
THEIRS = {
    "downloader": f"{SELECTION} --precisions --output_dir --cache_dir --num_attempts --progress_format --jobs",
    "converter": f"{SELECTION} --download_dir --output_dir --precisions --python --mo --add_mo_arg --add-mo-arg "
    "--dry_run --dry-run --jobs",
    "quantizer": f"{SELECTION} --model_dir --dataset_dir --output_dir --precisions --python --pot --dry_run "
    "--target_device",
    "info_dumper": SELECTION,
}


def ids(line):
    return f"{line.project}: {line.line}"


def test_lines_with_each_set_of_flags_parse_and_name_the_models_of_their_rows():
    """All lines are run by ``test_replay``, before a release at the latest."""
    alike = {
        (
            line.tool,
            *sorted(word.partition("=")[0] for word in line.arguments if word[:1] == "-"),
        ): line
        for line in CALLS
        if not line.cannot
    }
    assert len(alike) > 40
    for line in alike.values():
        args = projects.PARSERS[line.tool]().parse_args(line.arguments)
        chosen = [args.all, args.print_all, args.name is not None, args.list is not None]
        assert sum(chosen) == 1, line
        if args.name is not None:
            assert tuple(args.name.split(",")) == line.models, line


@pytest.mark.parametrize("line", [each for each in CALLS if each.cannot], ids=ids)
def test_a_line_that_cannot_run_is_refused_with_the_name_of_its_flag(
    line, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "datasets").mkdir()
    try:
        code = MAINS[line.tool](line.arguments)
    except SystemExit as ended:
        code = ended.code
    assert code == 2
    assert line.cannot.partition(": ")[0] in capsys.readouterr().err.splitlines()[-1]
    assert list(tmp_path.iterdir()) == [tmp_path / "datasets"]


@pytest.mark.parametrize("flag", ["-c models.yml", "--config models.yml", "--model_root models"])
def test_a_flag_of_an_older_command_is_refused_with_what_takes_its_place(flag, capsys):
    with pytest.raises(SystemExit):
        downloader.main(["--all", *flag.split()])
    assert f"{flag} (--models_dir names the folder of model.yml files)" in capsys.readouterr().err


@pytest.mark.parametrize("tool", THEIRS)
def test_an_abbreviation_means_what_it_means_to_open_model_zoo(tool):
    reference, parser = argparse.ArgumentParser(), projects.PARSERS[tool]()
    flags = THEIRS[tool].split()
    for flag in flags:
        reference.add_argument(flag, dest=flag)
    switches = {"--all", "--print_all", "--dry_run", "--dry-run"}
    values = {
        "--progress_format": "json",
        "--jobs": "2",
        "--num_attempts": "2",
        "--target_device": "CPU",
    }
    for flag in flags:
        value = [] if flag in switches else [values.get(flag, "value")]
        expected = parser.parse_args([flag, *value])
        for end in range(3, len(flag)):
            short = flag[:end]
            if len([each for each in flags if each.startswith(short)]) > 1:
                continue
            assert vars(parser.parse_args([short, *value])) == {
                **vars(expected),
                "parser": parser,
            }, short


def test_the_name_of_a_device_of_2021_is_understood():
    args = quantizer.COMMAND.create_parser().parse_args(
        ["--all", "--dataset_dir", "d", "--target_device", "VPU"]
    )
    assert args.target_device == "NPU"


def test_each_model_is_one_of_a_known_release():
    names = projects.read_names()
    unknown = {
        model for line in LINES for model in line.models if not projects.releases_of(model, names)
    }
    assert unknown == GONE


def test_no_other_model_of_ours_has_the_name_of_one_of_open_model_zoo():
    """Scripts that name it would get ours."""
    names = {row["name"] for row in projects.read_table("model_names.tsv")}
    assert names & open_registry().entries.keys() == {
        "higher-hrnet-w32-human-pose-estimation",
        "human-pose-estimation-0001",
        "human-pose-estimation-0005",
        "human-pose-estimation-0006",
        "human-pose-estimation-0007",
        "human-pose-estimation-3d-0001",
        "person-detection-retail-0013",
        "single-human-pose-estimation-0001",
    }
