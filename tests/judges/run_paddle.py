"""Save heat maps of 17 keypoints with PaddlePaddle: run_paddle.py FOLDER

``make build/paddle-env`` makes the environment in which it runs. The new format of PaddlePaddle 3 is not read.
"""

import os
import sys

os.environ["FLAGS_enable_pir_api"] = "0"  # noqa: SIM112 - its own name

import paddle


def main(folder: str) -> None:
    paddle.seed(0)
    network = paddle.nn.Sequential(
        paddle.nn.Conv2D(3, 8, 3, stride=4, padding=1), paddle.nn.ReLU(), paddle.nn.Conv2D(8, 17, 1)
    )
    network.eval()
    image = paddle.static.InputSpec([1, 3, 128, 96], "float32")
    paddle.jit.save(network, f"{folder}/paddle", input_spec=[image])


if __name__ == "__main__":
    main(*sys.argv[1:])
