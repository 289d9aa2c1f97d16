"""Environment to settings, in one typed place: every ``MI_ARENA_*`` variable is a field here."""

from __future__ import annotations

import os
import re
import secrets
from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

PREFIX = "MI_ARENA_"
NOWHERE = "none"
"""The dataset that says: nothing is published, and that is meant."""
DATASET = re.compile(r"[\w.-]+/[\w.-]+")
USER_NAME = re.compile(r"[A-Za-z0-9][\w-]{0,95}", re.ASCII)
ROOT = Path(__file__).resolve().parent.parent


class SettingsError(ValueError):
    """A wrong setting; the message is one line that names the variable."""


class Settings(BaseSettings):
    """What may be set from outside. Secrets never show in ``repr``."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="ignore", frozen=True)

    host: str | None = Field(None, description="address to listen on; unset leaves it to Gradio")
    port: int = Field(7860, ge=1, le=65535, description="port to listen on")
    data: Path = Field(Path("data"), description="folder of the event store")
    runs: Path = Field(Path("runs"), description="folder of runs and of uploaded corpora")
    models: Path = Field(ROOT / "models.yaml", description="registry of pairs")
    pairs: Annotated[list[str], NoDecode] = Field(
        ["demo"], description="ids of the pairs to serve, separated by commas"
    )
    memory_gb: float | None = Field(
        None, gt=0, description="memory for models in GB; unset takes what the device has"
    )
    training_pauses_serving: Literal["auto", "yes", "no"] = Field(
        "auto",
        description="unload models while a run trains: yes, no, or auto, which does on a GPU",
    )
    max_battles_at_once: int = Field(8, ge=1, le=64, description="battles that share one batch")
    queue_limit: int = Field(64, ge=0, description="turns that may wait for a pair")
    secret: SecretStr | None = Field(
        None,
        min_length=16,
        description="key for pseudonyms and allocation; unset makes one in the data folder",
    )
    admin_code: SecretStr | None = Field(
        None, description="sign-in code of a built-in admin; unset leaves only invited ones"
    )
    dataset: str | None = Field(
        None,
        description="private dataset on the Hub, owner/name, that every event goes to and a lost "
        "disk is restored from; needs HF_TOKEN and MI_ARENA_SECRET; unset publishes nothing, none "
        "says that this is meant",
    )
    release: str | None = Field(
        None,
        description="public dataset on the Hub, owner/name, that a release is pushed to",
    )
    publish_events: int = Field(50, ge=1, description="events that wait before they are published")
    publish_seconds: float = Field(
        120, gt=0, description="seconds that an event waits at most before it is published"
    )
    experts: Annotated[list[str], NoDecode] = Field(
        [], description="Hugging Face users who may sign in on the Space as experts, by commas"
    )
    admins: Annotated[list[str], NoDecode] = Field(
        [], description="Hugging Face users who may sign in on the Space as admins, by commas"
    )
    session_hours: int = Field(168, ge=1, le=720, description="hours until a sign-in ends")
    minimum_n: int = Field(20, ge=1, description="judgements below which no result is shown")
    rounds_to_judge: int = Field(2, ge=1, le=20, description="rounds before the judgement opens")
    message_limit: int = Field(800, ge=50, le=8000, description="characters in a client turn")
    turns_per_minute: int = Field(12, ge=1, description="client turns a minute for one session")
    turns_per_minute_in_all: int = Field(240, ge=1, description="client turns a minute in all")

    moderation_url: str | None = Field(
        None, description="OpenAI-compatible endpoint of a moderation model; unset asks none"
    )
    moderation_model: str | None = Field(None, description="name of the moderation model")
    moderation_key: SecretStr | None = Field(None, description="key of that endpoint")

    @property
    def published_to(self) -> str | None:
        """The private dataset; ``None`` where nothing is published, whether meant or not."""
        return None if self.dataset == NOWHERE else self.dataset

    @field_validator("dataset", "release")
    @classmethod
    def _with_its_owner(cls, value: str | None, field: ValidationInfo) -> str | None:
        nowhere = value == NOWHERE and field.field_name == "dataset"
        if value is not None and not nowhere and not DATASET.fullmatch(value):
            raise ValueError("name the dataset with its owner, owner/name")
        return value

    @field_validator("moderation_url")
    @classmethod
    def _an_address(cls, value: str | None) -> str | None:
        if value and not re.fullmatch(r"https?://[^\s@?#]+", value):
            raise ValueError("write an address like https://host/v1, without user or query")
        return value or None

    @model_validator(mode="after")
    def _moderated_by_somebody(self) -> Settings:
        if bool(self.moderation_url) != bool(self.moderation_model):
            raise ValueError("set MI_ARENA_MODERATION_URL and MI_ARENA_MODERATION_MODEL together")
        return self

    @field_validator("pairs", "experts", "admins", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return [part.strip() for part in value.split(",") if part.strip()]
        return value

    @field_validator("pairs")
    @classmethod
    def _some(cls, value: list[str]) -> list[str]:
        if not value:
            raise ValueError("name at least one pair")
        if len(set(value)) != len(value):
            raise ValueError("a pair is named twice")
        return value

    @field_validator("experts", "admins")
    @classmethod
    def _names(cls, value: list[str]) -> list[str]:
        if any(not USER_NAME.fullmatch(name) for name in value):
            raise ValueError("write user names as in their addresses on huggingface.co")
        return value

    @field_validator("admin_code")
    @classmethod
    def _hard_to_guess(cls, value: SecretStr | None) -> SecretStr | None:
        # Letters and digits, since signing in ignores blanks and dashes.
        if value is not None and sum(c.isalnum() for c in value.get_secret_value()) < 12:
            raise ValueError("write a code with at least 12 letters and digits")
        return value


def load_settings() -> Settings:
    """Settings from the environment. Raises ``SettingsError`` naming the first wrong variable."""
    names = {PREFIX + name.upper() for name in Settings.model_fields}
    for name in os.environ:
        if name.startswith(PREFIX) and name not in names | {PREFIX + "NO_BROWSER"}:
            raise SettingsError(f"{name} is not a setting; known: {', '.join(sorted(names))}")
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        field = PREFIX + str((first["loc"] or ("moderation_url",))[0]).upper()
        reason = first["msg"].removeprefix("Value error, ")
        raise SettingsError(f"{field}: {reason}") from None


def runs_folder() -> Path:
    """The folder of runs, for scripts: other settings, even wrong ones, don't concern them."""
    return Path(os.environ.get(f"{PREFIX}RUNS") or Settings.model_fields["runs"].default)


