"""One page that says what was found: self-contained HTML, for a screen in the light or the dark, or for paper."""

from __future__ import annotations

from html import escape

import numpy as np

from .case_prediction import CIRRHOSIS, INDETERMINATE, JudgedCase, Prediction
from .heatmap import spread_over_image
from .model_card import ModelCard
from .report_figures import (
    colour_scale,
    depth_curve,
    halved,
    on_image,
    overlay,
    png_uri,
    probability_bar,
)
from .slices import SliceStack
from .volumes import Volume

MONTAGE_SLICES = 6
# The strongest hundredth of the pixels share the full colour, so that one hot spot does not pale all others.
FULL_COLOUR_QUANTILE = 0.99


def report_html(
    judged: JudgedCase, card: ModelCard, volume: Volume, mask: np.ndarray, stack: SliceStack
) -> str:
    """The report as one HTML text without a reference to anything outside it.

    Args:
        judged: of this very scan.
        volume, mask, stack: the scan.
    """
    prediction = judged.prediction
    probability = np.array([entry["probability"] for entry in prediction.slices])
    chosen = _telling_slice(prediction, probability)
    shown = np.unique(np.linspace(0, len(stack.index) - 1, MONTAGE_SLICES).round().astype(int))
    numbers = [*shown.tolist(), chosen]
    maps = spread_over_image(judged.contribution[numbers], card.feature_grid, card.image_size)
    strongest = float(np.quantile(np.abs(maps), FULL_COLOUR_QUANTILE))
    pictures = [
        overlay(
            stack.images[number],
            contribution,
            on_image(mask[stack.index[number]], stack.plane),
            strongest,
            card.hu_window,
        )
        for number, contribution in zip(numbers, maps, strict=True)
    ]
    # Square centimetres of one pixel of the slice image.
    scale = stack.plane.native[0] / stack.plane.resized[0] * volume.spacing_mm[1] / 10
    montage = "".join(
        _figure(halved(picture), _slice_caption(prediction, number))
        for number, picture in zip(shown, pictures, strict=False)
    )
    body = "\n".join(
        (
            _synthetic_banner(prediction),
            "<main>",
            _headline(prediction),
            _warnings(prediction),
            "<section><h2>The slice that says most</h2>",
            _figure(pictures[-1], _slice_caption(prediction, chosen)),
            colour_scale(strongest / scale**2, card.positive_class),
            "<p>Red speaks for, blue against; together with the average slice's logit of "
            f"{_signed(card.bias)} the colours of a slice add up to its own logit, exactly. Yellow: the liver mask. "
            "The encoder sees the whole slice, so what lies outside the liver counts too.</p></section>",
            "<section><h2>From bottom to top</h2>",
            depth_curve(stack.depth, probability, prediction.probability, card.threshold, chosen),
            f'<div class="montage">{montage}</div></section>',
            _provenance(prediction, card),
            f"<footer>{escape(prediction.intended_use)}</footer></main>",
            _synthetic_banner(prediction),
        )
    )
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Cirrhosis prediction: {escape(prediction.decision)}</title><style>{STYLE}</style></head>\n"
        f"<body>{body}</body></html>\n"
    )


def _telling_slice(prediction: Prediction, probability: np.ndarray) -> int:
    """The slice that pulls hardest the way the mean lies."""
    upwards = prediction.probability >= prediction.threshold
    return int(probability.argmax() if upwards else probability.argmin())


def _synthetic_banner(prediction: Prediction) -> str:
    if not prediction.model["synthetic"]:
        return ""
    return (
        '<div class="synthetic" role="alert"><strong>SYNTHETIC MODEL</strong> made from phantoms, not from '
        "people. This result means NOTHING on a patient.</div>"
    )


def _headline(prediction: Prediction) -> str:
    interval = prediction.interval
    style = {CIRRHOSIS: "positive", INDETERMINATE: "open"}.get(prediction.decision, "negative")
    return (
        f'<section class="headline"><h1>Probability of {escape(prediction.model["positive_class"])}: '
        f"{prediction.probability:.2f}</h1>"
        f'<p class="decision {style}">{escape(prediction.decision.capitalize())}</p>'
        f"<p>{escape(prediction.decision_reason)}</p>"
        + probability_bar(
            prediction.probability, interval["low"], interval["high"], prediction.threshold
        )
        + f"<p>{interval['level']:.0%} interval {interval['low']:.2f} to {interval['high']:.2f}: how far the answer "
        "hangs on which patients the classifier was fitted on. It does not cover a wrong mask, another scanner or "
        "another population.</p></section>"
    )


def _warnings(prediction: Prediction) -> str:
    if not prediction.warnings:
        return '<section><h2>Fit to be judged</h2><p class="fine">Nothing unusual was found.</p></section>'
    items = "".join(
        f'<li class="{warning.severity}"><b>{escape(warning.severity.upper())}</b> {escape(warning.message)} '
        f"<code>{escape(warning.code)}</code></li>"
        for warning in prediction.warnings
    )
    return f"<section><h2>Read this first</h2><ul>{items}</ul></section>"


def _signed(value: float) -> str:
    return f"{value:+.2f}".replace("-", "−")


def _figure(picture: np.ndarray, caption: str) -> str:
    height, width, _ = picture.shape
    return (
        f'<figure><img src="{png_uri(picture)}" width="{width}" height="{height}" alt="{escape(caption)}">'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )


def _slice_caption(prediction: Prediction, number: int) -> str:
    entry = prediction.slices[number]
    return (
        f"slice {entry['index']} at {entry['position_mm']:.1f} mm, d = {entry['depth']:.2f}, "
        f"probability {entry['probability']:.2f}"
    )


