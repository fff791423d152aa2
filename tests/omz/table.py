"""The command lines that are run with Open Model Zoo's own tools (openvino-dev 2024.6) and with posezoo's.

Each row runs in an empty working folder, over one small zoo that ``zoo.py`` serves from this machine.
Both must select the same models, end with the same exit code, leave the same files and tell the same
events, but for what ``differs`` names: there they must differ, for the reason that stands in REASONS.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

#: What of a run is compared.
ASPECTS = ("exit", "models", "failed", "files", "events", "info")

#: Why ours deliberately differs.
REASONS = {
    "composites": "2021.4 counts and names the parts of a composite, the newest the composite itself",
    "archive stays": "a published archive stays beside what it held: a second run need not fetch it again, and "
    "it can be verified",
    "good file stays": "a good file that is there is not fetched again, nor lost when its source fails; it is told "
    "by an event of its own",
    "no event from the cache": "where a file comes from the cache is told by an event of its own",
    "reason at the end": "a failed step of postprocessing ends with an event that says so, not with a traceback",
    "records": "ours leaves provenance.json and a card beside an IR, and its IR are other bytes: another OpenVINO",
    "dry run works": "the newest converter's dry run reads the IR that it did not make, and crashes",
    "one bad model.yml": "a model.yml that cannot be read fails alone; Open Model Zoo's tools end all",
    "mo is not needed": "a Model Optimizer that --mo names and that is not there is a warning, unless a model needs it",
    "names alone": "names are those of folders: no model.yml is read to print them",
    "arguments are ours": "what --add_mo_arg says is carried out by us, or refused where no --mo takes it",
    "no traceback": "what Open Model Zoo ends with a traceback is one line of error and the same exit code",
    "part stays": "what has come of a file that broke off stays: the same command goes on from there",
    "foreign file stays": "a file that posezoo did not write is kept as NAME.bak1, with a warning",
    "refused by its length": "a server that announces another length is refused before a byte of it is written",
}


@dataclass(frozen=True)
class Row:
    """One command line.

    Attributes:
        tool: downloader, converter or info_dumper.
        args: its arguments; {zoo}, {list}, {cache} stand for places of this run.
        differs: the aspects in which ours deliberately differs, each with the key of its reason.
        says: what both must print, on either output.
        files: what lies in the working folder before: a path and what it holds.
        first: arguments of the same tool that are run before.
        zoo: which of the zoos.
    """

    tool: str
    args: str
    differs: Mapping[str, str] = field(default_factory=dict)
    says: str = ""
    files: Mapping[str, str] = field(default_factory=dict)
    first: str = ""
    zoo: str = "good"

    @property
    def name(self) -> str:
        """The id of the test."""
        before = [f"after {self.first}"] if self.first else []
        before += [f"over {name} {said!r}" for name, said in self.files.items()]
        before += [f"in the {self.zoo} zoo"] if self.zoo != "good" else []
        return " ".join((self.tool, self.args, *before))


NONE = 'one of "--print_all", "--all", "--name" or "--list" must be specified'
TWO = 'at most one of "--all", "--name" or "--list" can be specified'
COMPOSITE = {"models": "composites"}
KEPT = {"events": "good file stays"}

ROWS = (
    # selection, in each tool
    *(
        row
        for tool in ("downloader", "converter", "info_dumper")
        for row in (
            Row(tool, "", says=NONE),
            Row(tool, "--all --name one", says=TWO),
            Row(tool, "--name one --list {list}", says=TWO, files={"models.lst": "one"}),
            Row(tool, "--print_all", COMPOSITE),
            Row(tool, "--print_all --all --name nothing", COMPOSITE),
            Row(tool, "--name nothing", says='No matching models: "nothing"'),
            Row(tool, "--name one,nothing", says='No matching models: "nothing"'),
            Row(tool, "--name ONE", says='No matching models: "ONE"'),
            Row(tool, "--name=", says='No matching models: ""'),
            Row(tool, "--list missing.lst"),
            Row(tool, "--list {list}", files={"models.lst": "# nothing but a comment\n\n"}),
            Row(tool, "--list {list}", files={"models.lst": "nothing"}, says='No matching models: "nothing"'),
            Row(tool, "--list {list}", files={"models.lst": "'one"}),
            Row(tool, "--nonsense", says="unrecognized arguments: --nonsense"),
            Row(tool, "--name", says="expected one argument"),
        )
    ),
    # what is downloaded
    Row("downloader", "--name one"),
    Row("downloader", "--name one -o out"),
    Row("downloader", "--name one --output_dir deep/er/out"),
    Row("downloader", "--name two,one"),
    Row("downloader", "--name one,one,o*"),
    Row("downloader", "--name 'o*,[pt]wo'"),
    Row("downloader", "--name '?ne'"),
    Row("downloader", "--name pair"),
    Row("downloader", "--name pair-first"),
    Row("downloader", "--name 'pair-*'"),
    Row("downloader", "--list {list}", files={"models.lst": "# a comment\none  # and one here\n'two' ignored\n\npair-second\n"}),
    Row("downloader", "--name lost,one,wrong,long,short", {"files": "part stays"}, says="FAILED:"),
    Row("downloader", "--name zipped", {"files": "archive stays"}),
    Row("downloader", "--name patched"),
    Row("downloader", "--name misspelt"),
    Row("downloader", "--name unpatchable", {"failed": "no traceback"}),
    Row("downloader", "--all", {"files": "archive stays", "failed": "no traceback", "models": "no traceback"}),
    # precisions
    Row("downloader", "--name ir-net"),
    Row("downloader", "--name ir-net --precisions FP16"),
    Row("downloader", "--name ir-net --precisions FP32,FP16-INT8"),
    Row("downloader", "--name ir-net --precisions FP16-INT1"),
    Row("downloader", "--name one --precisions FP16-INT8"),
    Row("downloader", "--name one --precisions FP32"),
    Row("downloader", "--name one --precisions FP8", says="Unknown precisions specified: FP8."),
    Row("downloader", "--name one --precisions Y,X", says="Unknown precisions specified: X, Y."),
    Row("downloader", "--name one --precisions="),
    # events
    Row("downloader", "--name one --progress_format json"),
    Row("downloader", "--name one --progress_format text"),
    Row("downloader", "--name one --progress_format xml", says="invalid choice: 'xml'"),
    Row("downloader", "--name pair,ir-net --progress_format json"),
    Row("downloader", "--name ir-net --precisions FP16 --progress_format json"),
    Row("downloader", "--name one --precisions FP16-INT8 --progress_format json"),
    Row("downloader", "--name lost --progress_format json"),
    Row("downloader", "--name two-sources --progress_format json"),
    Row("downloader", "--name wrong --progress_format json"),
    Row("downloader", "--name long --progress_format json", {"events": "refused by its length"}),
    Row("downloader", "--name short --progress_format json", {"files": "part stays"}),
    Row("downloader", "--name patched --progress_format json", {"events": "good file stays"}),
    Row("downloader", "--name unpatchable --progress_format json", {"events": "reason at the end"}),
    # cache, attempts, jobs
    Row("downloader", "--name one,two --cache_dir {cache}"),
    Row("downloader", "--name one --cache_dir {cache}", first="--name one -o elsewhere --cache_dir {cache}"),
    Row(
        "downloader",
        "--name one --cache_dir {cache} --progress_format json",
        {"events": "no event from the cache"},
        first="--name one -o elsewhere --cache_dir {cache}",
    ),
    Row("downloader", "--name one --cache_dir {cache}", files={"cache/1/{one}": "damaged"}),
    Row("downloader", "--name one --num_attempts 3"),
    Row("downloader", "--name lost --num_attempts 2"),
    Row("downloader", "--name one --num_attempts 0", says="must be a positive integer (got '0')"),
    Row("downloader", "--name one --num_attempts many", says="must be a positive integer (got 'many')"),
    Row("downloader", "--name one,two,pair,ir-net -j 3"),
    Row("downloader", "--name one,lost,two --jobs 2", says="FAILED:"),
    Row("downloader", "--name one,two --jobs 2 --progress_format json"),
    Row("downloader", "--name one -j 0", says="must be a positive integer (got '0')"),
    Row("downloader", "--name one -j auto", says="must be a positive integer (got 'auto')"),
    # a second time
    Row("downloader", "--name one", first="--name one"),
    Row("downloader", "--name one --progress_format json", KEPT, first="--name one"),
    Row(
        "downloader",
        "--name one",
        files={"public/one/one.onnx": "other bytes"},
        differs={"files": "foreign file stays"},
    ),
    Row(
        "downloader",
        "--name lost",
        {"exit": "good file stays", "failed": "good file stays", "files": "good file stays"},
        files={"public/lost/lost.onnx": "{lost}"},
    ),
    # folders that cannot be read
    Row("downloader", "--name one", {"exit": "one bad model.yml", "models": "one bad model.yml", "files": "one bad model.yml"}, zoo="bad"),
    Row("downloader", "--all", {"models": "one bad model.yml", "files": "one bad model.yml", "failed": "one bad model.yml"}, zoo="bad"),
    Row("downloader", "--name bad", {"failed": "one bad model.yml"}, zoo="bad"),
    Row("downloader", "--print_all", {"exit": "names alone", "models": "names alone"}, zoo="bad"),
    # what is converted
    Row("converter", "--name ir-net", says="Skipping ir-net (no conversions defined)"),
    Row("converter", "--name ir-net --dry_run", says="Skipping ir-net (no conversions defined)"),
    Row("converter", "--name ir-net --precisions FP16-INT8", says="Skipping ir-net (no conversions defined)"),
    Row("converter", "--name ir-net --mo missing.py", says="Skipping ir-net (no conversions defined)"),
    Row("converter", "--name one", says="FAILED:\none\n"),
    Row("converter", "--name one --precisions FP16-INT8", says="Skipping one ("),
    Row("converter", "--name one --precisions FP8", says="Unknown precisions specified: FP8."),
    Row("converter", "--name net --dry_run", {"exit": "dry run works"}),
    Row("converter", "--name net --dry-run", {"exit": "dry run works"}),
    Row("converter", "--name net -j 0", says='must be a positive integer or "auto" (got \'0\')'),
    Row("converter", "--name net -j many", says='must be a positive integer or "auto" (got \'many\')'),
    Row("converter", "--name ir-net,ir-twin -j auto", says="Skipping ir-twin (no conversions defined)"),
    Row("converter", "--name net -d dl", {"files": "records"}, files={"dl/public/net/net.onnx": "{net}"}, says="Converting net to IR (FP16)"),
    Row(
        "converter",
        "--name net --download_dir dl --output_dir ir --precisions FP32",
        {"files": "records"},
        files={"dl/public/net/net.onnx": "{net}"},
        says="Converting net to IR (FP32)",
    ),
    Row(
        "converter",
        "--name net --precisions FP16 --add_mo_arg=--input_shape=[1,3,24,20]",
        {"files": "records"},
        files={"public/net/net.onnx": "{net}"},
    ),
    Row(
        "converter",
        "--name net --precisions FP16 --add-mo-arg=--mean_values=[1,2,3] --add_mo_arg=--scale=255",
        {"files": "records"},
        files={"public/net/net.onnx": "{net}"},
        says="Converting net to IR (FP16)",
    ),
    Row("converter", "--name net --precisions FP16 --add-mo-arg=--nonsense", {"models": "arguments are ours"}, files={"public/net/net.onnx": "{net}"}, says="FAILED:\nnet\n"),
    Row("converter", "--name net --precisions FP16 --mo missing.py -p nowhere", dict.fromkeys(("exit", "files"), "mo is not needed"), files={"public/net/net.onnx": "{net}"}),
    Row("converter", "--name pair --precisions FP32", {"failed": "composites"}, says="FAILED:"),
    # what is described
    Row("info_dumper", "--name one"),
    Row("info_dumper", "--name one,ir-net,patched,zipped,misspelt"),
    Row("info_dumper", "--name pair", {"info": "composites", "models": "composites"}),
    Row("info_dumper", "--name pair-first,pair-second"),
    Row("info_dumper", "--list {list}", files={"models.lst": "two\none"}),
    Row("info_dumper", "--all", {"info": "composites", "models": "composites"}),
)  # fmt: skip
