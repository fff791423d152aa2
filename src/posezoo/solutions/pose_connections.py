"""The connections of the landmarks of the body, by the names in MediaPipe."""

from posezoo.solutions.tables import connections

globals().update(connections("pose_connections"))
