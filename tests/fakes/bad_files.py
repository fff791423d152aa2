"""Model.yml files that are wrong in one way each: what hostile and careless people write.

``STRUCTURAL`` are mistakes that a JSON Schema can see, too; ``MEANING`` only shows between values;
``YAML`` is what never becomes a tree of values. Each has the field and a piece of the message.
"""

from __future__ import annotations

from typing import NamedTuple

from fakes.zoo import as_yaml, model_yml, omz_yml


class Bad(NamedTuple):
    """A bad file, the field that its error names, and a piece of what it says."""

    content: bytes
    field: str
    problem: str


FILE = {
    "name": "net.tflite",
    "size": 3,
    "checksum": "0" * 96,
    "source": "https://models.invalid/net.tflite",
}
INPUT = {"name": "input", "shape": [1, 4, 6, 3], "layout": "NHWC", "color": "RGB"}
HUB = {
    "$type": "huggingface",
    "repository": "pose-lab/vit",
    "file": "net.onnx",
    "revision": "0" * 40,
}
WHEEL = {
    "$type": "python_package",
    "package": "mediapipe",
    "version": "0.10.21",
    "wheel": {
        "name": "mediapipe-0.10.21-cp311-cp311-manylinux_2_28_x86_64.whl",
        "size": 9,
        "sha256": "0" * 64,
    },
    "member": "mediapipe/a.tflite",
}
NPM = {
    "$type": "npm_package",
    "package": "@mediapipe/pose",
    "version": "0.5.1675469404",
    "integrity": f"sha512-{'A' * 86}==",
    "member": "package/pose.tflite",
}
UNPACK = {"$type": "unpack_archive", "format": "zip", "file": "net.tflite"}
REPLACE = {"$type": "regex_replace", "file": "net.tflite", "pattern": "a", "replacement": "b"}


def ours(field: str, problem: str, **changes: object) -> Bad:
    """Our form with changes."""
    return Bad(as_yaml(model_yml(**changes)).encode(), field, problem)


def theirs(field: str, problem: str, **changes: object) -> Bad:
    """Open Model Zoo's form with changes."""
    return Bad(as_yaml(omz_yml(**changes)).encode(), field, problem)


def arguments(field: str, problem: str, *more: str, **changes: object) -> Bad:
    """Open Model Zoo's form with these arguments."""
    return theirs(
        field, problem, model_optimizer_args=["--input_model=$dl_dir/net.onnx", *more], **changes
    )


def file(field: str, problem: str, **changes: object) -> Bad:
    """Our form with one file that is wrong."""
    changed = {key: value for key, value in {**FILE, **changes}.items() if value is not None}
    return ours(f"files[0]{field}", problem, files=[changed])


def name(text: str, problem: str) -> Bad:
    """Our form with a file of this name."""
    return file(".name", problem, name=text)


