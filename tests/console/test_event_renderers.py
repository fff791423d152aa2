"""Both renderers show the same events: posezoo's console, and the reports of Open Model Zoo's commands."""

import io
import itertools
import json
import re
from dataclasses import replace
from pathlib import Path

from fakes.zoo import model_yml, write_model
from posezoo.console.console import Console, Progress, result_lines
from posezoo.console.printing import print_error
from posezoo.core import events
from posezoo.core.errors import PosezooError
from posezoo.core.registry import open_registry
from posezoo.omz.commands.conventions import LineBuffer
from posezoo.omz.commands.event_output import JsonReporter, TextReporter

CHECKED = events.SelfCheckPassed("net", "FP16", 1e-5, 1e-3, "ONNX Runtime 1.20")
DOWNLOAD = [
    events.FileDownloadStarted("net", "a.bin", 100),
    events.FileDownloadStarted("net", "b.bin", 10),
    events.FileDownloadProgress("net", "b.bin", 10),
    events.FileDownloadFinished("net", "b.bin", True),
    events.FileDownloadProgress("net", "a.bin", 100),
    events.FileDownloadFinished("net", "a.bin", True),
]


def run_over(count):
    """The events of a run in which the third model fails."""
    works = [events.WorkFinished(f"net-{number}", number != 2) for number in range(count)]
    return [events.RunStarted("posezoo get --all", count), *works]


class Terminal(io.StringIO):
    def isatty(self):
        return True


def shown(*items, quiet=False, verbose=False):
    """The lines that the console writes to a log."""
    stream = io.StringIO()
    with Console(stream, quiet=quiet, verbose=verbose) as console:
        for event in items:
            console(event)
    return stream.getvalue().splitlines()


def report(capsys, *items):
    """The lines of Open Model Zoo's report."""
    reporter = TextReporter(LineBuffer(), Path("out"), cache_dir=Path("/cache"))
    for event in items:
        reporter(event)
    return capsys.readouterr().out.splitlines()


def test_progress_of_an_unknown_total_reports_no_tenth():
    assert not any(Progress(0).update(done) for done in (1, 100, 1000))


def test_a_package_is_announced_with_its_size():
    package = events.PackageDownloadStarted("net", "weights-1.0.tgz", 144_509_169)
    assert shown(package, verbose=True) == [
        "net: downloading weights-1.0.tgz, 144.5 MB, which contains its files"
    ]


STARTED = events.ConversionStarted("net", ("FP32", "FP16"))
CONVERTED = events.ConversionFinished("net", successful=True)


def test_all_that_is_done_to_get_a_model_is_one_line():
    full = events.SelfCheckPassed("net", "FP32", 2e-5, 1e-3, "ONNX Runtime 1.20")
    begun = events.DownloadStarted("net", 2, license="MIT, with a note in its card")
    note = events.LicenseNoted("net", "A note that is longer than a line of the screen." * 4)
    done = [begun, *DOWNLOAD, note, STARTED, full, CHECKED, CONVERTED]
    line = "net (MIT, with a note in its card): 1 kB downloaded, verified, converted, checked"
    assert shown(*done) == [line]
    assert len(shown(*done, verbose=True)) == 6
    assert shown(*done, *done[:1], CONVERTED)[1:] == [
        "net (MIT, with a note in its card): converted"
    ]
    of_other_files = events.DownloadStarted("net", 2, revision=3, license="MIT")
    assert shown(of_other_files, CONVERTED) == ["net (revision 3, MIT): converted"]


def test_a_model_that_is_only_downloaded_or_copied_has_its_line_when_the_work_ends():
    done = events.WorkFinished("net", True)
    assert shown(*DOWNLOAD, done) == ["net: 1 kB downloaded, verified"]
    copied = events.CachedFileUsed("net", "a.bin", "/a/path")
    assert shown(copied, done) == ["net: copied from the cache or a mirror, verified"]
    assert shown(events.FileUpToDate("net", "a.bin"), done) == []


