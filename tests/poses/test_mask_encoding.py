"""Masks are written as pycocotools writes them."""

import numpy as np
import pytest

from posezoo.poses.mask_encoding import encode_mask

coco_masks = pytest.importorskip("pycocotools.mask")


def random_mask(seed):
    """Noise, or a block; the first two are full and empty."""
    rng = np.random.default_rng(seed)
    height, width = rng.integers(1, 90, 2)
    if seed < 2:
        return np.full((height, width), seed == 0)
    if seed % 2:
        return rng.random((height, width)) < rng.random()
    block = np.zeros((height, width), bool)
    block[height // 4 :, width // 3 : width - 3] = True
    return block


def test_a_mask_has_the_bytes_of_pycocotools():
    for seed in range(40):
        mask = random_mask(seed)
        written = encode_mask(mask)
        expected = coco_masks.encode(np.asfortranarray(mask.astype(np.uint8)))
        assert (
            written["counts"].encode() == expected["counts"] and written["size"] == expected["size"]
        )
        assert (coco_masks.decode(written) == mask).all()
