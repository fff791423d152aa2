"""Convert the outputs of networks to poses in image pixels, with numpy."""
