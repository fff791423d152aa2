"""Files inside packages: wheels on Python's package indexes, tarballs of npm registries."""
