"""Run networks on OpenVINO: read, fit and compile an IR, and turn images into poses."""
