"""The stages of a model, called in order: resolve, plan, download, convert, quantize and load.

``zoo_context`` opens what the settings name, ``plan`` looks at the disk, ``get`` carries a plan out, and
``for_each`` does so for several models.
"""
