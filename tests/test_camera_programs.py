"""The programs of docs/howto/cameras.md, run with people who fall, squat and cross a line."""

import re
import time
from contextlib import contextmanager

import cv2
import numpy as np
import pytest

import posezoo
from fakes.pages import ROOT, blocks
from posezoo.media.frames import Frame
from posezoo.poses.keypoints import Pose, Poses
from posezoo.run.runtime.estimator import Estimator

PROGRAMS = blocks(ROOT / "docs" / "howto" / "cameras.md", "python")
LINE, FALL, SQUATS, WINDOW = PROGRAMS


def person(box, knee=(50, 50)):
    """A person with the left hip above, and the left ankle below, the left knee at (50, 50)."""
    keypoints = np.full((17, 3), 0.9, np.float32)
    keypoints[11, :2], keypoints[13, :2], keypoints[15, :2] = (50, 0), knee, (50, 100)
    return Pose(keypoints, "coco-17", 0.9, box, track_id=1)


class Model:
    """Gives the people of a script, at ten frames a second; and keeps how it was asked."""

    def __init__(self, people):
        self.people = people
        self.asked = []

    @contextmanager
    def stream(self, names, **options):
        self.asked.append((names, options))
        name = names[0] if isinstance(names, list) else str(names)
        yield [
            (Frame(index, name, picture(), time.perf_counter(), index / 10), Poses([each]))
            for index, each in enumerate(self.people)
        ]

    stream_all = stream


def picture():
    return np.zeros((480, 640, 3), np.uint8)


def run(program, people, monkeypatch):
    model = Model(people)
    monkeypatch.setattr(posezoo, "load", lambda *_: model)
    exec(compile(program, "cameras.md", "exec"), {"__name__": "__main__"})
    return model


@pytest.mark.parametrize("program", PROGRAMS)
def test_each_program_has_at_most_25_lines_and_arguments_that_there_are(program):
    assert len(program.strip().splitlines()) <= 25
    for verb, arguments in re.findall(r"\.(stream|stream_all)\(.*?, (.*?)\) as", program):
        known = getattr(Estimator, verb).__code__.co_varnames
        assert {each.partition("=")[0] for each in arguments.split(", ")} <= set(known)


def test_a_person_who_lies_for_more_than_a_second_fell(monkeypatch, capsys):
    up, down = person((40, 10, 60, 90)), person((10, 70, 90, 95))
    with pytest.raises(SystemExit, match="all cameras are lost"):
        run(FALL, [up] * 5 + [down] * 9 + [up] * 3, monkeypatch)
    assert not capsys.readouterr().out
    with pytest.raises(SystemExit):
        run(FALL, [up] * 5 + [down] * 13, monkeypatch)
    said = capsys.readouterr().out
    assert said.startswith("rtsp://ann:s3cret@camera0.local/1: person 1 fell, ")


def test_two_squats_are_two(monkeypatch, capsys):
    box = (0, 0, 99, 99)
    up, down = person(box, (50, 50)), person(box, (110, 50))
    run(SQUATS, [up, down, down, up, up, down, up], monkeypatch)
    assert capsys.readouterr().out == "1 squats\n2 squats\n"


def test_a_person_who_crosses_and_comes_back_is_counted_on_both_ways(monkeypatch, capsys):
    places = [(x, 0, x + 50, 100) for x in (200, 250, 320, 380, 250)]
    run(LINE, [person(box) for box in places], monkeypatch)
    assert capsys.readouterr().out.splitlines() == [
        "{'to the left': 0, 'to the right': 1}",
        "{'to the left': 1, 'to the right': 1}",
    ]


def test_the_window_shows_each_frame_until_esc(monkeypatch):
    shown = []
    monkeypatch.setattr(cv2, "imshow", lambda _, image: shown.append(image.any()))
    monkeypatch.setattr(cv2, "waitKey", lambda _: 27 if len(shown) == 2 else -1)
    model = run(WINDOW, [person((40, 10, 60, 90))] * 5, monkeypatch)
    assert shown == [True, True]
    assert model.asked == [(0, {})]
