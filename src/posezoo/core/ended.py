"""What earlier versions had, by what a user types, and what to use instead."""

from __future__ import annotations

_ENDED: dict[str, str] = {
    "folders in stores": (
        "0.3.0: mount the store, or copy the folder with rclone:"
        " docs/operators.md#folders-in-an-object-store"
    ),
    "posezoo get --device": "0.3.0: posezoo verify NAME --device DEVICE after it",
    "posezoo seed": (
        "0.3.0: give the files of posezoo's folders to other packages:"
        " docs/operators.md#files-for-other-packages"
    ),
}


def explain_ended(typed: str) -> str:
    """Which version ended a verb, flag or target, and what to use instead; empty if none did."""
    return f"{typed} ended in {_ENDED[typed]}" if typed in _ENDED else ""
