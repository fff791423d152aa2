"""A registry as a static site: an index with a chart, and a page for each model."""
