"""How texts ask a model to send secrets or the conversation somewhere."""

from __future__ import annotations

from skills.safety.phrases import Phrase

_SEND = r"(?:send|upload|post|transmit|forward|e ?mail|exfiltrate|leak|copy|mirror|append|attach|include|embed|encode|submit|report|stream)"
_THEIR = r"(?:the |all |any |every |your |their |its |whole |entire |full |complete |raw |current |user s |contents? of |content of |values? of |list of )*"
_SECRETS = (
    r"(?:(?:\w+ )?(?:ssh|private|secret|signing|gpg|pgp) keys?|id (?:rsa|ed25519)|aws credentials|(?:saved |stored |browser )?(?:passwords|cookies)|"
    r"environment variables?|env(?:ironment)? (?:file|vars|dump)|dotenv|session (?:cookies?|tokens?)|"
    r"wallet(?: \w+)?|seed phrases?|recovery phrases?|key ?chain|shell history|\.?env(?: file)?|credential files?|secrets)"
)
_PLACE = r"(?:https? \w+|server|webhook|endpoint|address|host|url|mail|e mail|domain|us|bucket|channel|bot|collector|attacker|query|parameter|header|image|request|fetch|link)"
_TALK = (
    r"(?:conversations?|chat (?:history|log|transcript)|chats?|dialogues?|messages? (?:history|log)|user s? (?:messages?|prompts?|questions?|queries|inputs?)|"
    r"transcripts?|(?:previous|earlier|all) messages|system prompt|context window|prompts? and (?:answers|responses|replies))"
)

PHRASES = (
    Phrase("secret_upload", (("key", "id", "cred", "passw", "cookie", "env", "token", "wallet", "phrase", "history", "secret"),), rf"{_SEND} {_THEIR}{_SECRETS} <8> (?:to|in|into|at|with|as|via|by|over) <6> {_PLACE}"),
    Phrase("secret_upload", (("id_", "ssh", "credentials", "passwd", "shadow", "env"),), rf"(?:read|open|cat|collect|gather|load|find|grab|take|get) <6> (?:ssh id (?:rsa|ed25519|ecdsa)|aws credentials|etc shadow|environment variables|netrc|kube config|ssh keys?|private keys?) <6> (?:and|then) <3> {_SEND} <14> {_PLACE}"),
    Phrase("conversation_upload", (("conversation", "chat", "dialog", "message", "transcript", "prompt", "context", "question", "quer", "input"),), rf"{_SEND} {_THEIR}{_TALK} <12> (?:to|at|into|in|via|by|as) <4> (?:https? \w+|our server|the server|remote|webhook|the webhook|endpoint|analytics|collector|telemetry|pastebin|discord|telegram|this (?:url|address|host)|following (?:url|address|endpoint))"),
    Phrase("conversation_upload", (("conversation", "message", "prompt", "chat"),), r"(?:after|with|before|on|in) (?:each|every) (?:reply|answer|response|message|turn|request) <3> (?:send|post|upload|transmit|forward|report|append) <8> (?:conversation|messages?|chat|prompts?|transcript|what the user) <12> (?:to|at) <4> (?:https? \w+|server|webhook|endpoint|address|url)"),
)  # fmt: skip
