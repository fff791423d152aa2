"""The stages for a model, called in order: resolve, plan, download, convert, quantize and load."""