STRUCTURAL: dict[str, Bad] = {
    # what every file needs
    "no framework": ours("", "the key framework is missing", framework=None),
    "no task": theirs("", "the key task_type is missing", task_type=None),
    "no files": ours("", "the key files is missing", files=None),
    "null": Bad(b"null\n", "", "expected a mapping, got nothing"),
    "a list": Bad(b"- a\n- b\n", "", "expected a mapping, got a list"),
    "unknown framework": ours("framework", "expected one of", framework="tflit"),
    "empty description": ours("description", "expected text, got nothing", description=""),
    "description turns around": ours("description", "invisible", description="a \u202egnp.exe b"),
    "description moves the cursor": ours("description", "control", description="a \x1b[2J b"),
    # files
    "files is a mapping": ours("files", "expected a list, got a mapping", files=FILE),
    "files is empty": ours("files", "is empty", files=[]),
    "file without a source": file("", "the key source is missing", source=None),
    "negative size": file(".size", "from 0", size=-1),
    "huge size": file(".size", "from 0", size=1 << 60),
    "size in words": file(".size", "a whole number", size="12 MB"),
    "short checksum": file(".checksum", "96 hex digits", checksum="abc"),
    "unknown kind of checksum": file(".checksum.$type", "sha384", checksum={"$type": "md5", "value": "0"}),
    "no checksum": file("", "checksum is missing", checksum=None),
    "short md5": file(".md5", "32 hex digits", md5="0"),
    "md5 alone": file("", "the key checksum is missing", checksum=None, md5="0" * 32),
    "short sha256": ours("files[0].sha256", "64 hex digits", files=[{**{k: v for k, v in FILE.items() if k != "checksum"}, "sha256": "0"}]),
    # names
    "name: traversal": name("../x", ".. part"),
    "name: traversal inside": name("a/../../x", ".. part"),
    "name: nothing between": name("a//b", ".. part"),
    "name: absolute": name("/etc/passwd", "absolute"),
    "name: backslash": name("a\\..\\b", "contains \\"),
    "name: drive": name("C:x", "contains :"),
    "name: stream": name("a.txt:stream", "contains :"),
    "name: glob": name("a*", "contains *"),
    "name: newline": name("a\nb", "control"),
    "name: ESC": name("a\x1b[2Jb", "control"),
    "name: turned around": name("gnp.\u202eexe", "invisible"),
    "name: no width": name("a\u200bb", "invisible"),
    "name: reserved": name("CON", "Windows reserves"),
    "name: trailing dot": name("a./b", "dot"),
    "name: 300 characters": name("x" * 300, "longer than 240"),
    "name: records": name(".posezoo/net.tflite.json", "posezoo uses itself"),
    "name: staging": name("a/.POSEZOO-x/net.tflite", "posezoo uses itself"),
    "name: empty": name("", "expected text"),
    # sources
    "no host": file(".source", "http(s) or file", source="https:///x"),
    "a script": file(".source", "http(s) or file", source="javascript:alert(1)"),
    "blanks in an address": file(".source", "no blanks", source="https://a b"),
    "no source in the list": file(".source", "at least one source", source=[]),
    "unknown kind of source": file(".source.$type", "expected one of", source={"$type": "s3", "url": "x"}),
    "source without a kind": file(".source", "$type is missing", source={"url": "https://x/y"}),
    "drive without an id": file(".source", "id is missing", source={"$type": "google_drive"}),
    "drive with an address": file(".source.id", "the id of a file", source={"$type": "google_drive", "id": "../x?y=z"}),
    "hub without a commit": file(".source.revision", "a commit of 40 hex digits", source={**HUB, "revision": "main"}),
    "hub with a way out": file(".source.file", "..", source={**HUB, "file": "../x"}),
    "a store without a file": file(".source", "http(s) or file", source="s3://bucket/"),
    "package that is a flag": file(".source.package", "a package name", source={**WHEEL, "package": "-rf"}),
    "version that is a flag": file(".source.version", "expected letters", source={**WHEEL, "version": "--pre"}),
    "npm package that is a path": file(".source.package", "npm package", source={**NPM, "package": "../x"}),
    "npm tag": file(".source.version", "an exact version", source={**NPM, "version": "latest"}),
    "npm member that climbs": file(".source.member", "..", source={**NPM, "member": "package/../../x"}),
    "integrity that is hex": file(".source.integrity", "an integrity", source={**NPM, "integrity": "0" * 128}),
    "short integrity": file(".source.integrity", "an integrity", source={**NPM, "integrity": "sha512-AAAA"}),
    "absolute member": file(".source.member", "absolute", source={**WHEEL, "member": "/x"}),
    "bad original source": file(".original_source", "http(s) or file", original_source="gopher://x"),
    # what goes in and out
    "size of nothing": ours("inputs[0].shape", "sizes of at least 1", inputs=[{**INPUT, "shape": [1, 0, 2, 2]}]),
    "negative dimension": ours("inputs[0].shape[1]", "from -1", inputs=[{**INPUT, "shape": [1, -2, 2, 2]}]),
    "nine dimensions": ours("inputs[0].shape", "at most 8", inputs=[{**INPUT, "shape": [1] * 9}]),
    "letters twice": ours("inputs[0].layout", "different capital letters", inputs=[{**INPUT, "layout": "NCCW"}]),
    "small letters": theirs("input_info[0].layout", "capital letters", input_info=[{"name": "x", "layout": "nchw"}]),
    "reversal in words": ours("inputs[0].reverse_input_channels", "true or false", inputs=[{**INPUT, "reverse_input_channels": "maybe"}]),
    "input without a name": theirs("input_info[0]", "name is missing", input_info=[{"shape": [1]}]),
    "open sizes in one word": ours("inputs[0].dynamic", "expected a list", inputs=[{**INPUT, "dynamic": "HW"}]),
    "both forms of inputs": theirs("input_info", "given together with inputs", inputs=[INPUT]),
    "inputs beside arguments": theirs("model_optimizer_args", "given together with inputs", input_info=None, inputs=[INPUT]),
    # the rest
    "license outside": ours("license.text", ".. part", license={"spdx": "MIT", "text": "../../etc/passwd"}),
    "paper on this machine": ours("origin.paper", "http(s)", origin={"paper": "file:///x"}),
    "unknown size without a cap": file("", "max_size is missing", size="unknown"),
    "a cap beside a size": file(".max_size", "only if the size is unknown", max_size=3),
    "a cap of nothing": file(".max_size", "from 1", size="unknown", max_size=0),
    "SHA-1 of a whole file": file(".checksum.$type", "sha384", checksum={"$type": "sha1", "value": "0" * 40}),
    "nine digits of a member": file(".contains.a.value", "or the first 8", contains={"a": {"$type": "sha1", "value": "0" * 9}}, name="net.zip"),
    "member outside": file(".contains.../a", ".. part", contains={"../a": {"$type": "sha1", "value": "0" * 40}}, name="net.zip"),
    "unknown metric": ours("published.accuracy[0].metric", "expected one of", published={"accuracy": [{"metric": "mAP", "value": 0.5}]}),
    "AP50 in percent": ours("published.accuracy[0].AP50", "at most 1", published={"accuracy": [{"metric": "AP", "value": 0.5, "AP50": 89.2}]}),
    "no operations": ours("published.gflops", "more than 0", published={"gflops": 0}),
    "deprecated since nothing": ours("deprecated", "since is missing", deprecated={"use": "other"}),
    "deprecated for a folder": ours("deprecated.use", "is not a model name", deprecated={"since": "1", "use": "../x"}),
    "a tag outside": ours("variants.../x", "a tag has up to 40", variants={"../x": {"files": [FILE]}}),
    "variant with a bad file": ours("variants.a.files[0].name", "absolute", variants={"a": {"files": [{**FILE, "name": "/x"}]}}),
    "network without a name": ours("network", "name is missing", network={"width": 32}, checkpoint="net.tflite"),
    "network of half a width": ours("network.width", "a whole number", network={"name": "x", "width": 1.5}, checkpoint="net.tflite"),
    "network without a checkpoint": ours("", "checkpoint is missing", network={"name": "x"}),
    "checkpoint without a network": ours("checkpoint", "without `network`", framework="pytorch", checkpoint="net.tflite"),
    "checkpoint outside": ours("checkpoint", ".. part", network={"name": "x"}, checkpoint="../net.pth"),
    "decoder without a name": ours("decoder", "name is missing", decoder={"max_people": 3}),
    "tolerance of everything": ours("self_check.tolerance.*", "between 0 and 1", self_check={"tolerance": {"*": 2}, "reason": "x"}),
    "no reason": ours("self_check.tolerance", "given without `reason`", self_check={"tolerance": {"*": 0.1}}),
    "unknown measure": ours("self_check.measure", "expected one of", self_check={"measure": "mean", "reason": "x"}),
    "revision 0": ours("revision", "from 1", revision=0),
    "unknown step": ours("postprocessing[0].$type", "expected one of", postprocessing=[{**UNPACK, "$type": "run"}]),
    "archive outside": ours("postprocessing[0].file", ".. part", postprocessing=[{**UNPACK, "file": "../x.zip"}]),
    "replacing without a pattern": ours("postprocessing[0]", "pattern is missing", postprocessing=[{k: v for k, v in REPLACE.items() if k != "pattern"}]),
    "a pattern of 2000 characters": ours("postprocessing[0].pattern", "longer than 1000", postprocessing=[{**REPLACE, "pattern": "a" * 2000}]),
    "arguments in one line": theirs("model_optimizer_args", "expected a list", model_optimizer_args="--output=x"),
    "argument without a flag": arguments("model_optimizer_args[1]", "expected --flag", "output=x"),
    "endless argument": arguments("model_optimizer_args[1]", "longer than 4000", "--output=" + "x" * 5000),
    "a shift of nothing": ours("quantization.max_shift_px", "more than 0", quantization={"max_shift_px": 0}),
    "in floating point without a reason": ours("quantization.in_float[0]", "reason is missing", quantization={"in_float": [{"types": ["MVN"]}]}),
    "nothing in floating point": ours("quantization.in_float[0]", "names no layers", quantization={"in_float": [{"layers": [], "reason": "x"}]}),
    "an operation that is none": ours("quantization.in_float[0].types[0]", "such as MVN", quantization={"in_float": [{"types": ["m*"], "reason": "x"}]}),
    "quantizable in words": theirs("quantizable", "yes or no", quantizable="maybe"),
    "quantized to something": theirs("quantized", "expected one of", quantized="INT3"),
    "model_info of nothing": theirs("model_info.labels", "got nothing", model_info={"labels": None}),
    "model_info that is infinite": Bad(as_yaml(omz_yml()).encode() + b"model_info: {x: 1.0e+999}\n", "model_info.x", "a finite number"),
}  # fmt: skip