def test_what_a_self_check_does_not_prove_is_a_line_of_its_own():
    blind = replace(CHECKED, unprovable=("heatmaps",))
    first, second = shown(STARTED, blind, CONVERTED)
    assert first == "net: converted"
    assert second.startswith("net: FP16 cannot be compared in heatmaps, compared with ONNX Runtime")
    ranges = events.Int8Comparison(0.5)
    _, second = shown(STARTED, replace(CHECKED, int8=ranges), CONVERTED)
    assert second.startswith("net: INT8 not compared: ")
    compared = replace(ranges, photos=2, deviation={"heatmaps": 0.1})
    assert shown(STARTED, replace(CHECKED, int8=compared), CONVERTED) == ["net: converted, checked"]
    inner = replace(CHECKED, nodes=events.NodeProof(equal=3))
    assert shown(STARTED, inner, CONVERTED)[1] == (
        "net: FP16 inner tensors: 3 equal, 0 within noise, 0 cannot be compared, 0 without a"
        " partner"
    )


def test_the_self_checks_of_a_conversion_that_failed_are_not_those_of_the_next():
    blind = replace(CHECKED, unprovable=("heatmaps",))
    assert shown(STARTED, blind, STARTED, CHECKED, CONVERTED) == ["net: converted, checked"]


class BrokenStream(Terminal):
    """A terminal of another program."""

    def __init__(self, *broken):
        super().__init__()
        self.broken = broken

    def __getattribute__(self, name):
        if name in object.__getattribute__(self, "__dict__").get("broken", ()):
            raise RuntimeError(name)
        return super().__getattribute__(name)


SHOWN = (*DOWNLOAD, *run_over(20), CHECKED, events.InferenceProgress("net", "frames", "a", 1, 2, 1))


def test_a_stream_that_is_closed_or_replaced_meanwhile_ends_no_work(monkeypatch):
    streams = (Terminal(), None, BrokenStream("write"), object(), io.StringIO())
    with Console() as console:
        for event, stream in zip(SHOWN, itertools.cycle(streams), strict=False):
            monkeypatch.setattr("sys.stderr", stream)
            console(event)
        streams[0].close()
        for event in SHOWN:
            console(event)


def test_two_files_out_of_one_package_have_a_bar_each():
    stream = Terminal()
    console = Console(stream)
    for file in ("a.bin", "b.bin"):
        console(events.FileDownloadStarted("net", file, 100))
        console(events.PackageDownloadStarted("net", "p.tgz", 1000, 40, file))
    for file in ("a.bin", "b.bin"):
        console(events.PackageDownloadProgress("net", "p.tgz", 40, file))
        console(events.PackageDownloadFinished("net", "p.tgz", True, is_part=True, model_file=file))
        console(events.FileDownloadProgress("net", file, 100))
        console(events.FileDownloadFinished("net", file, True))
    lines = re.split(r"(?:\r|\n|\x1b\[A)+", stream.getvalue())
    assert not any("p.tgz:" in line for line in lines)
    assert {line.partition(":")[0] for line in lines if "%" in line} == {"a.bin", "b.bin"}


def test_the_effect_of_rounding_to_fp16_stands_in_the_units_of_the_output():
    def ending(*rounding):
        event = events.SelfCheckPassed(
            "net", "FP16", 1e-5, 1e-3, "LiteRT, before rounding to FP16", (), *rounding
        )
        (line,) = result_lines(event)
        return line.partition("before rounding to FP16, which ")[2]

    assert ending(0.0, "offsets", 0.0, "px") == "changes nothing"
    assert ending(0.0123, "offsets", 4.321, "px") == "moves offsets by up to 1.2e-02 (4.3 px)"
    assert ending(0.0123, "heatmaps") == "moves heatmaps by up to 1.2e-02"


def test_both_name_the_machine_and_say_if_int8_is_no_faster_there(capsys):
    slow, fast = (
        events.SpeedCompared("net", "FP16-INT8", ms, 10.0, "Some CPU") for ms in (9.9, 4.0)
    )
    spoken = "FP16-INT8 takes {:.2f} ms for an inference on Some CPU, FP16 10.00 ms"
    lines = [spoken.format(9.9) + ": INT8 is not faster here", spoken.format(4.0)]
    assert shown(slow, fast) == [f"net: {line}" for line in lines]
    assert report(capsys, slow, fast) == lines


