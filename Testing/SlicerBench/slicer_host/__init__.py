"""A `Slicer` command without the desktop application, on the `slicer-core` wheel.

The wheel holds Slicer's own scene, nodes, logics, storage and slice views. This package adds what the
desktop application puts around them and what scripts rely on: `slicer.app`, `slicer.mrmlScene`,
`slicer.modules`, the scripted-module classes, the parameter-node wrapper, and the command line with its
exit statuses. There is no Qt here: `slicer_bench` starts from `start_up.start` and adds it.

It knows nothing of the extension it is used for: copy the folder next to your own extension.
"""
