"""posezoo compare: how far keypoints move."""

import pytest

from fakes.command import json_of, posezoo, refusal, succeeded

ROWS = "ended in 0.3.0: posezoo recommend --all prints each row, and with --format json each value"


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("light", "other"), f"posezoo compare without --keypoints {ROWS}"),
        ((), f"posezoo compare without --keypoints {ROWS}"),
        (("--all", "--picture", "zoo.svg"), f"posezoo compare --all {ROWS}"),
        (
            ("light", "--picture=zoo.svg"),
            "posezoo compare --picture ended in 0.3.0: posezoo card --html draws a chart of models",
        ),
        *(
            (
                ("light", flag, "x"),
                f"posezoo compare {flag} ended in 0.3.0: posezoo recommend has this flag",
            )
            for flag in ("--figures", "--machine", "--setting")
        ),
    ],
)
def test_the_table_ended_and_a_line_says_what_to_use_instead(args, said):
    ended = posezoo("compare", *args)
    assert (ended.returncode, ended.stdout, ended.stderr) == (2, "", f"{said}\n")


@pytest.mark.parametrize(
    ("args", "problem"),
    [
        (("light", "--input", "."), "--keypoints compares two, not 1"),
        (
            ("light", "other", "--precisions", "FP16,FP32", "--input", "."),
            "--keypoints compares two, not 4",
        ),
        (
            ("light@FP16", "light@FP32", "--input", "."),
            "light@FP16: FP16 is a precision: write --precisions FP16",
        ),
        (("light", "other"), "--keypoints requires --input"),
        (("light", "other", "--input", ".", "--format", "csv"), "invalid choice: 'csv'"),
    ],
)
def test_comparing_keypoints_takes_two_models_and_images(args, problem):
    assert problem in refusal(posezoo("compare", "--keypoints", *args), code=2)


@pytest.mark.slow
def test_two_precisions_of_a_model_find_nearly_the_same_keypoints(mirror, shared, tmp_path):
    photos = sorted((shared / "data" / "photos").glob("*.jpg"))[:4]
    flags = ("--precisions", "FP32,FP16", "--format", "json", "--input", *photos)
    environ = {"POSEZOO_MIRROR": str(mirror), "POSEZOO_WEIGHTS_DIR": str(tmp_path / "models")}
    moves = json_of(
        succeeded(posezoo("compare", "--keypoints", "blazepose-full", *flags, **environ))
    )
    assert (moves["first"], moves["second"]) == ("blazepose-full FP32", "blazepose-full FP16")
    assert moves["images"] == 4
    assert moves["by_both"] >= 3
    assert moves["only_by_first"] == moves["only_by_second"] == 0
    assert 0 <= moves["of_image"]["median"] <= moves["of_image"]["p90"] < 1
    assert moves["of_input"]["median"] < 1
