"""What is known of each model: facts for its card, for lists, for the gallery and for comparisons."""
