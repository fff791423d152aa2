"""The facts about each model, for cards, lists, galleries and comparisons."""
