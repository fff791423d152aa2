"""Triangulate the files of a project with Pose2Sim, in an environment with Pose2Sim: run_pose2sim.py PROJECT.

Its own functions for files and cameras are called as its command does, without its windows.
"""

from __future__ import annotations

import sys
from pathlib import Path

from Pose2Sim.triangulation import triangulate_all

project = Path(sys.argv[1])
triangulate_all(
    {
        "project": {"project_dir": str(project), "multi_person": False, "frame_rate": 25},
        "pose": {"pose_model": "BODY_25"},
        "triangulation": {
            "reproj_error_threshold_triangulation": 1,
            "likelihood_threshold_triangulation": 0.3,
            "min_cameras_for_triangulation": 2,
            "interpolation": "none",
            "fill_large_gaps_with": "zeros",
            "make_c3d": False,
        },
    }
)
