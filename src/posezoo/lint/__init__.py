"""Check the metadata of a registry with rules: model.yml, cards, indexes, accuracy-check.yml."""
