"""The stages for a model, called in order: resolve, plan, download, convert, quantize and load.

``zoo_context`` opens the registry, folders and lock that the settings name, ``plan`` checks which
files exist, ``get`` carries out the plan of a model, and ``load`` makes an estimator of it.
"""
