"""A model.yml, drafted from a model's published files."""
