"""What cameras and LiDAR have of a scene at a keyframe."""
