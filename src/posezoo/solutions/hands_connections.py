"""The connections of the landmarks of a hand, by the names in MediaPipe."""

from posezoo.solutions.tables import connections

globals().update(connections("hands_connections"))
