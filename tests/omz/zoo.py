"""A small zoo for Open Model Zoo's tools and posezoo's, whose files a local server serves."""

from __future__ import annotations

import hashlib
import io
import zipfile
from pathlib import Path

import yaml

from fakes.network import network
from fakes.server import Server
from fakes.zoo import IMAGE

BODIES = {
    name: f"the bytes of {name}\n".encode() * 50
    for name in ("one", "two", "lost", "wrong", "long", "short")
}


def zipped() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("inside/net.onnx", b"graph" * 100)
    return stream.getvalue()


class SmallZoo:
    """Writes model.yml files in Open Model Zoo's newest form and serves their files."""

    def __init__(self, root: Path, server: Server) -> None:
        self.root, self._server = root, server

    def add(
        self, name: str, *files: dict[str, object], family: str = "public", **changes: object
    ) -> None:
        """Write a model with these files."""
        content = {
            "description": f"The model {name}.",
            "task_type": "human_pose_estimation",
            "files": list(files),
            "input_info": [IMAGE],
            "model_optimizer_args": [f"--input_model=$dl_dir/{files[0]['name']}"],
            "framework": "onnx",
            "license": "https://licenses.invalid/Apache-2.0",
            **changes,
        }
        path = self.root / family / name / "model.yml"
        path.parent.mkdir(parents=True, exist_ok=True)
        kept = {key: value for key, value in content.items() if value is not None}
        path.write_text(yaml.safe_dump(kept, sort_keys=False), "utf-8")

    def file(self, name: str, body: bytes, **faults: object) -> dict[str, object]:
        """A file of a model; what the server does with it."""
        place = f"{hashlib.sha256(name.encode() + body).hexdigest()[:8]}/{name}"
        return {
            "name": name,
            "size": len(body),
            "checksum": hashlib.sha384(body).hexdigest(),
            "source": self._server.serve(place, body, **faults),
        }


def small_zoo(root: Path, server: Server) -> None:
    """A zoo with every kind of model and every kind of failure."""
    zoo = SmallZoo(root, server)
    zoo.add("one", zoo.file("one.onnx", BODIES["one"]))
    zoo.add("two", zoo.file("two.onnx", BODIES["two"]), zoo.file("sub/two.txt", b"two"))
    zoo.add("net", zoo.file("net.onnx", network("onnx")))
    zoo.add("lost", zoo.file("lost.onnx", BODIES["lost"], status=[404] * 999))
    zoo.add("wrong", zoo.file("wrong.onnx", BODIES["wrong"], wrong_byte=7))
    zoo.add("short", zoo.file("short.onnx", BODIES["short"], without_length=True, cut_at=100))
    longer = zoo.file("long.onnx", BODIES["long"])
    zoo.add("long", {**longer, "size": 100})
    good = zoo.file("two-sources.onnx", b"two sources")
    zoo.add("two-sources", {**good, "original_source": zoo.file("other", b"never asked")["source"]})
    zoo.add(
        "misspelt",
        {**zoo.file("misspelt.onnx", b"misspelt"), "oroginal_source": "https://models.invalid/x"},
    )
    archive = zoo.file("net.zip", zipped())
    unpack = {"$type": "unpack_archive", "file": "net.zip", "format": "zip"}
    zoo.add("zipped", archive, postprocessing=[unpack])
    script = zoo.file("run.py", b"import wget\r\nnet = 1\r\n")
    change = {
        "$type": "regex_replace",
        "file": "run.py",
        "pattern": "import wget",
        "replacement": "# \\g<0>",
    }
    zoo.add("patched", script, postprocessing=[change])
    zoo.add("unpatchable", script, postprocessing=[{**change, "pattern": "nowhere"}])
    for name in ("ir-net", "ir-twin"):
        files = [
            zoo.file(f"{precision}/{name}.{suffix}", f"{precision} {suffix} of {name}".encode())
            for precision in ("FP16", "FP16-INT8", "FP32")
            for suffix in ("xml", "bin")
        ]
        zoo.add(name, *files, family="intel", framework="dldt", model_optimizer_args=None)
    for part in ("first", "second"):
        zoo.add(f"pair/pair-{part}", zoo.file(f"{part}.onnx", part.encode()))
    composite = {
        "description": "Two models in a row.",
        "task_type": "human_pose_estimation",
        "stages_order": ["pair-first", "pair-second"],
        "framework": "onnx",
        "license": "https://licenses.invalid/Apache-2.0",
    }
    (root / "public" / "pair" / "composite-model.yml").write_text(
        yaml.safe_dump(composite), "utf-8"
    )


def bad_zoo(root: Path, server: Server) -> None:
    """A zoo with a valid model and one that cannot be read."""
    zoo = SmallZoo(root, server)
    zoo.add("one", zoo.file("one.onnx", BODIES["one"]))
    zoo.add("bad", zoo.file("bad.onnx", b"bad"), framework="caffeine")
