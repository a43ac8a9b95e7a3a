"""How texts in ten languages tell a model to drop its instructions, its safeguards or its frankness."""

from __future__ import annotations

from skills.safety.phrases import Phrase

_FORGET = (
    r"(?:ignor(?:e|ing)|disregard(?:ing)?|forget|discard|neglect|dismiss|abandon|erase|throw away|"
    r"set aside|pay no attention to|take no notice of|stop (?:obeying|following|heeding)|no longer (?:follow|obey|heed)|"
    r"(?:do not|don t|never) (?:follow|obey|heed|listen to|comply with|adhere to))"
)
_OVERRIDE = r"(?:override|overrule|overwrite|bypass|circumvent|supersede|cancel|replace|nullify|void)"
_OLD = (
    r"(?:previous(?:ly)?|prior|earlier|preceding|above|existing|former|past|original|foregoing|old|initial|before|"
    r"other|system|operator s?|developer s?|given|received|current)"
)
_ORDERS = (
    r"(?:instructions?|directives?|guidelines?|rules?|prompts?|orders?|commands?|policy|policies|constraints?|"
    r"programming|restrictions?|guidance|system messages?)"
)
_STRONG = r"(?:instructions?|directives?|system prompts?|system messages?|safety (?:rules|guidelines)|policy)"
_ASK = r"(?:confirmation|permission|approval|consent|authori[sz]ation)"
_USER = r"(?:the |your |any |a |our )?(?:user|human|operator|owner|developer|customer|person|client|anyone|anybody)s?"
_FORGET_NEEDS = ("ignor", "disregard", "forget", "discard", "neglect", "dismiss", "abandon", "erase", "throw", "aside", "attention", "notice", "obey", "heed", "follow", "listen", "comply", "adhere")  # fmt: skip
_ORDER_NEEDS = ("instruction", "directive", "guideline", "rule", "prompt", "order", "command", "polic", "constraint", "programming", "restriction", "guidance", "message")  # fmt: skip

