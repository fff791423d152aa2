"""The facts about each model, for its card, for lists, for the gallery and for comparisons."""
