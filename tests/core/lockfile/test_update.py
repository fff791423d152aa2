"""How a lock takes in a newer state of a model."""

import pytest

from posezoo.core.errors import LockError
from posezoo.core.lockfile.entries import (
    FIRST_USE,
    MADE,
    PUBLISHED,
    REGISTRY,
    LockEntry,
    merge_entries,
)

ONE, TWO, THREE = "1" * 96, "2" * 96, "3" * 96


def model_yml(sha384, revision=1, model="net"):
    return LockEntry(model, "model.yml", 5, sha384, REGISTRY, "now", revision)


def weights(sha384, origin=PUBLISHED):
    return LockEntry("net", "net.pth", 5, sha384, origin, "now")


def ir(sha384):
    return LockEntry("net", "FP16/net.xml", 5, sha384, MADE, "now")


def lock(*entries):
    return {entry.key: entry for entry in entries}


def test_what_is_the_same_keeps_its_line():
    trusted = weights(TWO, FIRST_USE)
    before = lock(model_yml(ONE), trusted)
    found = LockEntry("net", "net.pth", 5, TWO, PUBLISHED, "later")
    assert merge_entries(before, [model_yml(ONE), found]) == before


def test_an_ir_that_is_not_here_stays_while_its_model_is_the_same():
    before = lock(model_yml(ONE), ir(TWO))
    assert ir(TWO).key in merge_entries(before, [model_yml(ONE)])
    assert ir(TWO).key not in merge_entries(before, [model_yml(THREE)])


def test_a_publishers_ir_and_one_made_here_may_have_one_name():
    published = LockEntry("net", "FP16/net.xml", 5, ONE, PUBLISHED, "now")
    assert len(merge_entries({}, [model_yml(ONE), published, ir(TWO)])) == 3


def test_a_model_yml_that_was_replaced_before_is_a_rollback_whatever_it_says_of_itself():
    second = merge_entries(lock(model_yml(ONE)), [model_yml(TWO)])
    third = merge_entries(second, [model_yml(THREE)])
    for old in (ONE, TWO):
        with pytest.raises(LockError, match="the version in the lock has replaced it"):
            merge_entries(third, [model_yml(old)])
    back = merge_entries(third, [model_yml(ONE)], allow_rollback=True)
    assert back[model_yml(ONE).key].before == ()
