"""What a user is told to do next: from measured values, and where a system lacks something."""

from __future__ import annotations

import pytest

from posezoo.core.errors import MissingPackageError, memory_hint
from posezoo.core.pipeline.zoo_context import open_context
from posezoo.core.settings import read_settings, to_settings
from posezoo.run.advice import advise_for_groups


@pytest.mark.parametrize(
    ("name", "is_weak"),
    [
        ("blazepose-full", True),
        ("tf-pose-mobilenet-v2-small", True),
        ("movenet-thunder", False),
        ("posenet-mobilenet-v1", False),
        ("rtmpose-m", False),  # its weights were not measured
    ],
)
def test_a_model_of_clearly_lower_ap_names_the_one_that_finds_more_people(name, is_weak):
    context = open_context(to_settings(read_settings({})))
    advice = advise_for_groups(context.registry.find(name), context)
    assert ("posezoo run posenet-mobilenet-v1" in advice) == is_weak
    assert (name in advice) == is_weak


def test_a_library_without_memory_is_not_installed_again():
    reason = "libavcodec.so.62: failed to map segment from shared object"
    assert "ulimit -v" in MissingPackageError("cv2", extra="run", reason=reason).hint
    assert "install" in MissingPackageError("cv2", extra="run", reason="no such symbol").hint
    assert memory_hint(MemoryError()) and not memory_hint(ValueError("1"))
