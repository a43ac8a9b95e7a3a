"""Every knob of the service; the only file that reads the environment.

Order, strongest first: arguments, environment (`ANTROUTE_POLICY`, `ANTROUTE_BUDGET__RUN_LIMIT_USD`, …), the YAML
file named by `ANTROUTE_SETTINGS` (default `antroute.yaml` in the current folder, if there), the defaults below.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from platformdirs import user_cache_path, user_data_path
from pydantic import BaseModel, ConfigDict, Field, SecretStr, StrictBool, ValidationError, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, YamlConfigSettingsSource

from orchestrator.audit_settings import AuditSettings
from orchestrator.budget_settings import BudgetSettings
from orchestrator.errors import SettingsInvalid
from orchestrator.job_settings import JobSettings
from orchestrator.ray_settings import RaySettings
from orchestrator.retention_settings import RetentionSettings
from orchestrator.routing_settings import PacingSettings, ResidencySettings, SessionSettings, WeightSettings
from orchestrator.settings_errors import fault_line, nearest
from orchestrator.telemetry_settings import TelemetrySettings
from orchestrator.training_settings import TrainingSettings
from orchestrator.verifiers.settings import VerifierSettings
from orchestrator.webhook_settings import WebhookSettings
from orchestrator.workflow_json import WorkflowBody

ENV_PREFIX = "ANTROUTE_"
SETTINGS_VARIABLE = "ANTROUTE_SETTINGS"
DEFAULT_SETTINGS_FILE = Path("antroute.yaml")
MOST_SHOWN_SKILLS = 24  # a longer list confuses a model more than it helps


class Section(BaseModel):
    """A part of the settings: frozen, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class ModelSettings(Section):
    """One language model: where it is and what is known of it."""

    provider: Literal["local", "openai", "litellm", "scripted"]
    file: str | None = None  # local: a name from `antroute models list`, or a path to a .gguf file
    base_url: str | None = None  # openai: up to and with /v1
    upstream_model: str | None = None  # the endpoint's name for it; default: ours
    api_key: SecretStr | None = None
    api_key_variable: str | None = None  # name of the environment variable that holds the key
    timeout_seconds: float = Field(
        default=100.0, gt=0
    )  # less than a run's, so that a hung model is told from a slow run
    description: str = ""
    price_input_usd_per_mtok: Decimal = Field(default=Decimal(0), ge=0)
    price_cache_read_usd_per_mtok: Decimal | None = Field(default=None, ge=0)
    price_output_usd_per_mtok: Decimal = Field(default=Decimal(0), ge=0)
    context_window: int = Field(default=8192, gt=0)
    # chat, stream, tools, json, logprobs, n, vision, audio, embeddings; default: of `openai` and `litellm` all to `n`
    capabilities: tuple[str, ...] = ("chat",)
    family: str = ""
    size_b: float | None = None
    trust_domain: str = "local"
    jurisdiction: str = ""
    version: str = ""
    fingerprint: str = ""  # of the weights, where known
    seconds_p50: float | None = Field(default=None, gt=0)  # of a usual call
    seconds_p95: float | None = Field(default=None, gt=0)
    joules_per_input_token: float = Field(default=0.0, ge=0)  # 0: not known
    joules_per_output_token: float = Field(default=0.0, ge=0)
    cold_start_seconds: float = Field(default=0.0, ge=0)
    payload_modes: tuple[Literal["text", "frame"], ...] = ("text",)

    def key(self) -> str | None:
        """The endpoint's key, from here or from the variable named here."""
        if self.api_key is not None:
            return self.api_key.get_secret_value()
        return os.environ.get(self.api_key_variable) if self.api_key_variable else None

    @property
    def lacks_key(self) -> bool:
        """Whether a key is to be read from the environment and is not there."""
        return self.api_key_variable is not None and not self.key()


class CandidateSettings(Section):
    """One way to answer: which agent, over which model, with which skills."""

    id: str = ""  # default: agent/model, with "+skills" and "+found" behind it where it has any
    agent: str
    model: str
    skills: tuple[str, ...] = ()
    # So many more are looked for in the catalogue, for each query; true: as many as `skills.shown`.
    found_skills: StrictBool | Annotated[int, Field(ge=0, le=MOST_SHOWN_SKILLS)] = 0

    @property
    def candidate_id(self) -> str:
        marks = ("+skills" if self.skills else "") + ("+found" if self.found_skills else "")
        return self.id or f"{self.agent}/{self.model}{marks}"


