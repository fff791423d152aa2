"""The packages, which setup.cfg cannot name: those below src, and two folders of data."""

from setuptools import find_packages, setup

setup(packages=[*find_packages("src"), "posezoo.models", "posezoo.licenses"])
