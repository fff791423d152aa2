"""Images are read as BGR with their orientation, or refused in one line."""

import hashlib
import struct
import tracemalloc
import warnings
import zlib

import numpy as np
import pytest

from posezoo.core.errors import ImageError, ImageWarning
from posezoo.media import images
from posezoo.media.images import SAMPLE_PHOTOS, read_image

cv2 = pytest.importorskip("cv2")

FORMATS = (".png", ".jpg", ".webp", ".bmp", ".tiff")


@pytest.fixture
def scene():
    """A smooth picture, 80 wide and 60 high, different in every corner and channel."""
    noise = np.random.default_rng(3).integers(0, 255, (60, 80, 3), dtype=np.uint8)
    return cv2.GaussianBlur(noise, (0, 0), 4)


def png(width, height, depth=8, rows=b""):
    """A PNG of grey pixels with the given header."""

    def chunk(kind, content):
        return (
            struct.pack(">I", len(content))
            + kind
            + content
            + struct.pack(">I", zlib.crc32(kind + content))
        )

    header = struct.pack(">IIBBBBB", width, height, depth, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def with_orientation(jpeg, orientation):
    """The JPEG with an EXIF segment that says how the camera was held."""
    tiff = b"II*\0" + struct.pack("<IHHHIHHI", 8, 1, 0x0112, 3, 1, orientation, 0, 0)
    segment = b"Exif\0\0" + tiff
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(segment) + 2) + segment + jpeg[2:]


@pytest.mark.parametrize("ending", FORMATS)
def test_a_written_image_is_read_back(tmp_path, scene, ending):
    images.write_image(tmp_path / f"scene{ending}", scene)
    read = images.read_image(tmp_path / f"scene{ending}")
    assert read.dtype == np.uint8 and read.shape == scene.shape
    tolerance = 12 if ending == ".jpg" else 0
    assert np.abs(read.astype(int) - scene).max() <= tolerance


@pytest.mark.parametrize("ending", [".png", ".tiff"])
@pytest.mark.parametrize("deep", [False, True])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_grey_alpha_and_16_bits_become_8_bit_bgr(tmp_path, scene, ending, deep, channels):
    written = np.dstack([scene, scene[..., :1]])[..., :channels]
    cv2.imwrite(str(tmp_path / f"a{ending}"), written.astype(np.uint16) * 257 if deep else written)
    read = images.read_image(tmp_path / f"a{ending}")
    expected = np.repeat(scene[..., :1], 3, axis=2) if channels == 1 else scene
    assert read.dtype == np.uint8 and np.array_equal(read, expected)


@pytest.mark.parametrize(
    ("orientation", "held"),
    [
        (1, lambda a: a),
        (2, lambda a: a[:, ::-1]),
        (3, lambda a: a[::-1, ::-1]),
        (4, lambda a: a[::-1]),
        (5, lambda a: a.transpose(1, 0, 2)),
        (6, lambda a: np.rot90(a, 1)),
        (7, lambda a: a[::-1, ::-1].transpose(1, 0, 2)),
        (8, lambda a: np.rot90(a, 3)),
    ],
)
def test_an_image_is_rotated_according_to_its_orientation(tmp_path, scene, orientation, held):
    """The file holds what the sensor saw; reading gives what stood before the camera."""
    sensor = np.ascontiguousarray(held(scene))
    jpeg = cv2.imencode(".jpg", sensor, [cv2.IMWRITE_JPEG_QUALITY, 98])[1].tobytes()
    (tmp_path / "photo.jpg").write_bytes(with_orientation(jpeg, orientation))
    read = images.read_image(tmp_path / "photo.jpg")
    assert read.shape == scene.shape
    assert np.abs(read.astype(int) - scene).mean() < 3


@pytest.mark.parametrize("ending", FORMATS)
def test_an_incomplete_image_file_is_refused(tmp_path, scene, ending):
    whole = cv2.imencode(ending, scene)[1].tobytes()
    for size in sorted({*range(1, 40, 3), *np.linspace(40, len(whole) - 1, 40).astype(int)}):
        (tmp_path / "cut").write_bytes(whole[:size])
        with pytest.raises(ImageError, match=r"cut: "):
            images.read_image(tmp_path / "cut")


