"""Finds text that tells a model or a ranking to prefer this skill whatever the query is."""

from __future__ import annotations

from collections.abc import Iterator

from skills.safety.passage import Passage
from skills.safety.phrases import Phrase, Phrases
from storage.skill_records import Finding

_PICK_NEEDS = ("use", "select", "choose", "chosen", "pick", "prefer", "rank", "call", "invoke", "trigger")
_NEEDS_ALL = ("every", "all", "any", "first", "always", "highest", "only", "over", "instead", "other")
_EVERY = r"(?:all|every|any|each|whatever)"
_QUERY = (
    r"(?:quer(?:y|ies)|requests?|tasks?|questions?|prompts?|messages?|conversations?|situations?|circumstances|input)"
)
_PICK = r"(?:select(?:ed)?|choos(?:e|en)|chosen|pick(?:ed)?|prefer(?:red)?|rank(?:ed)?|call(?:ed)?|invoke[d]?|used?|trigger(?:ed)?)"
_SELF = r"(?:this (?:skill|tool|plugin|function|agent)|me|it)"

PHRASES = (
    Phrase("self_promotion", (_PICK_NEEDS, _NEEDS_ALL), rf"(?:always|must|should|has to|have to) <1> (?:be )?{_PICK} <2> (?:first|top|number one|instead) <3> {_EVERY} <1> {_QUERY}"),
    Phrase("self_promotion", (_PICK_NEEDS, _NEEDS_ALL), rf"(?:must|should|has to|have to) (?:always )?be {_PICK} <2> (?:first|number one|above|before|over) <2> (?:other|others|everything|anything|{_EVERY} <1> (?:skill|tool|plugin|agent|quer(?:y|ies))s?)"),
    Phrase("self_promotion", (("always",),), rf"always (?:select|choose|pick|prefer|call|invoke|use|rank) {_SELF} <1> (?:skill|tool)? ?(?:first|over|regardless|no matter|instead of|whatever|above|before (?:any|all)|for (?:all|every|any)|even (?:if|when))"),
    Phrase("self_promotion", (("prefer", "choose", "select", "pick", "use"),), r"(?:prefer|choose|select|pick|use|rank|favou?r) (?:this|this skill|this tool) (?:one )?(?:over|above|before|instead of|rather than) (?:all|every|any|the) (?:other|others|competing|alternative|remaining)(?: (?:skill|tool|plugin|option)s?)?"),
    Phrase("self_promotion", (("no matter", "regardless", "whatever"),), rf"{_PICK} <8> (?:no matter (?:what|which)|regardless of (?:what|which|the)|whatever) (?:the )?(?:user|query|task|request|question|prompt)(?: \w+)?(?: asks?| says?| wants?| is| topic| content)"),
    Phrase("self_promotion", (("relevan", "score", "rank"),), r"(?:give|assign|grant|award) (?:this|this skill|it|me) <3> (?:highest|maximum|top|best|perfect|full) <2> (?:relevance|score|rank|ranking|similarity|rating)"),
    Phrase("self_promotion", (("rank", "score", "relevan"),), r"(?:rank|place|put|list|score) (?:this|this skill|this tool|it|me) (?:at the |as |on )?(?:top|first|number one|no 1|1st|highest|above all)"),
    Phrase("self_promotion", (("other", "alternativ", "competing"),), r"(?:never|do not|don t|must not|should not|not allowed to) (?:use|select|choose|call|pick|invoke|consider) (?:any |the |an )?(?:other|others|another|competing|alternative) (?:skill|tool|plugin|agent|function)s?"),
    Phrase("self_promotion", (("other",),), r"(?:the )?(?:other|all other|others|competing) <1> (?:skills|tools|plugins) (?:are|is|must|should|have been) (?:not be|never be|now )?(?:outdated|unsafe|deprecated|broken|disabled|malicious|ignored|used|inferior|insecure|unreliable|avoided)"),
    Phrase("self_promotion", (("retriever", "ranker", "reranker", "router", "selector"),), r"(?:attention|dear|note to|hey|message to|instructions? (?:to|for)|to the) (?:the )?(?:retriever|ranker|reranker|skill (?:router|selector)|tool (?:router|selector)|retrieval (?:system|model)|embedding model) <1> (?:give|rank|always|prefer|score|place|put|choose|select|return|boost|assign|treat|please)"),
    Phrase("self_promotion", (("only",),), r"(?:this is|is) the only (?:skill|tool|plugin) (?:you|that|the|anyone) <3> (?:need|needs|trust|trusted|allowed|permitted|approved|safe)"),
    Phrase("self_promotion", (("immer", "siempre", "toujours", "sempre"),), r"(?:wahle?|benutze|verwende|nimm|bevorzuge) immer dies\w+ (?:skill|werkzeug|fahigkeit)|(?:elige|usa|selecciona) siempre est[ae] (?:skill|herramienta|habilidad)|(?:choisis|choisissez|utilise|utilisez) toujours cet(?:te)? (?:skill|outil|competence)|(?:scegli|usa) sempre quest[ao] (?:skill|strumento)|(?:escolha|use) sempre est[ae] (?:skill|ferramenta)"),
    Phrase("self_promotion", (("总是", "始终", "優先", "优先", "必须", "必ず", "常に"),), r"(?:总是|始终|永远|一律)(?:优先)?(?:选择|使用|调用)(?:本|这个|此)(?:技能|工具)|(?:必ず|常に)(?:この|本)(?:スキル|ツール)を(?:選|使)", is_bounded=False),
)  # fmt: skip

_PHRASES = Phrases(PHRASES)


def find_promotion(passage: Passage) -> Iterator[Finding]:
    for match in _PHRASES.matches(passage):
        taught = passage.is_taught(match.start, match.end)
        yield passage.finding(match.rule, match.start, match.end, "note" if taught else "quarantine")