def _provenance(prediction: Prediction, card: ModelCard) -> str:
    figures, facts = card.cross_validation, prediction.input
    area = figures["auc_pooled_delong"]
    fit = card.cohort["fit"]
    rows = {
        "Model": f"{card.name} · {card.model_id} · {card.encoder}, {card.method} · {card.created}",
        "Model file": f"SHA-256 {prediction.model['sha256']}",
        "Fitted on": f"{fit['patients']} patients, {fit['positive_patients']} of them with {card.positive_class} "
        f"(label “{card.label}”){', all synthetic' if card.synthetic else ''}",
        "Cross-validated": f"AUC {area['estimate']:.2f} ({area['level']:.0%} interval {area['low']:.2f} to "
        f"{area['high']:.2f}), balanced accuracy {figures['balanced_accuracy']:.2f}, Brier {figures['brier']:.3f}",
        "Scan": f"{facts['matrix'][0]} × {facts['matrix'][1]} × {facts['slices']} voxels of "
        f"{facts['in_plane_spacing_mm']:.2f} mm in {facts['slice_spacing_mm']:.2f} mm slices; "
        f"{facts['slices_judged']} slices judged",
        "Liver mask": f"{facts['liver_volume_ml']:.0f} ml, median {facts['liver_median_hu']:.0f} HU",
        "Scan fingerprint": facts["fingerprint"],
        "Distance to the cohort": f"{prediction.distance['value']:.2f} (unseen patients of the cohort: median "
        f"{prediction.distance['median']:.2f}, at most {prediction.distance['largest']:.2f})",
        "Computed": f"{prediction.created} with "
        + ", ".join(f"{name} {version}" for name, version in prediction.versions.items()),
    }
    cells = "".join(f"<tr><th>{escape(k)}</th><td>{escape(v)}</td></tr>" for k, v in rows.items())
    return f"<section><h2>Where this comes from</h2><table>{cells}</table></section>"


STYLE = """
:root{color-scheme:light dark;--ink:#1a1d21;--paper:#fff;--soft:#5b6470;--line:#d5dae0;--accent:#1f6feb}
@media(prefers-color-scheme:dark){:root{--ink:#e6e9ee;--paper:#15181c;--soft:#9aa4b1;--line:#333a43;--accent:#6cb0ff}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.5 system-ui,-apple-system,"Segoe UI",sans-serif}
main{max-width:880px;margin:0 auto;padding:12px 24px 40px}
h1{font-size:1.8rem;margin:.6em 0 .2em}h2{font-size:1.15rem;margin:1.6em 0 .5em;border-bottom:1px solid var(--line)}
.synthetic{position:sticky;top:0;z-index:1;background:#c4001a;color:#fff;padding:14px 24px;text-align:center;
font-size:1.15rem;border-block:5px solid #7d0010;-webkit-print-color-adjust:exact;print-color-adjust:exact}
.synthetic strong{display:block;font-size:1.7rem;letter-spacing:.12em}
.decision{display:inline-block;margin:.2em 0;padding:.2em .9em;border-radius:6px;font-size:1.25rem;font-weight:700;
border:2px solid currentColor}
.positive{color:#d62728}.negative{color:#2a8a3e}.open{color:#b06f00}
@media(prefers-color-scheme:dark){.positive{color:#ff7b72}.negative{color:#56d364}.open{color:#f0b429}}
ul{list-style:none;padding:0}li{margin:.5em 0;padding:.5em .9em;border-left:6px solid var(--line)}
li.danger{border-color:#c4001a;background:#c4001a1f}li.unfit{border-color:#d97706;background:#d977061f}
li.caution{border-color:#e3b341;background:#e3b34117}
code{color:var(--soft);font-size:.82em}
svg{display:block;width:100%;max-width:660px;height:auto;font:12px system-ui,sans-serif}svg text{fill:var(--soft)}
.axis,.grid{stroke:var(--line)}.band{fill:var(--accent);opacity:.35}.point{fill:var(--accent)}
.threshold{stroke:#d97706;stroke-width:2;stroke-dasharray:5 4}.mean{stroke:var(--accent);stroke-dasharray:2 3}
.curve{fill:none;stroke:var(--accent);stroke-width:1.5}.ring{fill:none;stroke:#d62728;stroke-width:2}
.frame{stroke:var(--line)}
figure{margin:0}img{display:block;width:100%;max-width:660px;height:auto;background:#000;border-radius:4px}
figcaption{color:var(--soft);font-size:.85rem;margin:.3em 0 .8em}
.montage{display:grid;grid-template-columns:repeat(auto-fill,minmax(240px,1fr));gap:10px;margin-top:12px}
table{border-collapse:collapse;width:100%;font-size:.92rem}
th{text-align:left;white-space:nowrap;padding:4px 16px 4px 0;vertical-align:top;font-weight:600}
td{padding:4px 0;overflow-wrap:anywhere}tr{border-bottom:1px solid var(--line)}
footer{margin-top:2em;color:var(--soft);font-weight:600}
@page{size:A4;margin:14mm}
@media print{:root{color-scheme:light;--ink:#000;--paper:#fff;--soft:#444;--line:#bbb;--accent:#1f6feb}
body{font-size:10.5pt}main{max-width:none;padding:4mm 0 0}.synthetic{position:static}
.positive{color:#b3261e}.negative{color:#1e6f3c}.open{color:#8a5a00}
.decision,li,figure,svg,tr,.headline{break-inside:avoid}h2{break-after:avoid}
.montage{grid-template-columns:repeat(3,1fr)}img{max-width:84mm}.montage img{max-width:100%}svg{max-width:150mm}
li,svg *{-webkit-print-color-adjust:exact;print-color-adjust:exact}}
"""
