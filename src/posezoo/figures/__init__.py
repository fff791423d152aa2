"""Figures of models: what was measured, what publishers state, and how models compare by them."""
