"""The report is one file that needs nothing else, and says the grave things first."""

from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from conftest import image_of, write_image
from small_model import write_small_model

from WSPCirrhosisLib.case_prediction import predict_case
from WSPCirrhosisLib.cohort import read_scan
from WSPCirrhosisLib.model_file import ModelFile
from WSPCirrhosisLib.png import png_bytes
from WSPCirrhosisLib.report import report_html
from WSPCirrhosisLib.report_figures import FOR, OUTLINE, on_image, overlay
from WSPCirrhosisLib.slices import InPlaneGrid


@pytest.fixture(scope="module")
def scan_and_model(tmp_path_factory, ct_array, liver_array):
    folder = tmp_path_factory.mktemp("report")
    model = ModelFile.load(write_small_model(folder / "small.onnx"))
    volume = write_image(image_of(ct_array), folder / "ct.nrrd")
    mask = write_image(image_of(liver_array), folder / "liver.nrrd")
    return read_scan(volume, f"{mask}#1", model.card.slice_settings), model


@pytest.fixture(scope="module")
def report(scan_and_model) -> str:
    (volume, mask, stack), model = scan_and_model
    judged = predict_case(model, volume, mask, stack)
    return report_html(judged, model.card, volume, mask, stack)


class Page(HTMLParser):
    """Collects tags, what they refer to, and the text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.references: list[str] = []
        self.text = ""
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.references += [
            value for name, value in attrs if name in ("src", "href", "srcset", "data", "action")
        ]
        if tag not in ("meta", "img", "line", "rect", "circle", "stop", "polyline"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        if self.open and self.open[-1] == tag:
            self.open.pop()

    def handle_data(self, data):
        self.text += data


def test_refers_to_nothing_outside_and_runs_no_script(report):
    page = Page(report)
    assert page.references
    assert all(reference.startswith("data:image/png;base64,") for reference in page.references)
    assert not {"script", "link", "iframe", "object"} & set(page.tags)
    for word in ("http://", "https://", "@import", "url(//", "file:"):
        assert word not in report.replace("url(#scale)", "")


def test_every_tag_is_closed(report):
    assert Page(report).open == []


def test_prints_on_a4_in_dark_ink_whatever_the_screens_palette(report):
    style = report[report.index("<style>") : report.index("</style>")]
    paper = style[style.index("@media print") :]
    assert "@page{size:A4" in style
    assert "--paper:#fff" in paper and "--ink:#000" in paper and "color-scheme:light" in paper
    # After the dark palette, or that would win where a browser prints with it.
    assert style.rindex("prefers-color-scheme:dark") < style.index("@media print")


def test_synthetic_model_is_said_first_and_last(report):
    page = Page(report)
    body = report[report.index("<body>") :]
    assert body.startswith('<body><div class="synthetic"')
    assert page.text.count("SYNTHETIC MODEL") == 2
    assert "NOTHING on a patient" in page.text


def test_a_real_model_has_no_such_banner(scan_and_model):
    (volume, mask, stack), model = scan_and_model
    judged = predict_case(model, volume, mask, stack)
    prediction = replace(
        judged.prediction, model={**judged.prediction.model, "synthetic": False}, warnings=()
    )
    text = Page(
        report_html(replace(judged, prediction=prediction), model.card, volume, mask, stack)
    ).text
    assert "SYNTHETIC" not in text
    assert "Nothing unusual" in text


def test_says_probability_decision_reason_and_provenance(report, scan_and_model):
    (volume, mask, stack), model = scan_and_model
    prediction = predict_case(model, volume, mask, stack).prediction
    text = Page(report).text
    for expected in (
        f"Probability of cirrhosis: {prediction.probability:.2f}",
        prediction.decision.capitalize(),
        prediction.decision_reason,
        model.sha256,
        model.card.model_id,
        volume.fingerprint,
        "Research use only",
    ):
        assert expected in text
    for warning in prediction.warnings:
        assert warning.message in text


def test_names_are_escaped(scan_and_model):
    (volume, mask, stack), model = scan_and_model
    card = replace(model.card, name="<script>alert(1)</script>", positive_class="a<b")
    judged = predict_case(model, volume, mask, stack)
    assert "<script" not in report_html(judged, card, volume, mask, stack)


def test_png_is_read_back_as_written(tmp_path: Path):
    picture = np.random.default_rng(0).integers(0, 256, (37, 50, 3)).astype(np.uint8)
    (tmp_path / "picture.png").write_bytes(png_bytes(picture))
    read = sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "picture.png")))
    np.testing.assert_array_equal(read, picture)


def test_overlay_colours_what_contributes_and_outlines_the_liver():
    image = np.full((40, 40), 100, np.uint8)
    contribution = np.zeros((40, 40))
    contribution[5, 5] = 1
    liver = np.zeros((40, 40), bool)
    liver[20:30, 20:30] = True
    rgb = overlay(image, contribution, liver, 1.0, (-100.0, 400.0)).astype(int)
    plain = rgb[0, 0]
    assert len(set(plain)) == 1
    assert np.abs(rgb[5, 5] - FOR).sum() < np.abs(plain - FOR).sum()
    np.testing.assert_array_equal(rgb[20, 25], OUTLINE)
    np.testing.assert_array_equal(rgb[25, 25], plain)


def test_mask_lies_on_the_image_where_the_slice_does():
    plane = InPlaneGrid.fit((50, 100), (2.0, 2.0), 200)
    mask = np.zeros((50, 100), bool)
    mask[10:20, 30:50] = True
    rows, columns = np.nonzero(on_image(mask, plane))
    # Twice the size, and 50 rows of padding above.
    assert (rows.min(), rows.max()) == (50 + 20, 50 + 39)
    assert (columns.min(), columns.max()) == (60, 99)