MEANING: dict[str, Bad] = {
    "one name twice": ours("files[1].name", "is given twice", files=[FILE, FILE]),
    "a folder that is a file": ours("files[1].name", "net.tflite is a file", files=[FILE, {**FILE, "name": "NET.tflite/a/b"}]),
    "a file that is a folder": ours("files[0].name", "a is a file", files=[{**FILE, "name": "a/b"}, {**FILE, "name": "a"}]),
    "twins of case": ours("files[1].name", "if case is ignored", files=[FILE, {**FILE, "name": "NET.tflite"}]),
    "twins of Unicode": ours("files[0].name", "composed form", files=[{**FILE, "name": "cafe\u0301"}]),
    "layout of another rank": ours("inputs[0].layout", "names 3 dimensions, the shape has 4", inputs=[{**INPUT, "layout": "NCH"}]),
    "means of two channels": ours("inputs[0].mean", "expected 3 values", inputs=[{**INPUT, "mean": [1, 2]}]),
    "open size of no dimension": ours("inputs[0].dynamic[1]", "expected one of N, H, W, C, got 'D'", inputs=[{**INPUT, "dynamic": ["H", "D"]}]),
    "division by nothing": ours("inputs[0].scale", "divides by zero", inputs=[{**INPUT, "scale": [1, 0, 1]}]),
    "colour of four channels": ours("inputs[0]", "three channels", inputs=[{**INPUT, "shape": [1, 4, 6, 4]}]),
    "inputs twice": ours("inputs[1]", "is given twice", inputs=[INPUT, INPUT]),
    "tolerance of no output": ours("self_check.tolerance.nope", "is the name of no output", self_check={"tolerance": {"nope": 0.1}, "reason": "x"}),
    "unpacking what is not there": ours("postprocessing[0].file", "not listed under files", postprocessing=[{**UNPACK, "file": "other.zip"}]),
    "AP in percent": ours("published.accuracy[0].value", "at most 1, got 66.3", published={"accuracy": [{"metric": "AP", "value": 66.3}]}),
    "member of no archive": file(".contains", "is not a .zip file", contains={"a": {"$type": "sha1", "value": "0" * 40}}),
    "a variant without files": ours("variants.b", "the key files is missing", files=None, variants={"a": {"files": [FILE]}, "b": {}}),
    "one tag but for case": ours("variants.A", "the same tag as a", variants={"a": {}, "A": {}}),
    "a variant of another shape": ours("variants.a.inputs[0].layout", "names 4 dimensions", variants={"a": {"inputs": [{"layout": "NHWC", "shape": [1, 2]}]}}),
    "a variant with more inputs": ours("variants.a.inputs", "expected 1 items, got 2", variants={"a": {"inputs": [{}, {}]}}),
    "checkpoint that is nowhere": ours("checkpoint", "not listed under files", network={"name": "x"}, checkpoint="net.pth"),
    "no pattern": ours("postprocessing[0].pattern", "is not a regular expression", postprocessing=[{**REPLACE, "pattern": "("}]),
    "catastrophic pattern": ours("postprocessing[0].pattern", "nested repetitions", postprocessing=[{**REPLACE, "pattern": "(a+)+b"}]),
    "replacement of another pattern": ours("postprocessing[0].replacement", "cannot replace its pattern", postprocessing=[{**REPLACE, "replacement": r"\g<2>"}]),
    "flag twice": arguments("model_optimizer_args[2]", "is given twice", "--output=a", "--output=b"),
    "output twice": arguments("model_optimizer_args[1]", "is given twice", "--output=a,a"),
    "unknown variable": arguments("model_optimizer_args[1]", "no such variable: $home", "--transformations_config=$home/x.json"),
    "original outside": theirs("model_optimizer_args[0]", ".. part", model_optimizer_args=["--input_model=$dl_dir/../../x"]),
    "absolute original": theirs("model_optimizer_args[0]", "absolute", model_optimizer_args=["--input_model=/etc/x"]),
    "mean for a stranger": arguments("model_optimizer_args[1]", "no input is called 'data'", "--mean_values=data[1,2,3]"),
    "mean of two channels": arguments("model_optimizer_args[1]", "gives 2 values for image", "--mean_values=image[1,2]"),
    "mean that is no number": arguments("model_optimizer_args[1]", "expected numbers", "--mean_values=image[a,b,c]"),
    "mean without brackets": arguments("model_optimizer_args[1]", "expected name[...]", "--mean_values=1,2,3"),
    "mean left open": arguments("model_optimizer_args[1]", "expected name[...]", "--mean_values=image[1,2,3"),
    "two means for one input": arguments("model_optimizer_args[1]", "2 sets of values without names for 1 inputs", "--mean_values=[1,2,3],[4,5,6]"),
    "scale 0": arguments("model_optimizer_args[1]", "divides by zero", "--scale=0"),
    "two kinds of scales": arguments("model_optimizer_args[1]", "exclude each other", "--scale=2", "--scale_values=[1,2,3]"),
    "two shapes for one input": arguments("model_optimizer_args[1]", "2 shapes for 1 inputs", "--input_shape=[1],[2]"),
    "shape of nothing": arguments("model_optimizer_args[1]", "sizes of at least 1", "--input_shape=[1,0,2,2]"),
    "unknown layout": arguments("model_optimizer_args[1]", "different capital letters", "--layout=image(nccw)"),
    "nothing to reverse": arguments("model_optimizer_args[1]", "no input has three channels", "--reverse_input_channels", input_info=[{"name": "image", "shape": [1, 4, 4, 6], "layout": "NCHW"}]),
}  # fmt: skip