class RewardSettings(Section):
    """How an outcome becomes one number: quality - cost_weight * cost / reference cost, clipped to [0, 1]."""

    cost_weight: float = Field(default=0.3, ge=0)
    reference_cost_usd: Decimal | None = Field(default=None, gt=0)  # default: a usual call of the dearest model
    energy_weight: float = Field(default=0.0, ge=0, le=1)  # of energy, in what `linucb` and `lints` learn


class MemorySettings(Section):
    """The policy `pheromone`: how what was learned is read, and how fast it fades."""

    estimator: Literal["thompson", "ucb", "greedy_trail"] = "thompson"
    alpha: float = Field(default=8.0, gt=0)  # greedy_trail: exponent of the trail
    beta: float = Field(default=1.0, ge=0)  # greedy_trail: exponent of what is expected
    width: float = Field(default=0.3, gt=0)  # thompson: σ; narrower settles sooner, and false feedback moves it more
    exploration: float = Field(default=0.05, gt=0, le=1)  # γ: share of choices that is spread evenly
    half_life_days: float | None = Field(default=30.0, gt=0)  # None: nothing fades with the clock
    capacity: int = Field(default=5_000, ge=1)  # texts that are remembered


class InputLimits(Section):
    """What a caller may send at most."""

    query_bytes: int = Field(default=65_536, gt=0)
    body_bytes: int = Field(default=1_048_576, gt=0)
    output_tokens: int = Field(default=4096, gt=0)
    parallel_runs: int = Field(default=256, ge=1)  # that are worked on at once, in one gateway
    waiting_runs: int = Field(default=64, ge=0)  # that wait a moment for their turn; more are told to come back


def _bearer(variable: str | None) -> dict[str, str]:
    key = os.environ.get(variable) if variable else None
    return {"authorization": f"Bearer {key}"} if key else {}


class OpenApiSettings(Section):
    """An OpenAPI document whose operations are skills."""

    document: str  # a file or a URL, JSON or YAML
    base_url: str | None = None  # default: the document's first server, if that is a public address
    operations: tuple[str, ...] = ()  # only these; default: all
    key_variable: str | None = None  # environment variable with the key that `base_url` gets as a bearer token
    timeout_seconds: float = Field(default=10.0, gt=0, le=120)

    @model_validator(mode="after")
    def _key_has_a_home(self) -> Self:
        if self.key_variable and not self.base_url:
            raise ValueError("a key is sent to a `base_url` only")
        return self

    def headers(self) -> dict[str, str]:
        """What the operator sends along; nothing where the variable is not set."""
        return _bearer(self.key_variable)


class McpSettings(Section):
    """An MCP server whose tools are skills: a command of the operator's, or a URL."""

    command: str | None = None
    args: tuple[str, ...] = ()
    env: tuple[str, ...] = ()  # names of the environment variables that the command may see
    url: str | None = None
    key_variable: str | None = None  # environment variable with the key that `url` gets as a bearer token
    tools: tuple[str, ...] = ()  # only these; default: all
    sends_context: bool = True  # tenant, principal, run and scope go along with each call
    timeout_seconds: float = Field(default=10.0, gt=0, le=120)

    @model_validator(mode="after")
    def _is_one_of_two(self) -> Self:
        if (self.command is None) == (self.url is None):
            raise ValueError("give either `command` or `url`")
        if self.url is not None and (self.args or self.env):
            raise ValueError("`args` and `env` go with `command`, not with `url`")
        if self.command is not None and self.key_variable:
            raise ValueError("`key_variable` goes with `url`; name what a command may see in `env`")
        return self

    def headers(self) -> dict[str, str]:
        """What the operator sends along; nothing where the variable is not set."""
        return _bearer(self.key_variable)

    def environment(self) -> dict[str, str]:
        """What the command may see of our environment."""
        return {name: os.environ[name] for name in self.env if name in os.environ}


