"""Settings of the service, read from environment variables with the prefix FAKENEWS_."""

from pathlib import Path
from typing import Final, Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from fakenews_resources.project import project_path
from fakenews_resources.storage.backend import Backend, FolderBackend
from fakenews_resources.storage.store import LOG_FOLDER, Store

_PACKED_MODELS: Final = Path(__file__).parents[2] / "models"
"""Where a built bento carries its champion."""
MIN_KEY: Final = 16
"""Characters of an API key."""


class ServiceSettings(BaseSettings):
    """Settings of the service."""

    model_config = SettingsConfigDict(env_prefix="FAKENEWS_", frozen=True)

    storage: str = Field(
        default=".fakenews",
        description="The graph's storage, a folder or gs://bucket/prefix; its champion is served.",
    )
    models: Path | None = Field(
        default=None,
        description="Folder of bundles with champion.json. Default: the one packed into the bento, else that of"
        " the storage.",
    )
    follow_storage: bool = Field(
        default=False,
        description="Serve the storage's champion, also where a bento has one packed in: a promotion needs no new image.",
    )
    log: Path | None = Field(
        default=None,
        description="Folder of the prediction log, whatever the storage is. Default: `service_log` in the storage; of a"
        " bento without FAKENEWS_STORAGE, in `~/.fakenews`.",
    )
    log_content: Literal["hash", "text"] = Field(
        default="hash", description="Whether the log holds titles and texts, or only their hashes."
    )
    show_corpus: bool = Field(
        default=False,
        description="Whether the page and the API show articles of the corpus: test articles to try, and training articles"
        " with a similar headline. They are read from the storage; check their licences first.",
    )
    api_key: SecretStr | None = Field(
        default=None,
        min_length=MIN_KEY,
        description="Required in the header X-API-Key, or as Authorization: Bearer. Default: no key is required.",
    )
    api_keys_file: Path | None = Field(
        default=None,
        description="File of several keys, one `name: key` on each line, which may be sent in the same way. It is read again"
        " when it changes.",
    )
    requests_per_minute: int | None = Field(
        default=None,
        gt=0,
        description="Most requests of each key in a minute; more are refused with 429. Default: no limit.",
    )
    access_log: bool = Field(
        default=False, description="Whether to write a line of JSON to the standard output for every request."
    )
    cors_origins: tuple[str, ...] = Field(
        default=(), description="Origins whose pages may call the API, as a JSON list. Default: none."
    )
    max_json_bytes: int = Field(default=8 * 2**20, gt=0, description="Largest JSON body.")
    max_csv_bytes: int = Field(
        default=128 * 2**20,
        gt=0,
        description="Largest upload of a file, and largest table in it when unpacked.",
    )
    max_csv_rows: int = Field(
        default=200_000, gt=0, description="Most rows of a CSV file, counting empty lines."
    )
    max_csv_faults: int = Field(
        default=10_000,
        ge=0,
        description="Most invalid rows of a CSV file; a file with more is refused.",
    )
    max_csv_uploads: int = Field(default=4, gt=0, description="Files received and answered at the same time.")
    max_wait_ms: int = Field(
        default=1000, gt=0, description="A request that would wait longer for the model is refused with 503."
    )
    max_batch_rows: int = Field(
        default=32,
        gt=0,
        description="Most articles in one model batch; a larger request is answered in several.",
    )
    max_backlog_seconds: float = Field(
        default=60,
        gt=0,
        description="A request of many articles is refused with 503 while so much work waits for the model.",
    )
    body_seconds: float = Field(
        default=15,
        gt=0,
        description="Time limit for the head of a request, for its body and for taking the answer; the latter two get a"
        " second more per 128 KiB.",
    )
    tracing: bool = Field(
        default=False,
        description="Whether to send OpenTelemetry spans, by the extra `otel`. The variables OTEL_* say where to.",
    )
    shutdown_seconds: float = Field(
        default=5,
        gt=0,
        description="Time for requests to end once the service is told to stop. What is longer is cut: a file ends with a line"
        " that says so.",
    )
    keep_alive_seconds: int = Field(
        default=75,
        gt=0,
        description="How long a connection without requests is kept. A load balancer's own time must be shorter.",
    )
    root_path: str | None = Field(
        default=None,
        pattern=r"^(/[^/?#]+)*$",
        description="Path prefix, such as /fakenews, under which a proxy passes requests on without removing it. Default: none.",
    )
    public_url: str | None = Field(
        default=None,
        pattern=r"^https?://[^\s/?#]+(/[^\s?#]*)?$",
        description="Address under which callers reach the service, such as https://news.example/tools, for the code in the"
        " model card. Default: its address on its own machine.",
    )
    log_send_seconds: float = Field(
        default=30, gt=0, description="How often the log is uploaded to a storage in a bucket."
    )
    watch_seconds: float = Field(default=1, gt=0, description="How often to look for a new champion.")

    @field_validator("api_key", mode="before")
    @classmethod
    def _without_line_end(cls, key: object) -> object:
        return key.strip() if isinstance(key, str) else key  # files of secrets end with one

    @model_validator(mode="after")
    def _limit_needs_keys(self) -> Self:
        if self.requests_per_minute and not (self.api_key or self.api_keys_file):
            raise ValueError("FAKENEWS_REQUESTS_PER_MINUTE counts by key: set FAKENEWS_API_KEYS_FILE as well")
        return self

    def models_backend(self) -> Backend:
        """Storage backend of the bundles and the champion's pointer.

        Raises:
            StoreError: the storage has no usable address.
        """
        if self.models is not None:
            return FolderBackend(project_path(self.models))
        packed = _PACKED_MODELS.is_dir() and not self.follow_storage
        return FolderBackend(_PACKED_MODELS) if packed else Store(self.storage).bundles

    def log_backend(self) -> Backend:
        """Storage backend of the prediction log. Raises like `models_backend`."""
        if self.log:
            return FolderBackend(project_path(self.log))
        if _PACKED_MODELS.is_dir() and "storage" not in self.model_fields_set:
            # A relative path starts in the bento here, and `bentoml export` would ship the log.
            return FolderBackend(Path.home() / ".fakenews" / LOG_FOLDER)
        return Store(self.storage).backend.below(LOG_FOLDER)
