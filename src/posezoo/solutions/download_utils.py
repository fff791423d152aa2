"""``mp.solutions.download_utils``, which scripts import; solutions download their models."""

from posezoo.solutions.importable import names_of

globals().update(names_of("mediapipe.python.solutions.download_utils"))
