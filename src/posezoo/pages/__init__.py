"""Facts about models, and what is drawn from them: cards, comparisons, licenses."""
