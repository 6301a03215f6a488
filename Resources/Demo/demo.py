"""Predict on a CT through the Slicer module's Logic, with nobody at the screen: report, picture and scene.

Run it in the host, or in Slicer:
    python Testing/SlicerBench --no-main-window --no-splash --additional-module-paths WSPCirrhosis \
        --python-script Resources/Demo/demo.py -- --volume CT --mask MASK --model MODEL --output OUT
"""

from __future__ import annotations

import argparse
import sys
import traceback
from pathlib import Path

ROOT = Path(sys.argv[0]).resolve().parents[2]
sys.path[:0] = [str(ROOT / "WSPCirrhosis"), str(ROOT), str(ROOT / "Testing" / "SlicerBench")]


def main(arguments: list[str]) -> int:
    """Returns the exit status: 0 done, 2 bad input."""
    options = argparse.ArgumentParser(prog="demo.py", description=__doc__.splitlines()[0])
    options.add_argument("--volume", type=Path, required=True)
    options.add_argument("--mask", required=True, help="as in case.seg.nrrd#Liver")
    options.add_argument("--model", type=Path, required=True)
    options.add_argument("--output", type=Path, required=True, help="a folder; it must not exist")
    chosen = options.parse_args(arguments)

    import slicer
    from WSPCirrhosisSlicer.scene.loading import loadCase

    from WSPCirrhosis import WSPCirrhosisLogic
    from WSPCirrhosisLib.errors import BAD_INPUT, InputError
    from WSPCirrhosisLib.files import new_folder

    try:
        with new_folder(chosen.output) as folder:
            case = loadCase(chosen.volume, chosen.mask)
            nodes = WSPCirrhosisLogic().predict(
                case.volumeNode,
                case.maskNode,
                chosen.model,
                segmentId=case.segmentId,
                labelValue=case.labelValue,
                output=folder,
            )
            picture = drawMostContributingSlice(case, nodes, folder / "slice.png")
            if not slicer.util.saveScene(str(folder / "scene.mrb")):
                raise InputError("output.not_writable", "The scene was not saved.", file=folder)
    except InputError as error:
        print(error, file=sys.stderr)
        return BAD_INPUT
    tell(nodes, chosen.output, picture)
    return 0


def drawMostContributingSlice(case, nodes, path: Path) -> str | None:
    """Draw the slice that speaks loudest for or against, with liver outline and heat map.

    Returns:
        None when it was drawn, else the reason why this machine cannot draw.
    """
    from slicer_host.views import render_slice, rendering_problem

    display = case.volumeNode.GetDisplayNode()
    display.AutoWindowLevelOff()
    display.SetWindowLevel(350, 60)
    outlineOnly(case)
    if rendering_problem():
        return rendering_problem()
    bias = nodes.prediction["model"]["bias"]
    loudest = max(nodes.prediction["slices"], key=lambda row: abs(row["logit"] - bias))
    bounds = [0.0] * 6
    case.volumeNode.GetRASBounds(bounds)
    render_slice(
        path,
        case.volumeNode,
        foreground=nodes.heatmapNode,
        foreground_opacity=0.55,
        position_ras=(sum(bounds[:2]) / 2, sum(bounds[2:4]) / 2, loudest["position_mm"]),
    )
    return None


def outlineOnly(case) -> None:
    """Show the liver's segment alone, as a line."""
    if case.segmentId is None:
        return
    display = case.maskNode.GetDisplayNode()
    display.SetAllSegmentsVisibility(False)
    display.SetSegmentVisibility(case.segmentId, True)
    display.SetVisibility2DFill(False)
    display.SetSliceIntersectionThickness(3)
    case.maskNode.GetSegmentation().GetSegment(case.segmentId).SetColor(1.0, 0.85, 0.1)


def tell(nodes, output: Path, picture: str | None) -> None:
    """Say what was found, what it is worth, and where everything is."""
    prediction = nodes.prediction
    interval = prediction["interval"]
    print(
        f"\nProbability of cirrhosis {nodes.probability:.3f} ({interval['level']:.0%} interval "
        f"{interval['low']:.3f} to {interval['high']:.3f}): {prediction['decision']}, from "
        f"{len(prediction['slices'])} slices.\n  {prediction['decision_reason']}"
    )
    for warning in prediction["warnings"]:
        if warning["code"] != "model.synthetic":
            print(f"  Note: {warning['message']}")
    print(f"\n  report   {output / 'report.html'}")
    print(f"  picture  {output / 'slice.png' if picture is None else 'not drawn: ' + picture}")
    print(f"  scene    {output / 'scene.mrb'}   (open it in 3D Slicer)")
    print(f"  numbers  {output / 'prediction.json'}\n")
    if prediction["model"]["synthetic"]:
        print(
            alarm(
                "SYNTHETIC MODEL",
                "Trained on drawn phantoms, not on people.",
                "This result means NOTHING on a patient.",
            )
        )


def alarm(*lines: str) -> str:
    """Lines in a box, white on red where the output is a terminal."""
    width = max(map(len, lines)) + 6
    rows = ["#" * (width + 4), *(f"##{line:^{width}}##" for line in lines), "#" * (width + 4)]
    if sys.stdout.isatty():
        rows = [f"\x1b[1;97;41m{row}\x1b[0m" for row in rows]
    return "\n".join(rows)


if __name__ == "__main__":
    # A script that raises leaves Slicer running for ever.
    try:
        STATUS = main(sys.argv[1:])
    except Exception:
        traceback.print_exc()
        STATUS = 1
    sys.stdout.flush()
    sys.exit(STATUS)
