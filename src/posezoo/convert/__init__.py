"""Published models to OpenVINO IR: reproducible to the byte, and checked against the original."""
