"""kill -9 at random moments: whatever is there is right at any time, and at the end nothing else is there.

SOAK_MOMENTS says how many moments; ``make soak`` takes 200.
"""

import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
import time

import pytest

from fakes.checkout import DOWNLOADER
from fakes.files import zipped
from fakes.soak import soak
from fakes.waiting import wait_until
from fakes.zoo import model_yml, published_file, write_model

MOMENTS = int(os.environ.get("SOAK_MOMENTS", "6"))
MODELS, FILES = 4, 5


class Place:
    """A zoo of 20 files, one of each model an archive, that takes a second or so to fetch; and what it is to hold."""

    def __init__(self, folder, server, dice):
        self.folder, self.server = folder, server
        self.out, self.cache = folder / "out", folder / "cache"
        self.right = {}
        self.kept = set()
        for model in range(MODELS):
            files = []
            for number in range(FILES - 1):
                body = dice.randbytes(dice.choice((0x1000, 0x10000, 0x80000)))
                files.append(self._file(f"m{model}", f"f{number}.bin", body))
            files.append(self._archive(f"m{model}", dice))
            step = {"$type": "unpack_archive", "file": "a.zip", "format": "zip"}
            write_model(
                folder / "models", f"m{model}", model_yml(files=files, postprocessing=[step])
            )

    def _file(self, model, name, body):
        digest = hashlib.sha384(body).hexdigest()
        url = self.server.serve(
            f"{model}-{name}", body, etag=f'"{digest[:9]}"', bytes_per_s=1 << 21
        )
        self.right[self.out / "public" / model / name] = body
        self.kept.add(self.cache / "1" / digest[:2] / digest[2:])
        return published_file(name, body, url)

    def _archive(self, model, dice):
        members = {name: dice.randbytes(50_000) for name in ("x.txt", "sub/y.txt")}
        for name, body in members.items():
            self.right[self.out / "public" / model / name] = body
        return self._file(model, "a.zip", zipped(members))

    def start(self):
        command = [
            sys.executable,
            DOWNLOADER,
            "--all",
            "-j",
            4,
            "--models_dir",
            self.folder / "models",
        ]
        command += ["-o", self.out, "--cache_dir", self.cache]
        return subprocess.Popen(
            list(map(str, command)),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=self.folder,
        )

    def holds_nothing_wrong(self):
        for path, body in self.right.items():
            assert not path.exists() or path.read_bytes() == body, path
        for path in self.kept:
            assert not path.exists() or sha384(path) == path.parent.name + path.name, path

    def holds_all_and_nothing_else(self):
        self.holds_nothing_wrong()
        there = {path for path in self.out.rglob("*") if path.is_file()}
        records = {self.out / "public" / f"m{model}" / "provenance.json" for model in range(MODELS)}
        assert there == set(self.right) | records
        for path in records:
            manifest = json.loads(path.read_bytes())
            assert "staged" not in manifest
            assert {path.parent / name for name in manifest["files"]} == {
                right for right in self.right if right.is_relative_to(path.parent)
            }
            for entry in manifest["files"].values():
                assert entry.get("url", "http://").startswith(("http://", f"{self.cache}"))
        assert {path for path in self.cache.rglob("*") if path.is_file()} == self.kept

    def clear(self):
        shutil.rmtree(self.out, ignore_errors=True)
        shutil.rmtree(self.cache, ignore_errors=True)


def sha384(path):
    return hashlib.sha384(path.read_bytes()).hexdigest()


@pytest.fixture
def place(tmp_path, server):
    return Place(tmp_path, server, random.Random(10))


def ended_well(place):
    assert place.start().wait(timeout=60) == 0
    place.holds_all_and_nothing_else()


@pytest.mark.parametrize("processes", [soak(1), 2])
def test_kills_at_random_moments_leave_nothing_wrong_and_nothing_behind(place, processes):
    dice = random.Random(2026)
    whole = 0
    for moment in range(MOMENTS):
        requested = len(place.server.requests)
        runs = [place.start() for _ in range(processes)]
        wait_until(
            lambda asked=requested, runs=runs: len(place.server.requests) > asked or over(runs)
        )
        time.sleep(dice.uniform(0.0, 1.2))
        for run in dice.sample(runs, dice.randint(1, processes)):
            run.kill()
        codes = [run.wait(timeout=60) for run in runs]
        place.holds_nothing_wrong()
        if moment % 5 == 4 or 0 in codes:
            ended_well(place)
            place.clear()
            whole += 1
    ended_well(place)
    assert whole >= MOMENTS // 5


def over(runs):
    return all(run.poll() is not None for run in runs)
