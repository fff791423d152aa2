"""Facts about models, and what is drawn from them: cards, comparisons, the gallery, licenses."""
