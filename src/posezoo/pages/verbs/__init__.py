"""The verbs that show models and draw pages of them."""
