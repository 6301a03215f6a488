"""Install what a task lacks, with the user's consent: the one place of the module that changes Slicer's Python."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from subprocess import CalledProcessError

import slicer
from slicer.i18n import tr as _

from .packages import PREDICT, RESOURCES, TORCH, TRAIN, isMet, missingPackages, packageName

TITLE = "WSP Cirrhosis"


def offer(requirements: str | Path = PREDICT) -> bool:
    """Install what a requirements file asks for and is not there, if the user agrees.

    Call it at the point of use. Slicer's own dialogs ask, show pip's progress and log, and advise a restart when
    a package in use was replaced; a failure is shown and logged there too.

    Args:
        requirements: a file in `Resources`, or its path.

    Returns:
        Whether everything is there now. Always False for missing packages while Slicer runs tests.
    """
    path = RESOURCES / requirements
    if not missingPackages(path):
        return True
    if slicer.app.testingEnabled():
        logging.info(f"Testing: {', '.join(missingPackages(path))} not installed")
        return False
    # torch before the rest: pip would bring a build of its own choice along with kornia.
    if path.name == TRAIN and not isMet(TORCH) and not _offerTorch():
        return False
    if not _offerRest(path):
        return False
    if "torch" in sys.modules:
        # The PyTorch extension loads what it has installed, which Slicer can otherwise do without.
        _adviseRestart()
    return not missingPackages(path)


def _offerRest(path: Path) -> bool:
    """Returns False when the user declined or pip failed."""
    try:
        from slicer.packaging import load_requirements, pip_ensure
    except ImportError:
        return _offerWithOlderSlicer(path)
    try:
        pip_ensure(load_requirements(path), requester=TITLE)
    except CalledProcessError:
        return False
    except RuntimeError as declined:
        logging.info(str(declined))
        return False
    return True


def _offerWithOlderSlicer(path: Path) -> bool:
    """For Slicer 5.10 and older, which installs with a busy cursor alone."""
    missing = missingPackages(path)
    if not missing:
        return True
    question = _(
        "{packages} will be installed into Slicer's Python. Slicer does not respond meanwhile."
    )
    if not slicer.util.confirmOkCancelDisplay(question.format(packages=", ".join(missing)), TITLE):
        return False
    try:
        slicer.util.pip_install(missing)
    except CalledProcessError as error:
        slicer.util.errorDisplay(_("The installation failed."), TITLE, detailedText=str(error))
        return False
    return True


def _offerTorch() -> bool:
    """Install torch through the PyTorch extension, which asks and picks the build for the graphics card."""
    if not hasattr(slicer.modules, "pytorchutils"):
        slicer.util.errorDisplay(
            _(
                "Training needs the extension “PyTorch”: open View > Extensions Manager, install it, restart Slicer, "
                "then press this button again."
            ),
            TITLE,
        )
        return False
    from PyTorchUtils import PyTorchUtilsLogic

    requirement = TORCH.removeprefix(packageName(TORCH))
    try:
        torch = PyTorchUtilsLogic().installTorch(
            askConfirmation=True, torchVersionRequirement=requirement
        )
    except Exception as error:
        # Whatever the extension, pip or torch's own libraries raise is for the user to read.
        slicer.util.errorDisplay(
            _("PyTorch was not installed."), TITLE, detailedText=f"{type(error).__name__}: {error}"
        )
        return False
    return torch is not None


def _adviseRestart() -> None:
    question = _("PyTorch is installed. A restart keeps it out of Slicer's memory. Restart now?")
    if slicer.util.confirmYesNoDisplay(question, TITLE):
        slicer.util.restart()
