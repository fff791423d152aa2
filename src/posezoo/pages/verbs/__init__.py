"""The verbs that show models and draw pages of them: list, info, card, gallery and more."""
