"""The vocabulary that every floor shares: frozen facts, standard library only.

Money is `Decimal` USD in whole nano-dollars, times are aware UTC, durations are seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import ROUND_CEILING, Decimal
from hashlib import sha256
from typing import Literal

from storage.budget_records import Amount as Amount
from storage.budget_records import BudgetAccount as BudgetAccount
from storage.budget_records import BudgetLimits as BudgetLimits
from storage.budget_records import Hold as Hold
from storage.call_records import PLAIN_CALL, CallOptions, ToolCall
from storage.ids import random_hex
from storage.skill_records import SkillSelection

USD_QUANTUM = Decimal("0.000000001")  # one nano-dollar: what a store counts in
TOKENS_PER_MTOK = 1_000_000

Role = Literal["system", "user", "assistant", "tool"]
OutcomeStatus = Literal["succeeded", "failed", "refused", "cancelled", "judged"]
Judge = Literal["environment", "verifier", "judge", "user", "self"]


def new_id(prefix: str) -> str:
    """`prefix_` and 64 random bits in hex."""
    return f"{prefix}_{random_hex()}"


def utc_now() -> datetime:
    return datetime.now(UTC)


def usd(amount: Decimal | float | int | str) -> Decimal:
    """The amount in whole nano-dollars, rounded up: a cost is never rounded away."""
    exact = amount if type(amount) is Decimal else Decimal(str(amount))
    return exact.quantize(USD_QUANTUM, rounding=ROUND_CEILING)


@dataclass(frozen=True, kw_only=True)
class Message:
    """One turn of a conversation."""

    role: Role
    content: str  # its text
    name: str = ""  # of the speaker, where the caller says
    tool_calls: tuple[ToolCall, ...] = ()  # of an assistant
    tool_call_id: str = ""  # of a tool: whose result this is
    parts: str = ""  # JSON list of OpenAI's content parts where some are no text; `content` is the text among them

    @property
    def is_plain(self) -> bool:
        """Whether role and content say it all."""
        return not (self.name or self.tool_calls or self.tool_call_id or self.parts)


@dataclass(frozen=True, kw_only=True)
class Generation:
    """How an answer shall be sampled."""

    max_output_tokens: int = 256
    temperature: float = 0.0
    seed: int | None = None
    stop: tuple[str, ...] = ()
    top_p: float | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None


@dataclass(frozen=True, kw_only=True)
class Query:
    """What the caller asked, or one step of an agent's work, before anyone decided anything."""

    text: str
    id: str = field(default_factory=lambda: new_id("query"))
    run_id: str = field(default_factory=lambda: new_id("run"))
    step: str = "answer"
    tenant: str = "default"
    principal: str = "local"
    account_id: str = "default"
    context_messages: tuple[Message, ...] = ()  # the turns before `text`
    later_messages: tuple[Message, ...] = ()  # the turns after it: tool calls and what came of them
    text_message: Message | None = None  # the turn of `text`, where it is more than that
    call: CallOptions = PLAIN_CALL
    required_capabilities: tuple[str, ...] = ()
    generation: Generation = Generation()
    session_id: str | None = None  # of the conversation it belongs to; None: it stands alone
    is_tool_turn: bool = False  # it goes on inside a loop of tool calls
    metadata: Mapping[str, str] = field(default_factory=dict)

    @property
    def messages(self) -> tuple[Message, ...]:
        """The whole conversation, `text` as its last user turn."""
        asked = self.text_message or Message(role="user", content=self.text)
        return (*self.context_messages, asked, *self.later_messages)


@dataclass(frozen=True, kw_only=True)
class TokenUsage:
    """Tokens in the four buckets that providers bill apart; `input` excludes the cached ones."""

    input: int = 0
    cache_read: int = 0
    cache_write: int = 0
    output: int = 0

    def __add__(self, other: TokenUsage) -> TokenUsage:
        return TokenUsage(
            input=self.input + other.input,
            cache_read=self.cache_read + other.cache_read,
            cache_write=self.cache_write + other.cache_write,
            output=self.output + other.output,
        )

    @property
    def total(self) -> int:
        return self.input + self.cache_read + self.cache_write + self.output


@dataclass(frozen=True, kw_only=True)
class ModelCard:
    """What is known of a model before it is asked."""

    model: str
    description: str = ""
    price_input_usd_per_mtok: Decimal = Decimal(0)
    price_cache_read_usd_per_mtok: Decimal | None = None  # None: as the input price
    price_output_usd_per_mtok: Decimal = Decimal(0)
    context_window: int = 8192  # tokens
    capabilities: tuple[str, ...] = ("chat",)
    family: str = ""
    size_b: float | None = None  # billions of parameters
    trust_domain: str = "local"
    jurisdiction: str = ""
    version: str = ""
    fingerprint: str = ""  # of the weights, where known
    seconds_p50: float | None = None  # of a usual call; None: not known
    seconds_p95: float | None = None
    joules_per_input_token: float = 0.0  # 0: not known
    joules_per_output_token: float = 0.0
    cold_start_seconds: float = 0.0  # until a model that is not loaded can answer
    payload_modes: tuple[str, ...] = ("text",)  # of `text` and `frame` (JSON), what it takes and gives

    def joules(self, usage: TokenUsage) -> float:
        """What the usage takes of energy; cached prompt tokens count as none."""
        prompt = (usage.input + usage.cache_write) * self.joules_per_input_token
        return prompt + usage.output * self.joules_per_output_token

    def cost_usd(self, usage: TokenUsage) -> Decimal:
        """What the usage costs at this card's prices."""
        cache_price = self.price_cache_read_usd_per_mtok
        cache_price = self.price_input_usd_per_mtok if cache_price is None else cache_price
        billed = (
            (usage.input + usage.cache_write) * self.price_input_usd_per_mtok
            + usage.cache_read * cache_price
            + usage.output * self.price_output_usd_per_mtok
        )
        return usd(billed / TOKENS_PER_MTOK)


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """One way to answer: an agent, a model and the skills it may use. In a policy it is an arm."""

    id: str
    agent: str
    model: str
    card: ModelCard
    skills: tuple[str, ...] = ()
    found_skills: int = 0  # so many more are searched for each query among all that are catalogued