def test_a_thumbnail_inside_does_not_pass_for_the_end(tmp_path, scene):
    """A camera's JPEG carries a small JPEG, end marker and all, in its header."""
    whole = cv2.imencode(".jpg", scene)[1].tobytes()
    thumbnail = b"Exif\0\0" + cv2.imencode(".jpg", scene[::4, ::4])[1].tobytes()
    camera = whole[:2] + b"\xff\xe1" + struct.pack(">H", len(thumbnail) + 2) + thumbnail + whole[2:]
    (tmp_path / "whole.jpg").write_bytes(camera)
    (tmp_path / "cut.jpg").write_bytes(camera[:-400])
    assert images.read_image(tmp_path / "whole.jpg").shape == scene.shape
    with pytest.raises(ImageError, match=r"cut\.jpg: the image file is incomplete"):
        images.read_image(tmp_path / "cut.jpg")


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "the file is empty"),
        (b"<html><body>404 Not Found</body></html>", "is not an image of a known format"),
        (b"\xff\xd8\xff\xe0" + b"\0" * 200, "the image file is incomplete"),
        (b"BM" + b"\xff" * 200, "the image file is incomplete"),
        (b"II*\0" + b"\xff" * 200, "the image file is incomplete"),
        (png(8, 8, depth=3), "damaged"),
        (png(20_000, 20_000, rows=b"\0" * 20_001), "20000 x 20000 pixels are too many"),
        (png(0, 8), "damaged"),
    ],
)
def test_an_invalid_image_file_is_refused_in_one_line(tmp_path, content, problem):
    path = tmp_path / "photo.png"
    path.write_bytes(content)
    with pytest.raises(ImageError, match=problem) as caught:
        images.read_image(path)
    assert str(caught.value).startswith(f"{path}: ") and "\n" not in str(caught.value)


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path):
    """A JPEG, WebP, BMP and TIFF of a few bytes that claim 60000 x 60000 pixels or near it."""
    side = 60_000
    claims = {
        "jpg": b"\xff\xd8\xff\xc0"
        + struct.pack(">HBHHB", 11, 8, side, side, 1)
        + b"\1\x11\0\xff\xda"
        + b"\0" * 9,
        "webp": b"RIFF"
        + struct.pack("<I", 22)
        + b"WEBPVP8X"
        + b"\0" * 8
        + (side - 1).to_bytes(3, "little") * 2,
        "bmp": b"BM" + struct.pack("<IIIIiiHHI", 0, 0, 54, 40, side, -side, 1, 24, 0) + b"\0" * 20,
        "tiff": b"MM\0*" + struct.pack(">IHHHIIHHIII", 8, 2, 256, 4, 1, side, 257, 4, 1, side, 0),
    }
    for ending, content in claims.items():
        path = tmp_path / f"bomb.{ending}"
        path.write_bytes(content)
        with pytest.raises(ImageError, match="60000 x 60000 pixels are too many"):
            images.read_image(path)


@pytest.mark.parametrize("name", ["scene.gibberish", "scene"])
def test_an_unknown_ending_is_refused(tmp_path, scene, name):
    with pytest.raises(ImageError, match="cannot be written as") as caught:
        images.write_image(tmp_path / name, scene)
    assert ".jpg" in caught.value.hint and list(tmp_path.iterdir()) == []


def test_an_image_too_large_for_its_format_keeps_the_old_file(tmp_path, scene):
    images.write_image(tmp_path / "scene.jpg", scene)
    with pytest.raises(ImageError, match=r"scene\.jpg"):
        images.write_image(tmp_path / "scene.jpg", np.zeros((2, 70_000, 3), np.uint8))
    assert images.read_image(tmp_path / "scene.jpg").shape == scene.shape
    assert [path.name for path in tmp_path.glob("[!.]*")] == ["scene.jpg"]


def test_a_frame_that_is_bgr_already_is_not_copied(scene):
    assert np.shares_memory(images.to_bgr(scene), scene)


def test_frames_become_bgr(scene):
    grey, alpha = scene[..., 0], np.dstack([scene, scene[..., 0]])
    assert np.array_equal(images.to_bgr(scene[..., ::-1], color="RGB"), scene)
    assert np.array_equal(images.to_bgr(alpha), scene)
    assert np.array_equal(images.to_bgr(alpha[..., [2, 1, 0, 3]], color="RGB"), scene)
    for frame in (grey, grey[..., None]):
        assert np.array_equal(images.to_bgr(frame), np.repeat(grey[..., None], 3, axis=2))


@pytest.mark.parametrize(
    ("frame", "problem"),
    [
        (np.zeros((4, 5, 3), np.float32), "are uint8 from 0 to 255, those of this one float32"),
        (np.zeros(5, np.uint8), "is HxW, HxWx3 or HxWx4, this one 5"),
        (np.zeros((), np.uint8), "this one a scalar"),
        (np.zeros((4, 5, 2), np.uint8), "this one 4x5x2"),
        (np.zeros((1, 4, 5, 3), np.uint8), "this one 1x4x5x3"),
        (np.zeros((0, 0, 3), np.uint8), "without pixels: 0 wide, 0 high"),
        ([[1, 2], [3, 4]], "is a numpy array, not list"),
        (None, "is a numpy array, not NoneType"),
    ],
)
def test_an_invalid_frame_is_refused(frame, problem):
    with pytest.raises(ImageError, match=problem):
        images.to_bgr(frame)


