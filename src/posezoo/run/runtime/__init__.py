"""Run networks on OpenVINO: read, adapt and compile an IR, and turn images into poses."""
