"""Crash anywhere: a command is killed at each of its boundaries with the world, and run again."""
