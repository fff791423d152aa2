"""Our definitions of the networks behind Open Model Zoo's PyTorch models.

They have the keys of the published checkpoints, so these models convert without their authors'
code. ``published_networks`` lists them, and ``declarations`` finds the one that a model.yml names;
the other modules need PyTorch.
"""
