"""What a model is, and how its model.yml is read."""
