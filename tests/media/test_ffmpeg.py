"""FFmpeg's libraries inside OpenCV."""

import os
import sys

from fakes.command import run_process
from fakes.pages import ROOT

ENCODE_WHILE_VIDEOS_END = """
import sys, time
from concurrent.futures import ThreadPoolExecutor
from fakes.videos import write_video
from posezoo.media.ffmpeg import decoder_errors, import_quiet_opencv

import_quiet_opencv()
end = time.monotonic() + 2

def encode():
    count = 0
    while time.monotonic() < end:
        write_video(sys.argv[1], frames=5)
        count += 1
    return count

with ThreadPoolExecutor(1) as pool:
    written = pool.submit(encode)
    while not written.done():
        with decoder_errors():
            time.sleep(0)
    print(written.result())
"""


def test_a_video_may_end_while_another_thread_encodes(tmp_path):
    ended = run_process(
        [sys.executable, "-c", ENCODE_WHILE_VIDEOS_END, str(tmp_path / "v.avi")],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(map(str, (ROOT / "src", ROOT / "tests")))},
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    assert int(ended.stdout) > 10
