#!/usr/bin/env python3
"""The same as human_pose_estimation_demo.py, under the name that older pages give."""

import runpy
from pathlib import Path

runpy.run_path(str(Path(__file__).with_name("human_pose_estimation_demo.py")), run_name="__main__")
