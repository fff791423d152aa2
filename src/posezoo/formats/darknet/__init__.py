"""A reader of Darknet's networks: the layers are in a .cfg, their weights in a .weights file."""