class SkillSettings(Section):
    """The catalogue of skills, its index, and the libraries that can be called."""

    index: Path | None = None  # folder; default: `skills/index` in the user's data folder
    shown: int = Field(default=5, ge=1, le=MOST_SHOWN_SKILLS)  # to a candidate with `found_skills: true`
    least_fit: float | None = Field(default=None, ge=0, le=1)  # below it no found skill is shown; None: never mind
    # What an index is built with: the ranker that ships (where there is one), none, or a folder of `skills train`.
    ranker: Literal["default", "none"] | Path = "default"
    # Of the texts of skills; default: the ranker's own, where it carries one, else the one that routing uses.
    encoder: str | None = Field(default=None, pattern=r"^(auto|minilm|hashing|hub:[^/\s]+/[^/\s]+|tuned:.+)$")
    folders: tuple[Path, ...] = ()  # of SKILL.md folders, whose skills candidates may name
    openapi: dict[str, OpenApiSettings] = Field(default_factory=dict)  # by the name of the library
    mcp: dict[str, McpSettings] = Field(default_factory=dict)  # by the name of the library

    @model_validator(mode="after")
    def _names_are_apart(self) -> Self:
        if both := sorted(set(self.openapi) & set(self.mcp)):
            raise ValueError(f"{both[0]!r} is the name of an OpenAPI document and of an MCP server")
        return self

    @property
    def index_dir(self) -> Path:
        return self.index or user_data_path("antroute") / "skills" / "index"


class ServerSettings(Section):
    """The front door."""

    host: str = "127.0.0.1"
    port: int = Field(default=8765, ge=0, le=65535)
    drain_seconds: float = Field(default=20.0, ge=0, le=3600)  # for work under way when told to stop
    log_format: Literal["text", "json"] = "text"
    log_level: Literal["debug", "info", "warning", "error"] = "warning"
    access_log: bool = False  # a line a request, at level info whatever `log_level` says
    admin_key: SecretStr | None = None  # beyond loopback this one or an admin's of `antroute keys` is needed
    requires_key: bool = False  # also on loopback, where else whoever sends none is the local operator
    # Where several gateways count together: redis://HOST:PORT; default: each counts for itself.
    rate_limit_storage: SecretStr | None = None
    secret: SecretStr | None = None  # see orchestrator/secret.py; the same for all processes over one store
    secret_file: Path | None = None  # where the secret is kept if none is given; default: in the user's data folder

    @property
    def secret_path(self) -> Path:
        return self.secret_file or user_data_path("antroute") / "secret"


def default_models() -> dict[str, ModelSettings]:
    """Three small local models, priced like hosted ones of three sizes so that thrift shows."""

    def local(file: str, price_input: str, price_output: str, size_b: float, description: str) -> ModelSettings:
        return ModelSettings(
            provider="local",
            file=file,
            price_input_usd_per_mtok=Decimal(price_input),
            price_cache_read_usd_per_mtok=Decimal(price_input) / 10,  # as hosted models bill a cached prompt
            price_output_usd_per_mtok=Decimal(price_output),
            size_b=size_b,
            description=description,
            capabilities=("chat", "stream", "logprobs", "json"),
        )

    return {
        "smollm2-135m": local("smollm2-135m", "0.02", "0.04", 0.135, "Tiny and quick; simple chat."),
        "qwen2.5-coder-0.5b": local("qwen2.5-coder-0.5b", "0.10", "0.20", 0.5, "Small; code and short answers."),
        "qwen2.5-coder-1.5b": local("qwen2.5-coder-1.5b", "0.40", "0.80", 1.5, "Best of the local ones; code, facts."),
    }


def default_candidates() -> tuple[CandidateSettings, ...]:
    tools = ("convert_units", "add_days", "days_between", "weekday_of", "calculator")  # more would confuse small models
    return (
        CandidateSettings(agent="single_turn", model="smollm2-135m"),
        CandidateSettings(agent="single_turn", model="qwen2.5-coder-0.5b"),
        CandidateSettings(agent="tool_loop", model="qwen2.5-coder-0.5b", skills=tools),
        CandidateSettings(agent="single_turn", model="qwen2.5-coder-1.5b"),
        CandidateSettings(agent="step_by_step", model="qwen2.5-coder-1.5b"),
        CandidateSettings(agent="tool_loop", model="qwen2.5-coder-1.5b", skills=tools),
    )


def default_store_url() -> str:
    """A SQLite file in the user's data folder, which is made where it is missing."""
    return f"sqlite:///{user_data_path('antroute', ensure_exists=True) / 'antroute.db'}"


