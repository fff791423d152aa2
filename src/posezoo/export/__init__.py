"""Exports IR as files for other runtimes: servers, pipelines, and programs in other languages."""
