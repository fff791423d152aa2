"""Sources of frames, the player that finds poses in them, its outputs and their speed."""
