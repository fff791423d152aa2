"""A demo's parts: frames in, poses found on them, pictures shown and written, speeds measured."""
