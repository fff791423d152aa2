"""Draft the model.yml of a new model from its published files."""
