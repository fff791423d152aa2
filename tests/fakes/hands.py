"""A drawn hand: src/posezoo/media/samples/hand.png is ``draw_hand(512)``."""

from __future__ import annotations

import cv2
import numpy as np

SKIN = (150, 180, 225)
TABLE = (90, 70, 60)

#: In a picture of 480 x 480: the palm's outline, for each finger three joints and its width, and lines in the skin.
PALM = ((180, 390), (165, 320), (168, 250), (185, 222), (300, 218), (318, 250), (316, 320), (295, 400))  # fmt: skip
FINGERS = (
    ((190, 240), (172, 170), (160, 105), 36),
    ((222, 225), (214, 140), (208, 65), 38),
    ((258, 222), (262, 140), (266, 75), 37),
    ((292, 235), (308, 165), (320, 110), 32),
    ((300, 370), (365, 310), (400, 250), 42),
)
LINES = (((195, 300), (240, 285)), ((200, 330), (285, 300)), ((250, 370), (230, 300)))

#: The wrist, and the tips of the thumb and of the other fingers.
WRIST = (235, 375)
TIPS = ((400, 250), (320, 110), (266, 75), (208, 65), (160, 105))


def draw_hand(side: int = 480, angle: float = 0) -> np.ndarray:
    """(side, side, 3), BGR: turned by an angle in degrees, against the clock."""
    scale = side / 480

    def at(point):
        return tuple(int(scale * each) for each in point)

    mask = np.zeros((side, side), np.uint8)
    cv2.line(mask, at((240, 480)), at((240, 380)), 255, int(95 * scale))
    cv2.fillConvexPoly(mask, np.array([at(point) for point in PALM]), 255)
    for first, second, last, width in FINGERS:
        cv2.line(mask, at(first), at(second), 255, int(width * scale))
        cv2.line(mask, at(second), at(last), 255, int((width - 4) * scale))
        cv2.circle(mask, at(last), int((width - 4) / 2 * scale), 255, -1)
    mask = cv2.GaussianBlur(mask, (0, 0), 2 * scale)
    depth = cv2.distanceTransform((mask > 127).astype(np.uint8), cv2.DIST_L2, 5)
    shade = 0.55 + 0.45 * np.sqrt((depth / (28 * scale)).clip(0, 1))[..., None]
    share = mask[..., None] / 255
    image = (np.array(TABLE) * (1 - share) + np.array(SKIN) * shade * share).astype(np.uint8)
    joints = [joint for _, *others, _ in FINGERS for joint in (others[0], np.mean(others, axis=0))]
    creases = [((x - 12, y), (x + 12, y)) for x, y in joints[:-2]]
    for start, end in (*LINES, *creases):
        color = [int(0.75 * each) for each in SKIN]
        cv2.line(image, at(start), at(end), color, max(1, int(2 * scale)), cv2.LINE_AA)
    image = cv2.GaussianBlur(image, (0, 0), 1.2 * scale)
    matrix = cv2.getRotationMatrix2D((side / 2, side / 2), angle, 1)
    return cv2.warpAffine(image, matrix, (side, side), borderValue=TABLE) if angle else image


def film_meeting_hands() -> list[np.ndarray]:
    """Two drawn hands; one moves until it covers the other, and stays there."""
    hand = draw_hand(240)
    frames = []
    for place in (320, 260, 200, 150, 110, 80, 55, 35, 20, 8, 0, 0, 0):
        frame = np.full((240, 560, 3), TABLE, np.uint8)
        frame[:, :240] = hand
        frame[:, place : place + 240] = np.maximum(frame[:, place : place + 240], hand)
        frames.append(frame)
    return frames
