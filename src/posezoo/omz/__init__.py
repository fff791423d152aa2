"""What users of Open Model Zoo's tools need: their commands, Model Optimizer, upstream code."""
