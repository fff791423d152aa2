"""Words of other programs lead to ours."""

import pytest

from fakes.command import posezoo as run


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("run --source a.jpg", "posezoo run --input a.jpg"),
        ("run --conf 0.3", "posezoo run --min_person_score 0.3"),
        ("run --save", "posezoo run writes its pictures always"),
        ("run mode=balanced", "choose a model by its name"),
        ("run source=a.jpg", "--input a.jpg"),
        ("predict source=a.jpg", "posezoo run --input photo.jpg finds the poses"),
        ("train", "posezoo trains no models"),
        ("run --model_complexity 2", "choose a model by its name: blazepose-full"),
        ("list --print_all", "posezoo list shows all names"),
    ],
)
def test_words_of_other_programs_lead_to_ours(line, hint):
    ended = run(*line.split())
    assert ended.returncode in (1, 2)
    assert f"  hint: {hint}" in ended.stderr


def test_the_dashes_of_a_flag_make_no_flag_similar():
    ended = run("run", "--sav", "x")
    assert ended.stderr.endswith("hint: posezoo run --help shows its usage\n")