def study_secret(settings: Settings) -> bytes:
    """The key behind pseudonyms and allocation.

    Without ``MI_ARENA_SECRET`` one is made once and kept beside the records, readable by the owner
    only, so that a restart knows its raters and epochs again. Raises ``SettingsError``.
    """
    if settings.secret is not None:
        return settings.secret.get_secret_value().encode()
    if settings.published_to is not None:
        raise SettingsError(
            f"{PREFIX}SECRET: must be set with {PREFIX}DATASET: one made on a disk that is lost "
            "would leave the restored records with pseudonyms that fit nobody"
        )
    path = settings.data / "secret"
    try:
        settings.data.mkdir(parents=True, exist_ok=True)
        try:
            with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as out:
                out.write(secrets.token_hex(32))
                # Before any record hangs on it: those outlive a power cut.
                out.flush()
                os.fsync(out.fileno())
        except FileExistsError:
            pass
        text = path.read_text().strip()
    except OSError as error:
        raise SettingsError(
            f"{PREFIX}DATA: {path} cannot be used ({error.strerror}); "
            f"name a writable folder or set {PREFIX}SECRET"
        ) from None
    if len(text) < 16:
        raise SettingsError(f"{path} is damaged; restore it or set {PREFIX}SECRET")
    return text.encode()
