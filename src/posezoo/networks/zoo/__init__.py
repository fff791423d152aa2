"""Our definitions of the networks behind Open Model Zoo's PyTorch models, with the keys of the
published checkpoints: they convert without their authors' code.

``published_networks`` lists them, ``declarations`` finds that of a model.yml.
"""
