"""The address of an artifact in an OCI registry, and the artifact as JSON, for pull and push."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from posezoo.cli.flags import Flag
from posezoo.cli.json_projection import project

if TYPE_CHECKING:
    from posezoo.oci.model_artifact import ArtifactFile
    from posezoo.oci.oci_client import OciAddress


def parse_address(text: str) -> OciAddress:
    """An argparse type: the address of an artifact."""
    from posezoo.oci.oci_client import OciAddress

    try:
        return OciAddress.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


ADDRESS = Flag(
    "address ADDRESS", "oci://HOST/REPO:TAG, or oci://HOST/REPO@sha256:DIGEST", parse_address
)


def artifact_to_json(
    address: OciAddress, digest: str, files: Sequence[ArtifactFile]
) -> dict[str, object]:
    """An artifact in JSON's types."""
    rows = [project(file, "model path media_type size sha256 sha384") for file in files]
    return {"address": address, "digest": digest, "files": rows}
