"""MRML nodes out to files, and a worker's results back into the scene."""
