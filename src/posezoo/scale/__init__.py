"""Work on many models and machines: clusters, mirrors, files in stores."""
