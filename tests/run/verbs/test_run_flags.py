"""The flags of posezoo run and demo for videos, and on which flags of run the results of photos depend."""

import argparse

import pytest

from fakes.command import posezoo, refusal
from posezoo.cli.main import create_parser, verb_parsers
from posezoo.run.verbs import run

#: What ``describe_estimator`` shows of them: the files that run, the device, and the options.
OF_THE_MODEL = {
    "model", "checkpoint", "weights_dir", "precision", "device", "inference_precision", "min_person_score", "whole_image",
    "decoder", "decoder_options", "skeleton", "detector", "height", "labels", "layout", "reverse_input_channels",
    "mean_values", "scale_values", "models_dir", "registries", "mo", "allow_upstream_code",
}  # fmt: skip
#: What is printed, where files come from and go to, and what is for videos, which have no journal.
WITHOUT_EFFECT = {
    "output", "format", "quiet", "verbose", "log", "force",
    "cache_dir", "mirror", "attempts", "stall_timeout", "header", "ca_bundle", "allow_http", "allow_private_redirects",
    "lock", "locked", "trust_on_first_use", "conversion_timeout", "conversion_memory", "require_proof",
    "track", "smooth", "detect_every", "reconnect", "fps", "json_lines", "limit",
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
    listed = OF_THE_MODEL | WITHOUT_EFFECT
    unknown = sorted(flags - asked.names - listed)
    assert not unknown, (
        f"add {unknown} to _describe_flags in run/verbs/run.py: else a run that goes on mixes results"
        " of two settings in one poses.json; or, if no result of a photo depends on it, to"
        " WITHOUT_EFFECT of tests/run/verbs/test_run_flags.py"
    )
    gone = sorted((listed | asked.names) - flags)
    assert not gone, f"remove {gone} from tests/run/verbs/test_run_flags.py: run has no such flag"
    assert not asked.names & listed


@pytest.mark.parametrize("verb", ["run", "demo"])
@pytest.mark.parametrize(("flag", "least"), [("--detect_every", 1), ("--reconnect", 0)])
def test_a_number_that_is_too_small_is_refused_with_the_smallest_one(verb, flag, least):
    said = refusal(posezoo(verb, f"{flag}={least - 1}"), code=2)
    assert f"argument {flag}: expected a" in said
    assert f"number from {least} to" in said
