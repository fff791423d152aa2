"""OpenVINO IR: the only package that imports OpenVINO; it writes IR, their records and their complexity."""
