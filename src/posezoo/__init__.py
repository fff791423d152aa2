"""A human-pose model zoo, and the toolkit that fetches, verifies, converts and runs its models on OpenVINO."""
