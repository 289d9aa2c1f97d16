"""The kinds of danger: what a client may be in, and what a model may do to one."""

from __future__ import annotations

from typing import Literal, get_args

ClientCategory = Literal[
    "self_harm", "harm_others", "abuse", "medical_emergency", "withdrawal_danger"
]
ModelCategory = Literal["model_encourages_harm", "model_gives_dose", "model_diagnoses"]
Category = ClientCategory | ModelCategory
Speaker = Literal["client", "model"]
Lang = Literal["zh", "en"]

CLIENT_CATEGORIES: tuple[ClientCategory, ...] = get_args(ClientCategory)
MODEL_CATEGORIES: tuple[ModelCategory, ...] = get_args(ModelCategory)
CATEGORIES: tuple[Category, ...] = (*CLIENT_CATEGORIES, *MODEL_CATEGORIES)
SPEAKERS: tuple[Speaker, ...] = get_args(Speaker)
