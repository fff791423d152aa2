"""The flags of posezoo run and demo for videos."""

import pytest

from fakes.command import posezoo, refusal


@pytest.mark.parametrize("verb", ["run", "demo"])
@pytest.mark.parametrize(("flag", "least"), [("--detect_every", 1), ("--reconnect", 0)])
def test_a_number_that_is_too_small_is_refused_with_the_smallest_one(verb, flag, least):
    said = refusal(posezoo(verb, f"{flag}={least - 1}"), code=2)
    assert f"argument {flag}: expected a" in said
    assert f"number from {least} to" in said
