"""How the bench looks: Fusion style in a light or dark palette, near to the desktop application's."""

from __future__ import annotations

from PySide6.QtGui import QColor, QFont, QPalette
from PySide6.QtWidgets import QApplication

_Role = QPalette.ColorRole
_LIGHT = {
    _Role.Window: "#efefef",
    _Role.WindowText: "#000000",
    _Role.Base: "#ffffff",
    _Role.AlternateBase: "#f7f7f7",
    _Role.Text: "#000000",
    _Role.Button: "#efefef",
    _Role.ButtonText: "#000000",
    _Role.ToolTipBase: "#ffffdc",
    _Role.ToolTipText: "#000000",
    _Role.Highlight: "#308cc6",
    _Role.HighlightedText: "#ffffff",
    _Role.Link: "#0000ff",
    _Role.PlaceholderText: "#80000000",
}
_DARK = {
    _Role.Window: "#353535",
    _Role.WindowText: "#ffffff",
    _Role.Base: "#2a2a2a",
    _Role.AlternateBase: "#424242",
    _Role.Text: "#ffffff",
    _Role.Button: "#353535",
    _Role.ButtonText: "#ffffff",
    _Role.ToolTipBase: "#353535",
    _Role.ToolTipText: "#ffffff",
    _Role.Highlight: "#2a82da",
    _Role.HighlightedText: "#ffffff",
    _Role.Link: "#2a82da",
    _Role.PlaceholderText: "#80ffffff",
}
_DISABLED = {"light": "#bebebe", "dark": "#7f7f7f"}
PALETTES = {"light": _LIGHT, "dark": _DARK}


def apply_palette(app: QApplication, name: str) -> None:
    """Set style, font and the palette `light` or `dark`; also while widgets are on show.

    Raises:
        ValueError: there is no such palette.
    """
    if name not in PALETTES:
        raise ValueError(f"There is no palette '{name}': choose one of {', '.join(PALETTES)}")
    palette = QPalette()
    for role, color in PALETTES[name].items():
        palette.setColor(role, QColor(color))
    for role in (_Role.WindowText, _Role.Text, _Role.ButtonText):
        palette.setColor(QPalette.ColorGroup.Disabled, role, QColor(_DISABLED[name]))
    QApplication.setStyle("Fusion")
    QApplication.setPalette(palette)
    QApplication.setFont(QFont("DejaVu Sans", 9))
