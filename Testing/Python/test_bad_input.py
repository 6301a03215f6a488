"""Bad input gives one clear error with a code and exit status 2, and leaves nothing behind."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest
import SimpleITK as sitk
from conftest import DEMO_MODEL, REPOSITORY, image_of, write_dicom, write_image

from WSPCirrhosisLib.__main__ import main


@pytest.fixture
def case(tmp_path, ct_array, liver_array):
    """A folder with a good CT and mask, `ct.nrrd` and `liver.nrrd`, to spoil."""
    folder = tmp_path / "input"
    folder.mkdir()
    write_image(image_of(ct_array), folder / "ct.nrrd")
    write_image(image_of(liver_array), folder / "liver.nrrd")
    return folder


def spoil_volume(kind, folder, ct):
    """Write the bad volume `kind` and give its path."""
    path = folder / "bad.nrrd"
    image = image_of(ct)
    floats = ct.astype(np.float32)
    if kind == "missing":
        return folder / "nowhere.nrrd"
    if kind == "not_an_image":
        path.write_text("a letter to the doctor")
    elif kind.startswith("truncated"):
        path = folder / f"bad.{kind.partition(' ')[2]}"
        whole = write_image(image, folder / f"whole.{kind.partition(' ')[2]}").read_bytes()
        path.write_bytes(whole[: len(whole) * 2 // 3])
    elif kind == "2-D":
        write_image(image[:, :, 5], path)
    elif kind == "4-D":
        write_image(sitk.JoinSeries([image, image]), path)
    elif kind == "RGB":
        write_image(sitk.Compose([sitk.Cast(image, sitk.sitkUInt8)] * 3), path)
    elif kind == "NaN":
        floats[3, 4, 5] = np.nan
        write_image(image_of(floats), path)
    elif kind == "constant":
        write_image(image_of(np.full_like(ct, -7)), path)
    elif kind == "zero spacing nrrd":
        sitk.WriteImage(image, str(path), useCompression=False)
        path.write_bytes(path.read_bytes().replace(b"(5.0999999999999996,0,0)", b"(0,0,0)", 1))
    elif kind == "zero spacing nii":
        path = folder / "bad.nii"
        sitk.WriteImage(image, str(path))
        raw = bytearray(path.read_bytes())
        raw[80:84] = np.float32(0).tobytes()
        path.write_bytes(raw)
    elif kind == "spacing in metres":
        write_image(image_of(ct, spacing=(0.005, 0.005, 0.003)), path)
    elif kind == "one slice":
        write_image(image[:, :, 5:6], path)
    elif kind == "MR-like values":
        write_image(image_of(ct + 1000), path)
    elif kind == "two series":
        path = write_dicom(image, folder / "dicom")
        write_dicom(image, path, series=2)
    elif kind == "MR series":
        path = write_dicom(image, folder / "dicom", modality="MR")
    elif kind == "no series":
        path = folder / "empty"
        path.mkdir()
    return path


BAD_VOLUMES = {
    "missing": "volume.missing",
    "not_an_image": "volume.not_an_image",
    "truncated nrrd": "volume.unreadable",
    "truncated nii.gz": "volume.unreadable",
    "truncated nii": "volume.unreadable",
    "truncated mha": "volume.unreadable",
    "2-D": "volume.not_3d",
    "4-D": "volume.not_3d",
    "RGB": "volume.not_scalar",
    "NaN": "volume.not_finite",
    "constant": "volume.constant",
    "zero spacing nrrd": "volume.spacing",
    "zero spacing nii": "volume.spacing",
    "spacing in metres": "volume.spacing",
    "one slice": "volume.one_slice",
    "MR-like values": "volume.not_hu",
    "two series": "volume.several_series",
    "MR series": "volume.not_ct",
    "no series": "volume.no_series",
}


def refused(code, capsys, folder, *arguments) -> dict:
    """Run the command in this process; it must end with 2, one error `code`, and no new file."""
    before = sorted(folder.rglob("*"))
    status = main([*map(str, arguments), "--events"])
    errors = [
        record
        for record in map(json.loads, capsys.readouterr().out.splitlines())
        if record["event"] == "error"
    ]
    assert status == 2
    assert [error["code"] for error in errors] == [code]
    assert errors[0]["message"] and errors[0]["hint"]
    assert sorted(folder.rglob("*")) == before
    return errors[0]


def predict(folder, volume="ct.nrrd", mask="liver.nrrd", model=DEMO_MODEL, output="out"):
    return [
        "predict",
        *("--model", model),
        *("--volume", folder / volume),
        *("--mask", folder / mask),
        *("--output", folder / output),
    ]


@pytest.mark.parametrize("kind", BAD_VOLUMES)
def test_a_bad_volume_is_refused(kind, case, ct_array, capsys):
    path = spoil_volume(kind, case, ct_array)
    error = refused(BAD_VOLUMES[kind], capsys, case, *predict(case, volume=path))
    assert error["file"] == str(path)


def test_an_empty_mask_is_refused(case, liver_array, capsys):
    write_image(image_of(np.zeros_like(liver_array)), case / "empty.nrrd")
    refused("mask.empty", capsys, case, *predict(case, mask="empty.nrrd"))


def test_a_wrong_label_is_refused_with_the_labels_there_are(case, capsys):
    error = refused("mask.label_missing", capsys, case, *predict(case, mask="liver.nrrd#9"))
    assert "holds 1" in error["message"]


def test_a_mask_elsewhere_in_space_is_refused(case, liver_array, capsys):
    write_image(image_of(liver_array, origin=(900, 0, 0)), case / "far.nrrd")
    refused("mask.elsewhere", capsys, case, *predict(case, mask="far.nrrd"))


def test_a_mask_that_is_not_on_the_liver_is_refused(case, ct_array, capsys):
    write_image(image_of(ct_array < -500), case / "air.nrrd")
    refused("mask.not_liver", capsys, case, *predict(case, mask="air.nrrd"))


def test_a_truncated_mask_is_refused(case, capsys):
    whole = (case / "liver.nrrd").read_bytes()
    (case / "cut.nrrd").write_bytes(whole[: len(whole) // 2])
    refused("mask.unreadable", capsys, case, *predict(case, mask="cut.nrrd"))


@pytest.mark.parametrize(
    "spoil, code",
    [
        (lambda raw: raw[: len(raw) // 2], "model.unreadable"),
        (lambda raw: b"hello", "model.unreadable"),
        (lambda raw: raw[:50_000] + bytes([raw[50_000] ^ 1]) + raw[50_001:], "model.corrupt"),
    ],
    ids=["cut off", "not a model", "one bit flipped"],
)
def test_a_damaged_model_is_refused(spoil, code, case, capsys):
    (case / "bad.onnx").write_bytes(spoil(DEMO_MODEL.read_bytes()))
    refused(code, capsys, case, *predict(case, model=case / "bad.onnx"))
    refused(code, capsys, case, "model", "verify", case / "bad.onnx")


def test_a_missing_model_is_refused(case, capsys):
    refused("model.missing", capsys, case, *predict(case, model=case / "none.onnx"))


def test_a_table_without_its_columns_is_refused(case, capsys):
    (case / "c.csv").write_text("name,ct\na,ct.nrrd\n")
    arguments = ["--model", DEMO_MODEL, "--cohort", case / "c.csv", "--output", case / "out"]
    refused("cohort.column_missing", capsys, case, "predict", *arguments)
    refused("cohort.column_missing", capsys, case, "check", "--cohort", case / "c.csv")


def test_duplicate_rows_are_refused(case, capsys):
    row = "p,ct.nrrd,liver.nrrd\n"
    (case / "c.csv").write_text("patient_id,volume,mask\n" + row + row)
    error = refused("cohort.rows", capsys, case, "check", "--cohort", case / "c.csv")
    assert "row 3: the same volume as row 2" in error["message"]


def test_an_output_that_is_there_is_refused(case, capsys):
    (case / "out").mkdir()
    (case / "out" / "mine.txt").write_text("keep me")
    refused("output.exists", capsys, case, *predict(case))


def test_overwriting_never_takes_the_input_away(case, capsys):
    (case / "c.csv").write_text("patient_id,volume,mask\np,ct.nrrd,liver.nrrd\n")
    table = ["--cohort", case / "c.csv", "--overwrite"]
    # The folder of the input, the model itself, and the table as the findings' file.
    refused("output.exists", capsys, case, *predict(case, output="."), "--overwrite")
    model = ["--model", DEMO_MODEL, "--output", case / "ct.nrrd"]
    refused("output.exists", capsys, case, "predict", *table, *model)
    refused("output.holds_input", capsys, case, "check", *table, "--output", case / "c.csv")
    assert (case / "ct.nrrd").stat().st_size > 1000


def test_a_sound_model_verifies(capsys):
    assert main(["model", "verify", str(DEMO_MODEL)]) == 0
    assert "it runs here" in capsys.readouterr().out


def test_an_output_below_a_file_is_refused(case, capsys):
    refused("output.not_writable", capsys, case, *predict(case, output="ct.nrrd/out"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_an_output_without_permission_is_refused(case, capsys):
    (case / "locked").mkdir(mode=0o555)
    refused("output.not_writable", capsys, case, *predict(case, output="locked/out"))


def test_a_disk_that_fills_up_half_way_leaves_nothing_behind(case):
    """A file size limit makes the kernel refuse a write half-way, as a full disk does."""

    def limit():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))

    done = subprocess.run(
        [sys.executable, "-m", "WSPCirrhosisLib", *map(str, predict(case))],
        capture_output=True,
        text=True,
        preexec_fn=limit,
        cwd=REPOSITORY,
    )
    assert done.returncode == 2, done.stderr
    assert done.stderr.count("error:") == 1 and "output.disk_full" in done.stderr
    assert sorted(path.name for path in case.iterdir()) == ["ct.nrrd", "liver.nrrd"]


@pytest.mark.skipif(not shutil.which("mount") or os.geteuid() != 0, reason="needs root to mount")
def test_a_really_full_disk_leaves_nothing_behind(case, tmp_path):
    small = tmp_path / "small"
    small.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=24k", "tmpfs", str(small)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting is not allowed here")
    try:
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "WSPCirrhosisLib",
                *map(str, predict(case, output=small / "out")),
            ],
            capture_output=True,
            text=True,
            cwd=REPOSITORY,
        )
        assert done.returncode == 2, done.stderr
        assert "output.disk_full" in done.stderr
        assert not any(small.iterdir())
    finally:
        subprocess.run(["umount", str(small)], check=True)


@pytest.mark.parametrize(
    "arguments",
    [
        ["predict", "--model", "m.onnx", "--output", "o"],
        ["predict", "--model", "m.onnx", "--output", "o", "--volume", "v"],
        ["predict", "--model", "m.onnx", "--output", "o", "--volume", "v", "--cohort", "c"],
    ],
)
def test_predict_wants_one_case_or_a_cohort(arguments, capsys):
    try:
        status = main([*arguments, "--events"])
    except SystemExit as end:
        status = end.code
    assert status == 2
    assert "--volume" in "".join(capsys.readouterr())


@pytest.mark.parametrize(
    ("module", "package", "command"),
    [
        ("torch", "torch", "pretrain"),
        ("kornia", "kornia", "pretrain"),
        ("sklearn", "scikit-learn", "fit"),
    ],
)
def test_a_package_that_is_not_installed_is_named_with_how_to_get_it(
    module, package, command, tmp_path
):
    arguments = [command, "--cohort", "c.csv", "--output", str(tmp_path / "out"), "--events"]
    if command == "fit":
        arguments += ["--encoder", "run"]
    # None is what the import system itself takes for "not there".
    program = (
        f"import sys; sys.modules[{module!r}] = None\n"
        "from WSPCirrhosisLib.__main__ import main\n"
        f"sys.exit(main({arguments!r}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=REPOSITORY
    )
    assert done.returncode == 2, done.stderr
    (error,) = map(json.loads, done.stdout.splitlines())
    assert error["code"] == "packages.missing" and package in error["message"]
    assert "pip install 'wspcirrhosis[train]'" in error["hint"]
    assert "Traceback" not in done.stderr and not list(tmp_path.iterdir())


@pytest.mark.parametrize("text", ["many", "0", "1.5"])
def test_a_count_that_is_none_is_refused_in_plain_words(text, capsys):
    with pytest.raises(SystemExit) as end:
        main(["phantom", "--output", "o", "--patients", text])
    assert end.value.code == 2
    assert f"{text!r} is not a count; 1 or more is expected" in capsys.readouterr().err
