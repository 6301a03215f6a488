"""What the module does in Slicer: MRML nodes out to files, the worker, and its results back into the scene.

A package of its own because Slicer takes every Python file next to WSPCirrhosis.py for a module.
"""
