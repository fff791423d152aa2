"""What a user is told to do next where a system lacks something."""

from posezoo.core.errors import MissingPackageError, memory_hint


def test_a_library_without_memory_is_not_installed_again():
    reason = "libavcodec.so.62: failed to map segment from shared object"
    assert "ulimit -v" in MissingPackageError("cv2", extra="run", reason=reason).hint
    assert "install" in MissingPackageError("cv2", extra="run", reason="no such symbol").hint
    assert memory_hint(MemoryError()) and not memory_hint(ValueError("1"))
