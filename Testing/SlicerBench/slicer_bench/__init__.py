"""Qt on top of the host: the modules `qt` and `ctk`, widgets on the MRML scene, the main window, module panels.

`binding.py` gives PySide6 the manners of PythonQt, which is how the desktop application shows Qt to Python.
Nothing here knows the extension whose panels it runs.
"""
