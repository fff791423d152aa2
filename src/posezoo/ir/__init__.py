"""OpenVINO IR: the import of OpenVINO, writing IR, their records (provenance.json) and their complexity."""
