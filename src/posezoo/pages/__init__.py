"""What is drawn from the facts about models: cards, lists, comparisons, licenses."""