_ENGLISH = (
    Phrase("override_instructions", (_FORGET_NEEDS, _ORDER_NEEDS), rf"{_FORGET} <4> {_OLD} <2> {_ORDERS}"),
    Phrase("override_instructions", (_FORGET_NEEDS, _ORDER_NEEDS), rf"{_FORGET} {_OLD} (?:and <1> )?{_ORDERS}"),
    Phrase(
        "override_instructions",
        (_FORGET_NEEDS, _ORDER_NEEDS),
        rf"{_FORGET} (?:all |any |every |of |completely )*(?:of )?(?:your|the) <1> {_STRONG}",
    ),
    Phrase(
        "override_instructions", (_FORGET_NEEDS, _ORDER_NEEDS), rf"{_FORGET} (?:all )?(?:of )?(?:your|the) {_STRONG}"
    ),
    Phrase(
        "override_instructions",
        (_FORGET_NEEDS, _ORDER_NEEDS),
        rf"{_FORGET} <2> {_ORDERS} (?:that |which )?(?:you (?:were|have been|had been|got|received)|(?:were|was|are) given|given|above|before|so far|from before|that came before|up to now|prior to)",
    ),
    Phrase("override_instructions", (_FORGET_NEEDS, _ORDER_NEEDS), rf"{_FORGET} all <1> {_STRONG}"),
    Phrase(
        "override_instructions",
        (
            _FORGET_NEEDS,
            ("told", "said", "learn", "instructed", "taught", "written"),
        ),
        rf"{_FORGET} (?:everything|anything|all|whatever|what) <5> (?:told|said|learned|learnt|instructed|taught|written) <3> (?:before|above|earlier|previously|until|so far|prior|up to)",
    ),
    Phrase(
        "override_instructions",
        (("above", "before", "prior", "previous"),),
        r"(?:ignore|disregard|forget) (?:all |everything )?(?:of )?(?:the )?(?:above|before this|prior to this|previous text|previous conversation) and",
    ),
    Phrase(
        "override_instructions",
        (("instruction", "directive", "prompt", "message"),),
        rf"{_OVERRIDE} <2> (?:your|previous|prior|earlier|system|operator s?|developer s?|all other) <1> (?:instructions?|directives?|system prompts?|system messages?|prompts?|safety)",
    ),
    Phrase(
        "override_instructions",
        (("instruction", "guideline", "directive", "rule", "prompt"),),
        r"(?:your|all|the|any) (?:earlier|previous|prior|original|old|initial|former|preceding|other) (?:instructions|guidelines|directives|rules|prompts?|system prompt) (?:is|are|were|have been|has been) (?:now )?(?:void|null|cancell?ed|revoked|suspended|invalid|no longer|superseded|obsolete|overridden|lifted|a mistake|wrong|outdated|replaced)",
    ),
    Phrase(
        "override_instructions",
        (("precedence", "priority"),),
        r"(?:this|these|the following|what follows|my (?:rules|instructions)) <4> (?:takes?|has|have|gets?) (?:\w+ )?(?:precedence|priority) over (?:any|all|every|the|your) <2> (?:system (?:prompt|message)|instructions?|developer|guidelines)",
    ),
    Phrase(
        "override_instructions",
        (("only",),),
        r"(?:only|solely|exclusively) (?:obey|listen to|follow) (?:this|the rules of this|the instructions (?:in|of) this) (?:file|text|document|skill|message)",
    ),
    Phrase(
        "override_instructions",
        (("obey",),),
        r"(?:stop|cease) (?:obeying|following) (?:them|the (?:user|operator|developer|system))",
    ),
    Phrase(
        "override_instructions",
        (("snoltcurtsnl", "snoitcurtsni", "cerivbhf", "cerilobhs"),),
        r"(?:snoitcurtsni (?:suoiverp|roirp)|(?:vtaber|qvfertneq|sbetrg) <2> cerivbhf vafgehpgvbaf)",
    ),
    Phrase(
        "new_system_prompt",
        (("new",),),
        r"(?:your|this is (?:the|your)|here (?:is|are) your|the) (?:new|updated|real|true|actual) (?:system prompt|system message|identity|persona|programming|master|directives|instructions) (?:is|are|from|follows?|below)",
    ),
    Phrase(
        "new_system_prompt",
        (("mode", "jailb", "unrestricted", "dan", "limit", "restrict", "filter"),),
        r"you (?:are|re|will be|become) (?:now )?(?:in |an? |the )?(?:dan|unrestricted|jailbroken|uncensored|unfiltered|god mode|developer mode|debug mode|root mode|(?:ai|model|assistant|agent) (?:with no|without) (?:any )?(?:limits|restrictions|rules|filters))",
    ),
    Phrase(
        "new_system_prompt",
        (("system",),),
        r"(?:end of|begin(?:ning of)?) (?:the )?(?:new )?system (?:prompt|message|instructions)",
    ),
    Phrase(
        "new_system_prompt",
        (("pretend", "act as", "roleplay"),),
        r"(?:pretend|act as if|behave as if|roleplay that) you (?:have|had|are) (?:no|not bound by|without|free of|free from) <2> (?:restrictions|limits|rules|guidelines|limitations|filters)",
    ),
    Phrase(
        "safety_off",
        (("mode",),),
        r"(?:enter|activate|enable|switch (?:in)?to|unlock|you are now in) (?:the )?(?:dan|jailbreak|unrestricted|uncensored|god|no limits?) mode",
    ),
    Phrase(
        "safety_off",
        (("safe", "guard", "ethic", "moderation", "content"),),
        r"(?:disable|turn off|switch off|deactivate|suspend|drop|remove|bypass|circumvent|ignore|disregard|skip) (?:all|any|every|your|its|the model s|the agent s) <1> (?:safety|safeguards?|guard ?rails?|ethical|moderation|content) ?(?:checks?|filters?|guidelines?|rules?|restrictions?|polic(?:y|ies)|measures?|limits?|protocols?|mechanisms?|training)?",
    ),
    Phrase(
        "safety_off",
        (("confirmation", "permission", "approval", "consent", "authori"),),
        rf"(?:never|do not|don t|without|no need to) (?:ask(?:ing)?|request(?:ing)?|seek(?:ing)?|wait(?:ing)? for) <4> {_ASK} <3> (?:delet|destr|danger|overwrit|drop|wip|format|root|sudo|transfer|pay|purchas|irreversib)\w*",
    ),
    Phrase(
        "safety_off",
        (("no restriction", "no limit", "no rules", "no ethical", "no filter"),),
        r"(?:answer|respond|act|operate|work|behave|comply) (?:with|under) no (?:restrictions?|limits|limitations|rules|ethical \w+|filters)",
    ),
    Phrase(
        "concealment",
        (("user", "human", "operator", "owner", "anyone", "anybody", "customer", "client", "developer", "person"),),
        rf"(?:do not|don t|never|must not|should not|without|avoid) (?:ever )?(?:tell(?:ing)?|inform(?:ing)?|notify(?:ing)?|alert(?:ing)?|warn(?:ing)?|reveal(?:ing)? (?:this|it|that|these) <2> to|mention(?:ing)? (?:this|it|that|these|the) <4> to|disclos(?:e|ing) (?:this|it|that|these) <2> to|show(?:ing)? (?:this|these) <1> to|let(?:ting)?) {_USER} (?:about (?:this|it|that|these|the step|what you|any of)|of (?:this|it|these)|that (?:you|this|it|the|we)|know|see|notice|or)",
    ),
    Phrase(
        "concealment",
        (("mention", "reveal", "disclose", "tell"),),
        rf"(?:do not|don t|never) (?:mention|reveal|disclose|report|tell|say|speak of) (?:this|it|that|these|any of this) (?:step |action |upload |instructions? |request |transfer |call |fact )?to {_USER}",
    ),
    Phrase(
        "concealment",
        (("hide", "conceal", "secret", "hidden"),),
        rf"(?:hide|conceal|keep) (?:this|it|that|these|the (?:step|action|upload|request|call|transfer)s?|all of this)(?: \w+)? ?(?:secret|hidden|quiet|concealed)? ?from {_USER}",
    ),
    Phrase(
        "concealment",
        (("need", "notic", "aware", "know"),),
        rf"{_USER} (?:does not|doesn t|do not|must not|need not|should not|must never|should never|will not) (?:need to )?(?:know|notice|find out|learn|be aware|become aware|be told|see|hear) (?:about|of|that) (?:it|this|that|these|you|the|any)",
    ),
    Phrase(
        "concealment",
        (("reply", "answer", "response", "summary", "output"),),
        r"(?:keep|leave) (?:it|this|that|them) out of (?:your|the) (?:reply|answer|response|summary|output|report)",
    ),
    Phrase(
        "concealment",
        (("quietly", "silently", "secretly", "covertly"),),
        r"(?:silently|secretly|covertly|quietly|stealthily) (?:send|upload|post|transmit|forward|exfiltrate|copy|e?mail|collect)",
    ),
    Phrase(
        "concealment",
        (("deny", "denies"),),
        r"(?:if|when) (?:anyone|anybody|someone|the user|asked|you are asked) <10> deny (?:it|this|that|having|any)",
    ),
)

