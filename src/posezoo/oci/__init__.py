"""Models in OCI registries, as artifacts of CNCF's ModelPack specification."""
