"""The flags of posezoo run and demo for videos, and on which flags of run the results of photos depend."""

import argparse
from pathlib import Path

import cv2
import numpy as np
import pytest

from fakes import seeker
from fakes.command import posezoo, read_json, refusal, succeeded
from posezoo.cli.main import create_parser, verb_parsers
from posezoo.run.verbs import run
from posezoo.run.verbs.run_flags import VIDEO

#: What ``describe_estimator`` shows of them: the files that run, the device, and the options.
OF_THE_MODEL = {
    "model", "checkpoint", "weights_dir", "precision", "device", "inference_precision", "min_person_score",
    "decoder", "decoder_options", "skeleton", "detector", "height", "reverse_input_channels",
    "mean_values", "scale_values", "models_dir", "registries", "mo", "allow_upstream_code",
}  # fmt: skip
#: For videos, which have no journal; for photos they are refused.
OF_VIDEOS = {flag.spellings[-1].removeprefix("--") for flag in VIDEO.flags}
#: It refuses a model, and changes the results of none.
REFUSING = {"locked"}
#: What is printed, and where files come from and go to: each with a value that is not its default. A photo has the same
#: results with all of them. The files ca.pem and posezoo.lock are empty.
WITHOUT_EFFECT = {
    "output": "{folder}/other", "format": "json", "quiet": "", "verbose": "", "log": "{folder}/log", "force": "",
    "cache_dir": "{folder}/cache", "mirror": "{folder}", "attempts": "2", "stall_timeout": "7",
    "header": "example.org=A: b", "allow_http": "", "allow_private_redirects": "",
    "lock": "{folder}/posezoo.lock", "trust_on_first_use": "", "conversion_timeout": "99",
    "conversion_memory": "4", "require_proof": "", "limit": "1",
}  # fmt: skip


class Asked:
    """Arguments that note which of them are asked for."""

    def __init__(self):
        self.names = set()

    def __getattr__(self, name):
        self.names.add(name)


def flags_of_run():
    parser = verb_parsers(create_parser(["run"]))["run"]
    return {
        action.dest
        for action in parser._actions
        if not isinstance(action, argparse._HelpAction | argparse._VersionAction)
    }


def test_a_run_that_goes_on_knows_each_flag_on_which_its_results_depend():
    asked = Asked()
    run._describe_flags(asked)
    flags = flags_of_run()
    listed = OF_THE_MODEL | OF_VIDEOS | REFUSING | WITHOUT_EFFECT.keys()
    unknown = sorted(flags - asked.names - listed)
    assert not unknown, (
        f"add {unknown} to _describe_flags in run/verbs/run.py: else a run that goes on mixes results"
        " of two settings in one poses.json; or, if no result of a photo depends on it, to"
        " WITHOUT_EFFECT of tests/run/verbs/test_run_flags.py"
    )
    gone = sorted((listed | asked.names) - flags)
    assert not gone, f"remove {gone} from tests/run/verbs/test_run_flags.py: run has no such flag"
    assert not asked.names & listed


def found_in(out):
    """The people of the only image, and its picture."""
    (image,) = read_json(out / "poses.json")["images"]
    return image["poses"], Path(image["picture"]).read_bytes()


def test_no_flag_without_effect_changes_the_results_of_a_photo(tmp_path):
    xml, photo = seeker.write_ir(tmp_path / "seeker"), tmp_path / "photo.png"
    noise = np.random.default_rng(0).integers(0, 256, (70, 90, 3), np.uint8)
    cv2.imwrite(str(photo), noise)
    for name in ("ca.pem", "posezoo.lock"):
        (tmp_path / name).touch()
    command = ("run", xml, "--input", photo, "--detector", "none")
    succeeded(posezoo(*command, "--output", tmp_path / "usual"))
    given = [
        word
        for name, value in WITHOUT_EFFECT.items()
        for word in (f"--{name}", value.format(folder=tmp_path))
        if word
    ]
    succeeded(posezoo(*command, *given))
    usual = found_in(tmp_path / "usual")
    assert len(usual[0]) == 1
    assert found_in(tmp_path / "other") == usual, (
        "a flag of WITHOUT_EFFECT in tests/run/verbs/test_run_flags.py changes the results of a photo: move it to"
        " _describe_flags in run/verbs/run.py"
    )


@pytest.mark.parametrize("verb", ["run", "demo"])
@pytest.mark.parametrize(("flag", "least"), [("--detect_every", 1), ("--reconnect", 0)])
def test_a_number_that_is_too_small_is_refused_with_the_smallest_one(verb, flag, least):
    said = refusal(posezoo(verb, f"{flag}={least - 1}"), code=2)
    assert f"argument {flag}: expected a" in said
    assert f"number from {least} to" in said
