"""Work on many models and machines: clusters, folders in stores, mirrors."""
