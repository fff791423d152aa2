"""Download the published files of models; a file gets its name only after it is verified."""
