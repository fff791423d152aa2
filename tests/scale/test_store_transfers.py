"""What is brought from stores before the stages of a model, and published after them."""

from __future__ import annotations

import threading

from posezoo.core.download.folder_sync import folder_sync
from posezoo.core.user_folders import StorePath


def test_a_second_run_waits_while_the_working_copy_changes():
    folder = StorePath("s3://zoo/models/net").working_copy
    order = []

    def work() -> None:
        with folder_sync(folder).exclusive_copy(folder):
            order.append("second")

    with folder_sync(folder).exclusive_copy(folder):
        other = threading.Thread(target=work)
        other.start()
        other.join(0.3)
        order.append("first")
    other.join(20)
    assert order == ["first", "second"]


def test_folders_that_are_in_no_store_are_not_locked(tmp_path):
    folder = tmp_path / "models"
    sync = folder_sync(folder, StorePath("s3://zoo/models").working_copy)  # the other is in one
    with sync.exclusive_copy(folder), sync.exclusive_copy(folder):
        assert list(tmp_path.iterdir()) == []
