"""The two ways to select objects of a list or watch: by labels and by fields."""

from __future__ import annotations

from casemate.apiserver.field_selectors import FieldSelector, parse_field_selector
from casemate.apiserver.label_selectors import LabelSelector, parse_label_selector

__all__ = ["FieldSelector", "LabelSelector", "parse_field_selector", "parse_label_selector"]
