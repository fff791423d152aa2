"""The connections of the landmarks of a face, by the names in MediaPipe."""

from posezoo.solutions.tables import connections

globals().update(connections("face_mesh_connections"))
