"""Open Model Zoo's own commands over ours: the contract that thousands of scripts rely on."""