def test_an_unknown_color_order_is_refused(scene):
    with pytest.raises(ImageError, match="BGR or RGB, not 'GBR'"):
        images.to_bgr(scene, color="GBR")


def test_the_sample_photos_are_those_of_scikit_image_unchanged():
    """The digests that scikit-image's wheel 0.26.0 has of them."""
    digests = [hashlib.sha384(photo.read_bytes()).hexdigest() for photo in SAMPLE_PHOTOS]
    assert digests == [
        "f1e156f84f0035b7605d3a41ebf40277770e4971e301822c37a0441e9707a14832af88b24dff68d4f5801eb3bf1f9ce3",
        "bb53ccd861e8bcde0971f6914a9fff5f377077db4fe5aaec9c4d8a9b80e815f0aadb0c98c52ac998731b3b0ecfdccc04",
    ]
    assert [read_image(photo).shape for photo in SAMPLE_PHOTOS] == [(512, 512, 3)] * 2


@pytest.mark.parametrize("ending", [".avif", ".jp2"])
def test_photos_in_boxes_are_read_or_refused_if_they_are_incomplete(tmp_path, scene, ending):
    path = tmp_path / f"scene{ending}"
    if not cv2.haveImageWriter(path.name):
        pytest.skip(f"this OpenCV does not write {ending}")
    cv2.imwrite(str(path), scene)
    assert read_image(path).shape == scene.shape
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(ImageError, match=f"scene{ending}: the image file is incomplete"):
        read_image(path)


COLORS = [[[1, 2, 3], [40, 50, 60]], [[7, 8, 9], [255, 0, 128]], [[0, 0, 0], [9, 9, 9]]]  # RGB


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"P6\n2 3\n255\n" + bytes(np.ravel(COLORS).tolist()), np.array(COLORS)[..., ::-1]),
        (
            b"P3\n# a comment\n2 3\n255\n" + " ".join(map(str, np.ravel(COLORS))).encode() + b"\n",
            np.array(COLORS)[..., ::-1],
        ),
        (b"P5 2 2 255\n\x01\x02\xff\x00", [[[1] * 3, [2] * 3], [[255] * 3, [0] * 3]]),
        (b"P5 2 1 65535\n\x07\xff\xf0\x00", [[[7] * 3, [240] * 3]]),
        (b"P2\n2 1\n255\n1 200\n", [[[1] * 3, [200] * 3]]),
        (b"P4 9 1\n\xaa\x80", [[[value] * 3 for value in [0, 255] * 4 + [0]]]),
        (b"P1\n3 1\n101\n", [[[0] * 3, [255] * 3, [0] * 3]]),
    ],
    ids=["P6", "P3", "P5", "P5 of 16 bits", "P2", "P4", "P1"],
)
def test_netpbm_images_are_read_as_bytes_and_as_text(tmp_path, content, expected):
    path = tmp_path / "scene.pnm"
    path.write_bytes(content)
    np.testing.assert_array_equal(images.read_image(path), expected)
    path.write_bytes(content[:-3])
    with pytest.raises(ImageError, match=r"incomplete|damaged"):
        images.read_image(path)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"P6\n2", "the image file is incomplete"),
        (b"P6 2 x 255\n", "the image file is incomplete"),
        (b"P6 99999 99999 255\n", "99999 x 99999 pixels are too many"),
        (b"P9 1 1 1\n1", "is not an image of a known format"),
    ],
)
def test_an_invalid_netpbm_image_is_refused(tmp_path, content, problem):
    (tmp_path / "scene.ppm").write_bytes(content)
    with pytest.raises(ImageError, match=problem):
        images.read_image(tmp_path / "scene.ppm")


def test_blanks_without_a_number_need_little_memory(tmp_path):
    (tmp_path / "scene.ppm").write_bytes(b"P6" + b" " * (1 << 20))
    tracemalloc.start()
    try:
        with pytest.raises(ImageError, match="the image file is incomplete"):
            images.read_image(tmp_path / "scene.ppm")
        assert tracemalloc.get_traced_memory()[1] < 32 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("content", [b"", b"no video", b"GIF89a", b"\0\0\0\x18ftypmp42"])
@pytest.mark.parametrize("name", ["a.mp4", "a.gif"])
def test_only_a_file_with_frames_is_said_to_be_a_video(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ImageError) as caught:
        images.open_image(path)
    assert "model.stream" not in caught.value.hint


