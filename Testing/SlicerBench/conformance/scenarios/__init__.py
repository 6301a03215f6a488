"""The scenarios of the facts, as functions that do the same things here and return the steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .module_lifecycle import module_lifecycle
from .parameter_node_wrapper import parameter_node_wrapper
from .path_line import line_edit_and_path
from .plain_qt import combo_and_spin, push_button_and_check_box, timers_and_process, util_types
from .results import results_in_scene
from .selectors import node_combo_box_default, node_combo_box_none_enabled, segment_selector
from .views import views_and_selection

SCENARIOS: dict[str, Callable[[], list[list[Any]]]] = {
    scenario.__name__: scenario
    for scenario in (
        combo_and_spin,
        line_edit_and_path,
        module_lifecycle,
        node_combo_box_default,
        node_combo_box_none_enabled,
        parameter_node_wrapper,
        push_button_and_check_box,
        results_in_scene,
        segment_selector,
        timers_and_process,
        util_types,
        views_and_selection,
    )
}
