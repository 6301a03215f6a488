"""`slicer.i18n` for an application that speaks one language."""


def translate(context: str, text: str) -> str:
    """Return `text`: there are no translations here."""
    return text


def tr(text: str) -> str:
    """Return `text`: there are no translations here."""
    return text


def getContext(sourceFile: str) -> str:
    """Return the translation context of a source file: its name without `.py`."""
    from pathlib import Path

    return Path(sourceFile).stem
