"""Published networks into OpenVINO IR: proven to compute the same, and the same bytes every time."""
