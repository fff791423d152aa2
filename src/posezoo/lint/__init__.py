"""A registry's metadata, checked by rules: model.yml, cards, indexes, accuracy-check.yml."""
