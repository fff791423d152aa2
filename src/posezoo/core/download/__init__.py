"""Download the published files of models; a file gets its final name only after it is verified."""
