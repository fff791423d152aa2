"""How fast models run: each in its own process, over several rounds, alone or interleaved with others."""