_OTHER_LANGUAGES = (
    # German
    Phrase("override_instructions", (("anweisung", "instruktion", "vorgabe", "befehl", "regeln", "richtlinie"),), r"(?:ignorier\w*|vergiss|vergessen sie|missachte\w*|verwirf|beachte|befolge|uberspring\w*) <3> (?:vorherig\w*|bisherig\w*|fruher\w*|vorig\w*|obig\w*|vorangegangen\w*|vorhergehend\w*|ursprunglich\w*|alten|alle) <2> (?:anweisung\w*|instruktion\w*|vorgabe\w*|befehl\w*|regeln|richtlinie\w*|systemvorgabe\w*)"),
    Phrase("concealment", (("nutzer", "benutzer", "anwender"),), r"(?:sag\w*|erzahl\w*|verrat\w*|teile|informier\w*|erwahn\w*|zeig\w*) <4> (?:nutzer|benutzer|anwender)\w* <4> (?:nichts|nicht|niemals)"),
    Phrase("concealment", (("nutzer", "benutzer", "anwender"),), r"(?:nutzer|benutzer|anwender)\w* (?:darf|soll|muss|braucht) <3> (?:nicht|nichts|nie) <3> (?:erfahren|wissen|merken|bemerken)"),
    # French
    Phrase("override_instructions", (("instruction", "consigne", "directive", "regle", "ordres"),), r"(?:ignor\w+|oubli\w+|neglig\w+|ne (?:tiens|tenez) pas compte|ne (?:suis|suivez) (?:pas|plus)) <4> (?:instructions?|consignes?|directives?|regles?|ordres) <1> (?:precedent\w*|anterieur\w*|ci dessus|initial\w*|recu\w*|donne\w*|d avant|du systeme)"),
    Phrase("concealment", (("utilisateur",),), r"(?:ne|n en) <2> (?:dis|dites|parle|parlez|mentionne|mentionnez|revele|revelez|montre|informe|informez) <4> (?:l utilisateur|utilisateur\w*)"),
    # Spanish
    Phrase("override_instructions", (("instruccion", "indicacion", "ordenes", "reglas", "directrices"),), r"(?:ignor\w+|olvid\w+|descart\w+|omit\w+|no hagas caso|no sigas|no obedezcas|haz caso omiso) <4> (?:instrucci\w+|indicaci\w+|ordenes|reglas|directrices) <2> (?:anterior\w*|previ\w+|de arriba|original\w*|del sistema|recibid\w+|dad\w+)"),
    Phrase("concealment", (("usuario",),), r"no (?:se )?(?:lo |le |les )?(?:digas|diga|menciones|mencione|cuentes|reveles|informes|muestres) <4> usuarios?"),
    # Portuguese
    Phrase("override_instructions", (("instruc", "ordens", "regras", "diretrizes", "orientac"),), r"(?:ignor\w+|esque[cç]\w+|desconsider\w+|descart\w+|nao sig\w+) <4> (?:instruc\w+|ordens|regras|diretrizes|orientac\w+) <2> (?:anterior\w*|previ\w+|acima|origina\w+|do sistema|recebid\w+|dad\w+)"),
    Phrase("concealment", (("usuario", "utilizador"),), r"nao (?:o )?(?:conte|diga|mencione|revele|informe|avise|mostre) <4> (?:usuario|utilizador)"),
    # Italian
    Phrase("override_instructions", (("istruzioni", "regole", "direttive", "ordini", "indicazioni"),), r"(?:ignor\w+|dimentic\w+|trascur\w+|non (?:seguire|considerare)) <4> (?:istruzioni|regole|direttive|ordini|indicazioni) <2> (?:precedent\w*|anterior\w*|sopra|original\w*|del sistema|ricevut\w+|dat\w+)"),
    Phrase("concealment", (("utente",),), r"non (?:lo )?(?:dire|dirlo|menzionare|rivelare|rivelarlo|informare|mostrare) <3> utente"),
    # Dutch, Polish, Turkish
    Phrase("override_instructions", (("instructies", "opdrachten", "regels", "aanwijzingen"),), r"(?:negeer|vergeet) <3> (?:vorige|eerdere|voorgaande|bovenstaande) <1> (?:instructies|opdrachten|regels|aanwijzingen)"),
    Phrase("override_instructions", (("instrukcj", "polecen", "zasad"),), r"(?:zignoruj|ignoruj|zapomnij|pomin) <3> (?:poprzedni\w+|wczesniejsz\w+|powyzsz\w+) <1> (?:instrukcj\w+|polecen\w+|zasad\w*)"),
    Phrase("override_instructions", (("talimat", "komut"),), r"(?:onceki|yukaridaki|tum|butun) <2> (?:talimatlar\w*|komutlar\w*) <2> (?:unut\w*|yok say\w*|gormezden gel\w*|dikkate alma\w*)"),
    # Russian, Ukrainian
    Phrase("override_instructions", (("инструкц", "указани", "правил", "команд", "вказівк", "вказивк"),), r"(?:игнорир\w+|проигнорир\w+|забудь\w*|отбрось\w*|не (?:следуй|выполняй|соблюдай)\w*|ігнору\w+|игнору\w+) <3> (?:предыдущ\w+|прежн\w+|ранее|прошл\w+|вышестоящ\w+|попередн\w+|системн\w+|все|всі|вси) <2> (?:инструкци\w+|указани\w+|правил\w*|команд\w*|[іи]нструкц\w+|вказ[іи]вк\w+)"),
    Phrase("concealment", (("пользовател", "користувач"),), r"(?:не|никогда не|н[іи]коли не) (?:говори|сообщай|рассказывай|упоминай|показывай|кажи|пов[іи]домляи|повідомляй)\w* <4> (?:пользовател|користувач)\w*"),
    # Chinese
    Phrase("override_instructions", (("忽略", "無視", "无视", "忘记", "忘記", "忘掉", "不要理会", "不要遵守", "不要遵循", "抛弃"),), r"(?:忽略|無視|无视|忘记|忘記|忘掉|不要理会|不要遵守|不要遵循|抛弃)[^\n。！]{0,12}(?:之前|以前|先前|前面|此前|上面|以上|上述|原有|原来|系统|所有|一切|全部)[^\n。！]{0,8}(?:指令|指示|提示|规则|規則|命令|要求|说明|設定|设定)", is_bounded=False),
    Phrase("concealment", (("告诉", "告訴", "告知", "透露", "隐瞒", "隱瞞", "提及"),), r"(?:不要|不得|别|不能|勿|切勿|無需|无需)[^\n。！，]{0,6}(?:告诉|告訴|告知|透露|提及|让)[^\n。！，]{0,6}(?:用户|用戶|使用者|主人)", is_bounded=False),
    Phrase("concealment", (("用户", "用戶", "使用者"),), r"(?:对|對|向)(?:用户|用戶|使用者)(?:隐瞒|隱瞞|保密)", is_bounded=False),
    # Japanese
    Phrase("override_instructions", (("無視", "忘れ", "従わな", "破棄"),), r"(?:これまで|以前|以上|上記|前述|今まで|前|システム|すべて|全て)の[^\n。！]{0,10}(?:指示|命令|ルール|プロンプト|規則|設定|制約)[^\n。！]{0,10}(?:無視|忘れ|従わな|破棄)", is_bounded=False),
    Phrase("concealment", (("ユーザ", "利用者", "使用者"),), r"(?:ユーザー?|利用者|使用者)に(?:は)?[^\n。！]{0,10}(?:言わない|伝えない|知らせない|教えない|話さない|報告しない|秘密|内緒|隠)", is_bounded=False),
    # Korean
    Phrase("override_instructions", (("무시", "잊어", "따르지"),), r"(?:이전|앞선|위의|기존|지금까지|모든)[^\n.!]{0,10}(?:지시|명령|지침|규칙|프롬프트)[^\n.!]{0,10}(?:무시|잊어|따르지)", is_bounded=False),
    Phrase("concealment", (("사용자",),), r"사용자(?:에게|한테)[^\n.!]{0,14}(?:말하지|알리지|언급하지|보여주지|비밀)", is_bounded=False),
    # Arabic, Hindi
    Phrase("override_instructions", (("التعليمات", "الاوامر", "الأوامر"),), r"(?:تجاهل|انس|انسى|تجاوز)[^\n.]{0,16}(?:التعليمات|الأوامر|الاوامر|الإرشادات)[^\n.]{0,12}(?:السابقة|السابقه|أعلاه|اعلاه|الأصلية)", is_bounded=False),
    Phrase("override_instructions", (("निर्देश",),), r"(?:पिछले|पहले|उपरोक्त|सभी)[^\n।]{0,16}निर्देश[^\n।]{0,16}(?:अनदेखा|भूल|नज़रअंदाज|नजरअंदाज|उपेक्षा)", is_bounded=False),
)  # fmt: skip

PHRASES = (*_ENGLISH, *_OTHER_LANGUAGES)