_GOOD = as_yaml(model_yml()).encode()

YAML: dict[str, Bad] = {
    "an empty file": Bad(b"", "", "is empty"),
    "tabs": Bad(b"files:\n\t- name: x\n", "", "not YAML"),
    "an alias bomb": Bad(
        b"a: &a [x,x,x,x,x,x,x,x,x]\n" + b"".join(b"%c: &%c [%b]\n" % (c, c, b",".join([b"*%c" % (c - 1)] * 9)) for c in range(ord("b"), ord("j"))),
        "", "anchors and aliases",
    ),
    # PyYAML 6.0.4 says "nesting depth".
    "100,000 levels": Bad(b"[" * 100_000, "", "nest"),
    "a million items": Bad(b"files: [" + b"a," * 500_000 + b"]", "", "more than 20000 values"),
    "2 MiB": Bad(b"description: " + b"x" * (2 << 20), "", "larger than"),
    "UTF-16": Bad(_GOOD.decode().encode("utf-16"), "", "UTF-16"),
    "UTF-16 without a mark": Bad(_GOOD.decode().encode("utf-16-le"), "", "not YAML"),
    "a checksum without quotes": Bad(
        as_yaml(model_yml(files=[FILE])).replace("'" + "0" * 96 + "'", "0" * 96).encode(), "files[0].checksum", "got a number"
    ),
    "a duplicate key": Bad(_GOOD + b"framework: onnx\n", "framework", "given twice"),
    "a tag that runs code": Bad(b"description: !!python/object/apply:os.system [id]\n", "", "tags"),
    "a key that moves the cursor": Bad(b'"\\e[2J": 1\n', "", "a key contains control"),
    "a key of 100,000 characters": Bad(b"? " + b"x" * 100_000 + b"\n: 1\n", "", "a key is longer"),
}  # fmt: skip

ALL = {**STRUCTURAL, **MEANING, **YAML}