@dataclass(frozen=True, kw_only=True)
class Assessment:
    """What a decision thought of one candidate."""

    candidate_id: str
    probability: float
    score: float
    contributions: Mapping[str, float] = field(default_factory=dict)  # they sum to `score`
    worst_case_usd: Decimal = Decimal(0)
    mask_reason: str | None = None  # why it was not allowed; None: it was


@dataclass(frozen=True, kw_only=True)
class ShadowChoice:
    """What the shadow router would have done: enough for off-policy estimates, and nothing of it was run."""

    policy_version: str  # id of the PolicyVersion
    candidate_id: str | None  # whom it would have picked; None: nobody
    probability: float  # that it gives to the candidate that was really picked


@dataclass(frozen=True, kw_only=True)
class Decision:
    """Who was picked, among whom, why, and with which probability. Stored before anything runs."""

    query_id: str
    run_id: str
    step: str
    attempt: int
    tenant: str
    principal: str
    account_id: str
    payload_id: str  # the query's text in the payload store
    payload_digest: str
    task: str
    task_mixture: Mapping[str, float]
    context: tuple[float, ...]  # what the policy saw
    encoder: str
    assessments: tuple[Assessment, ...]
    candidate_id: str | None  # None: nobody was allowed
    propensity: float
    policy: str
    policy_version: str
    policy_sha256: str
    rng_seed: int
    rng_counter: int
    budget_before_usd: Decimal
    budget_reserved_usd: Decimal
    resources_before: Mapping[str, float] = field(default_factory=dict)  # tokens, seconds, joules: of those limited
    resources_reserved: Mapping[str, float] = field(default_factory=dict)  # tokens, seconds, joules
    weights: Mapping[str, float] = field(default_factory=dict)  # what the utility was weighted with, by name
    shadow: ShadowChoice | None = None  # None: no shadow router ran beside it
    skills: SkillSelection | None = None  # None: no candidate wanted skills to be searched for
    plan: str = "single"  # the plan that this decision is a step of
    id: str = field(default_factory=lambda: new_id("decision"))
    decided_at: datetime = field(default_factory=utc_now)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What happened when the candidate ran, or what somebody judged of it later (`judged`)."""

    decision_id: str
    run_id: str
    status: OutcomeStatus
    payload_id: str | None = None  # the answer's text in the payload store
    payload_digest: str | None = None
    quality: float | None = None  # in [0, 1]
    judged_by: Judge | None = None
    verifier: str | None = None  # whose verdict the quality is; None: no verifier's
    has_passed: bool | None = None  # what that verifier said
    usage: TokenUsage = TokenUsage()
    cost_usd: Decimal = Decimal(0)
    latency_seconds: float = 0.0
    error_code: str | None = None
    error_message: str | None = None
    id: str = field(default_factory=lambda: new_id("outcome"))
    happened_at: datetime = field(default_factory=utc_now)


@dataclass(frozen=True, kw_only=True)
class Reward:
    """One number in [0, 1] that tells the policy how good the decision was."""

    decision_id: str
    run_id: str
    outcome_id: str
    value: float
    quality: float | None = None  # what `value` was computed from, with the next four; None in old records
    judged_by: Judge | None = None
    cost_usd: Decimal = Decimal(0)
    latency_seconds: float = 0.0
    joules: float = 0.0
    id: str = field(default_factory=lambda: new_id("reward"))
    rewarded_at: datetime = field(default_factory=utc_now)


@dataclass(frozen=True, kw_only=True)
class Span:
    """One timed step of a run."""

    run_id: str
    name: str
    started_at: datetime
    seconds: float
    id: str = field(default_factory=lambda: new_id("span"))
    parent_id: str | None = None
    is_failed: bool = False
    attributes: Mapping[str, str] = field(default_factory=dict)


def payload_digest(salt: str, text: str) -> str:
    """SHA-256 over salt and text: without the salt, which erasure removes, short texts cannot be guessed back."""
    return sha256(f"{salt}\x00{text}".encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(frozen=True, kw_only=True)
class Payload:
    """A raw text outside the log; erasing it (text and salt) leaves its digest and the chain intact."""

    text: str | None
    salt: str | None
    digest: str
    id: str
    erased_at: datetime | None = None

    @classmethod
    def of(cls, text: str) -> Payload:
        salt = random_hex() + random_hex()
        return cls(text=text, salt=salt, digest=payload_digest(salt, text), id=new_id("payload"))


@dataclass(frozen=True, kw_only=True)
class AuditEvent:
    """One link of the append-only log; `canonical` is the RFC 8785 JSON of the record it holds."""

    writer: str
    seq: int  # 0, 1, 2, … within the writer's chain
    kind: str  # a key of storage.canonical.COLUMNS
    subject_id: str  # id of the record
    decision_id: str | None
    run_id: str | None
    tenant: str | None
    canonical: str
    leaf_hash: str
    chain_hash: str
    candidate_id: str | None = None
    policy: str | None = None
    at: str = ""  # when, as `canonical` writes it
    position: int = 0  # place in the whole log: 1, 2, 3, … without gaps, in the order of the commits


Item = Decision | Outcome | Reward | Payload | Span  # what a journal takes
