"""What commands do that find nothing to do: counts, which do not depend on how busy a machine is."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[1] / "src" / "posezoo"

#: Runs a command, and prints the files that it opens and the functions of ours that it calls, without those that
#: only run while a module is imported.
WATCHED = """
import json, os, sys
source, words = sys.argv[1], sys.argv[2:]
opened, called = [], set()

def watch_files(event, details):
    if event == "open" and isinstance(details[0], (str, bytes)):
        opened.append(os.fsdecode(details[0]))

def watch_calls(frame, event, _):
    path = frame.f_code.co_filename
    if event != "call" or not path.startswith(source) or not frame.f_code.co_flags & 1:
        return
    outer = frame.f_back
    while outer is not None:
        if outer.f_code.co_name == "<module>" and outer.f_code.co_filename.startswith(source):
            return
        outer = outer.f_back
    called.add((path, frame.f_code.co_name, frame.f_code.co_firstlineno))

sys.addaudithook(watch_files)
sys.setprofile(watch_calls)
from posezoo.cli.main import main
code = main(words)
sys.setprofile(None)
print(json.dumps([code, opened, sorted(called)]), file=sys.stderr)
"""


class Watched:
    """The files that a command opened, and the functions and files of ours that it went through."""

    def __init__(self, *words: object) -> None:
        ended = subprocess.run(
            [sys.executable, "-c", WATCHED, SOURCE, *map(str, words)],
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
        code, opened, called = json.loads(ended.stderr.splitlines()[-1])
        assert code == 0
        self.opened = opened
        self.functions = len(called)
        self.files = len({path for path, _, _ in called})

    def most_often(self, *endings: str) -> int:
        """How often the file with one of these endings that was opened most often was opened."""
        counts = Counter(path for path in self.opened if path.endswith(endings))
        return max(counts.values(), default=0)


def test_get_of_an_up_to_date_model_opens_each_file_of_the_registry_once(blazepose):
    words = ("get", "blazepose-full", "--output_dir", blazepose.output_dir, "--quiet")
    Watched(*words)  # it draws the card
    warm = Watched(*words)
    assert len(warm.opened) <= 300
    assert warm.most_often("model.yml", "measured.yml", "papers.yml", ".txt") <= 1
    assert warm.most_often(".xml", ".bin", "README.md", "card.json", ".svg") == 0
    assert (warm.functions, warm.files) <= (330, 55)


def test_list_goes_through_few_files(blazepose):
    listed = Watched("list")
    assert listed.most_often("model.yml") <= 1
    assert listed.functions <= 330 and listed.files <= 50