@pytest.mark.parametrize("ending", [".png", ".webp", ".avif", ".tiff"])
def test_the_first_of_several_frames_or_pages_is_read_with_a_warning(tmp_path, scene, ending):
    if ending != ".tiff" and not cv2.haveImageWriter(f"scene{ending}"):
        pytest.skip(f"this OpenCV does not write {ending}")
    path = tmp_path / f"scene{ending}"
    frames = [
        np.dstack([frame, np.full_like(frame[..., 0], 255)]) for frame in (scene, 255 - scene)
    ]
    if ending == ".tiff":
        cv2.imwritemulti(str(path), frames)
    else:
        animation = cv2.Animation()
        animation.frames, animation.durations = frames, [100, 100]
        cv2.imwriteanimation(str(path), animation)
    with pytest.warns(ImageWarning, match="several frames or pages: the first is used"):
        read = images.read_image(path)
    assert np.abs(read.astype(int) - scene).mean() < 12
    images.write_image(path, scene)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        images.read_image(path)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_image_of_pillow_is_turned_as_its_exif_says(tmp_path, orientation):
    pillow = pytest.importorskip("PIL.Image", reason="needs PIL")
    turned = pytest.importorskip("PIL.ImageOps", reason="needs PIL").exif_transpose
    exif = pillow.Exif()
    exif[0x0112] = orientation
    pillow.open(SAMPLE_PHOTOS[0]).resize((60, 40)).save(tmp_path / "photo.png", exif=exif)
    image = pillow.open(tmp_path / "photo.png")
    upright = np.asarray(turned(image))
    np.testing.assert_array_equal(images.to_bgr(image), upright[..., ::-1])
    assert images.to_bgr(image).shape[:2] == ((60, 40) if orientation > 4 else (40, 60))


@pytest.mark.parametrize("mode", ["P", "LA", "RGBA", "CMYK", "1", "L", "I;16"])
def test_an_image_of_pillow_has_the_colors_that_pillow_shows(mode):
    pillow = pytest.importorskip("PIL.Image", reason="needs PIL")
    photo = pillow.open(SAMPLE_PHOTOS[0]).convert("L" if mode == "I;16" else "RGB")
    if mode == "I;16":
        image = pillow.fromarray(np.asarray(photo).astype(np.uint16) << 8)
    else:
        image = photo = photo.convert(mode)
    assert image.mode == mode
    np.testing.assert_array_equal(
        images.to_bgr(image, "RGB"), np.asarray(photo.convert("RGB"))[..., ::-1]
    )


def test_an_opencv_without_avif_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(cv2, "haveImageWriter", lambda _: False)
    monkeypatch.setattr(cv2, "imdecode", lambda *_: None)
    size = b"\0\0\0\x14ispe\0\0\0\0\0\0\0\x08\0\0\0\x08"
    (tmp_path / "photo.avif").write_bytes(b"\0\0\0\x10ftypavif\0\0\0\0" + size)
    with pytest.raises(ImageError, match=rf"is AVIF, which OpenCV {cv2.__version__} does not"):
        images.read_image(tmp_path / "photo.avif")


@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_avif_is_turned_and_mirrored_as_pillow_shows_it(tmp_path, orientation):
    pillow = pytest.importorskip("PIL.Image", reason="needs PIL")
    if not pytest.importorskip("PIL.features", reason="needs PIL").check("avif"):
        pytest.skip("needs PIL")
    if not cv2.haveImageWriter("photo.avif"):
        pytest.skip("this OpenCV does not write .avif")
    exif = pillow.Exif()
    exif[0x0112] = orientation
    path = tmp_path / "photo.avif"
    pillow.open(SAMPLE_PHOTOS[0]).resize((60, 40)).save(path, exif=exif.tobytes(), quality=90)
    turned = pytest.importorskip("PIL.ImageOps", reason="needs PIL").exif_transpose
    expected = np.asarray(turned(pillow.open(path)).convert("RGB"))[..., ::-1]
    read = read_image(path)
    assert read.shape == expected.shape
    assert np.abs(read.astype(int) - expected).mean() < 3


@pytest.mark.parametrize("ending", [".png", ".tiff", ".pgm"])
@pytest.mark.parametrize("bits", [10, 12, 14])
def test_unused_bits_of_16_are_a_warning(tmp_path, bits, ending):
    ramp = np.linspace(0, (1 << bits) - 1, 64).astype(np.uint16).reshape(8, 8)
    cv2.imwrite(str(tmp_path / f"mono{ending}"), ramp)
    with pytest.warns(ImageWarning, match=f"with {bits} bits: it is nearly black; multiply"):
        read_image(tmp_path / f"mono{ending}")


def test_a_tiff_of_floats_is_refused_with_its_range(tmp_path):
    cv2.imwrite(str(tmp_path / "depth.tiff"), np.linspace(0, 2, 64, dtype=np.float32).reshape(8, 8))
    with pytest.raises(ImageError, match="has float32 numbers, 0 to 2") as caught:
        read_image(tmp_path / "depth.tiff")
    assert "-auto-level -depth 8" in caught.value.hint