def test_the_worst_layers_are_shown_in_the_order_in_which_they_run():
    layers = tuple(
        events.LayerNoise(f"layer{index}", "Convolution", index / 100, 0.5) for index in range(20)
    )
    heading, columns, *rows = result_lines(events.LayerNoiseMeasured("net", layers))
    assert heading.startswith("the 12 of 20 layers with the most noise")
    assert columns.split() == ["layer", "type", "own", "noise", "all", "so", "far"]
    assert [row.split()[0] for row in rows] == [f"layer{index}" for index in range(8, 20)]


def test_a_verbose_console_shows_a_line_for_each_verified_file():
    lines = shown(*DOWNLOAD, verbose=True)
    assert [line.partition(" in ")[0] for line in lines] == [
        "net: b.bin: downloaded and verified",
        "net: a.bin: downloaded and verified",
    ]


def test_a_log_of_a_long_run_over_many_models_says_how_many_are_done_and_failed(monkeypatch):
    assert shown(*run_over(20)) == []  # it took no time
    monkeypatch.setattr("posezoo.console.console.time.monotonic", itertools.count(0, 10).__next__)
    lines = shown(*run_over(20))
    assert re.fullmatch(r"2 of 20 models, failed 0, about \d+ min left", lines[0])
    assert (len(lines), lines[-1]) == (10, "20 of 20 models, failed 1")
    assert shown(*run_over(10)) == []


def test_a_quiet_console_shows_warnings_once_and_errors():
    stream = io.StringIO()
    console = Console(stream, quiet=True)
    for event in (CHECKED, events.WarningIssued("odd"), events.WarningIssued("odd")):
        console(event)
    console.print_error(PosezooError("it failed", hint="try again"))
    assert stream.getvalue().splitlines() == [
        "warning: odd",
        "error: it failed",
        "  hint: try again",
    ]


def test_the_lines_of_parallel_files_stay_apart_in_the_report(capsys):
    lines = report(capsys, *DOWNLOAD)
    assert [line for line in lines if line.startswith("=")] == [
        "========== Downloading out/a.bin",
        "========== Downloading out/b.bin",
    ]
    assert [
        line.partition(" KB/s")[0].partition(",")[0] for line in lines if line.startswith("...")
    ] == ["... 100%"] * 2


def test_json_reports_the_failure_of_a_file_after_its_last_source(tmp_path, capsys):
    write_model(tmp_path, "net", model_yml())
    reporter = JsonReporter(LineBuffer(), open_registry([tmp_path]).find("net"))
    for event in (
        events.FileDownloadStarted("net", "a.bin", 1, "first"),
        events.FileDownloadFinished("net", "a.bin", False, "first failed"),
        events.FileDownloadStarted("net", "a.bin", 1, "second"),
        events.FileDownloadFinished("net", "a.bin", False, "second failed"),
        events.DownloadFinished("net", False, "second failed"),
    ):
        reporter(event)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    ends = [line["reason"] for line in lines if line["$type"] == "model_file_download_end"]
    assert ends == ["second failed"]
    assert lines[-1]["$type"] == "model_download_end"


def test_no_escape_sequence_of_a_server_reaches_the_terminal(capsys):
    bad = "\x1b[31mnet\x9b0m\u202e"
    error = PosezooError("net")
    error.problem = error.hint = bad
    lines = shown(
        events.WarningIssued(bad),
        events.FileDownloadStarted(bad, bad, 1, bad),
        events.FileDownloadFinished(bad, bad, True),
        events.CachedFileUsed(bad, bad, bad),
        verbose=True,
    )
    print_error(error)
    lines += capsys.readouterr().err.splitlines()
    assert len(lines) == 5
    assert all("\\x1b[31mnet\\x9b0m\\u202e" in line and line.isprintable() for line in lines)