class Settings(BaseSettings):
    """The whole of it."""

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX,
        env_nested_delimiter="__",
        frozen=True,
        extra="forbid",
        validate_default=True,
        hide_input_in_errors=True,
    )

    # May hold a password, so it is not shown.
    store_url: str = Field(default_factory=default_store_url, repr=False)
    write_mode: Literal["sync", "grouped"] = "sync"
    cache_dir: Path = Field(default_factory=lambda: user_cache_path("antroute"))  # what can be fetched or made again
    models: dict[str, ModelSettings] = Field(default_factory=default_models, min_length=1)
    candidates: tuple[CandidateSettings, ...] = Field(default_factory=default_candidates, min_length=1)
    skill_folders: tuple[Path, ...] = ()  # as `skills.folders`
    skills: SkillSettings = SkillSettings()
    verifiers: dict[str, VerifierSettings] = Field(default_factory=dict)  # by the name that callers may give
    tasks: dict[str, tuple[str, ...]] | None = None  # task to example queries; default: the shipped catalogue
    encoder: str = Field(default="auto", pattern=r"^(auto|minilm|hashing|hub:[^/\s]+/[^/\s]+|tuned:.+)$")
    policy: str = "auto"  # the active trained router where there is one, else the table
    plan: str = "single"  # how candidates are run where a caller names no plan
    plans: dict[str, dict[str, Any]] = Field(default_factory=dict)  # options of plans, by the plan's name
    seed: int | None = Field(default=None, ge=0)  # None: a fresh one for each process
    max_attempts: int = Field(default=3, ge=1, le=10)
    relearn_limit: int = Field(default=10_000, ge=0)  # stored rewards that policies learn again at start
    model_threads: int = Field(default=1, ge=1)  # CPU threads of each local model
    budget: BudgetSettings = BudgetSettings()
    reward: RewardSettings = RewardSettings()
    weights: WeightSettings | None = None  # default: quality 1, cost as `reward.cost_weight`
    sessions: SessionSettings = SessionSettings()
    pacing: PacingSettings = PacingSettings()
    residency: ResidencySettings = ResidencySettings()
    memory: MemorySettings = MemorySettings()
    limits: InputLimits = InputLimits()
    server: ServerSettings = ServerSettings()
    webhooks: WebhookSettings = WebhookSettings()
    audit: AuditSettings = AuditSettings()
    jobs: JobSettings = JobSettings()
    training: TrainingSettings = TrainingSettings()
    ray: RaySettings = RaySettings()
    workflows: dict[str, WorkflowBody] = Field(default_factory=dict)  # that jobs may name
    telemetry: TelemetrySettings = TelemetrySettings()
    retention: RetentionSettings = RetentionSettings()

    @property
    def model_dir(self) -> Path:
        """Where local models' files are kept."""
        return self.cache_dir / "models"

    @property
    def encoder_dir(self) -> Path:
        """Where encoders keep the files they made."""
        return self.cache_dir / "encoders"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        yaml_file = YamlConfigSettingsSource(settings_cls, yaml_file=settings_path(), deep_merge=False)
        return (init_settings, env_settings, yaml_file)


def settings_path() -> Path | None:
    """The settings file that is in force, if any."""
    named = os.environ.get(SETTINGS_VARIABLE)
    if named:
        return Path(named)
    return DEFAULT_SETTINGS_FILE if DEFAULT_SETTINGS_FILE.is_file() else None


def load_settings(**overrides: Any) -> Settings:
    """Settings from arguments, environment and file. Raises SettingsInvalid, which names each wrong key."""
    path = settings_path()
    if path is not None and not path.is_file():
        raise SettingsInvalid(f"No settings file {str(path)!r}.", hint=f"Correct {SETTINGS_VARIABLE} or unset it.")
    refuse_unknown_variables(os.environ)
    try:
        return Settings(**overrides)
    except ValidationError as exc:
        raise SettingsInvalid("\n".join(fault_line(Settings, error["loc"], error) for error in exc.errors())) from exc
    except (yaml.YAMLError, ValueError, OSError) as exc:  # the file is no YAML, or a variable no JSON
        raise SettingsInvalid(f"The settings cannot be read: {exc}") from exc


def refuse_unknown_variables(environment: Mapping[str, str]) -> None:
    """pydantic-settings ignores a variable that fits no field; a typing error must not pass in silence."""
    known = [f"{ENV_PREFIX}{name.upper()}" for name in Settings.model_fields]
    for name in environment:
        head = name.upper().partition("__")[0]
        if head.startswith(ENV_PREFIX) and head not in known and name != SETTINGS_VARIABLE:
            raise SettingsInvalid(f"Unknown environment variable {name!r}{nearest(head, known)}.")
