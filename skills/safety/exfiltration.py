"""Finds commands and requests that carry secrets, the conversation or a shell to another machine."""

from __future__ import annotations

import re
from collections.abc import Iterator

from skills.safety.exfiltration_phrases import PHRASES
from skills.safety.passage import Passage
from skills.safety.phrases import Phrases
from storage.skill_records import Finding

_PHRASES = Phrases(PHRASES)
_MOST = 60  # places of one kind that are looked at
_AROUND = 220  # characters on either side of a secret in which a way out counts
_SECRET = re.compile(
    r"\.ssh/(?:id_|\*|authorized|config|\s)|\bid_(?:rsa|ed25519|ecdsa)\b(?!\.pub)|\.aws/credentials|/etc/shadow|\.netrc\b|\.kube/config|"
    r"\.docker/config\.json|\.git-credentials|\.npmrc\b|\.pypirc\b|\bprintenv\b|(?:^|[\s`;&|(])env\s{0,3}[|>]|dict\(os[.]environ\)|dumps\((?:dict\()?os[.]environ|"
    r"=\s?os[.]environ[,)\s]|stringify\(process\.env\)|body: ?process\.env\b|get-childitem env:|login ?data\b|cookies\.sqlite|"
    r"document\.cookie|dump-keychain|find-generic-password|wallet\.dat|seed phrase|\.config/gcloud|\.bash_history|\.zsh_history|cat [\w./~-]{0,30}\.env\b|"
    r"@[\w./~-]{0,30}\.env\b|open\(['\"][\w./~-]{0,30}\.env['\"]|/proc/self/environ"
)
_WAY_OUT = re.compile(
    r"curl[^\n]{0,120}(?:\s-d\b|--data|\s-f\b|\s-t\b|--upload|--form|-x ?post|\?\w{1,20}=\$|@-)|wget[^\n]{0,80}--post|requests\.(?:post|put)\(|"
    r"httpx\.post\(|urlopen\(|axios\.post\(|sendbeacon\(|fetch\([^\n]{0,80}(?:post|\+|\$\{)|\bnc\s{1,3}(?:-\w{1,4}\s{1,3}){0,2}[\w.-]{4,60}\s{1,3}\d{2,5}|"
    r"\bscp\s[^\n]{1,80}@[^\n]{1,60}:|\brsync\s[^\n]{1,80}@|smtp|sendmail|invoke-(?:webrequest|restmethod)|new image\(\)|"
    r"/dev/tcp/|https?://[^\s)\"']{1,120}[?&]\w{1,20}=(?:\$|\{|'\s?\+|\"\s?\+|`)"
)
_DUMP_HOST = re.compile(
    r"webhook\.site|requestbin|requestcatcher\.com|pipedream\.net|\bngrok(?:-free)?\.(?:io|app|dev)|hookbin\.com|beeceptor\.com|burpcollaborator|"
    r"\boast\.(?:fun|me|live|site|pro|online)|oastify\.com|interact\.sh|dnslog\.cn|ceye\.io|pastebin\.com/api|transfer\.sh|0x0\.st|\bfile\.io\b|"
    r"termbin\.com|serveo\.net|loca\.lt\b|trycloudflare\.com|discord(?:app)?\.com/api/webhooks/\d|api\.telegram\.org/bot|paste\.rs|ix\.io|"
    r"postb\.in|webhookrelay|hastebin|canarytokens|x\.pipedream"
)
_SHELL_PIPE = re.compile(
    r"(?:curl|wget|fetch|iwr|invoke-webrequest|irm)\b[^\n|]{0,80}?(?:https?|ftp)://([^\s|]{1,120})(?:\s[^\n|]{0,60})?\|\s{0,4}(?:sudo\s{1,3}(?:-\w{1,3}\s){0,2})?"
    r"(?:env\s\S{1,40}\s)?(?:ba|z|da|k)?sh\b|(?:ba|z)?sh\s{1,3}(?:-c\s{1,3})?[\"']?(?:<\(|\$\()\s{0,3}(?:curl|wget)\b[^\n]{0,80}?(?:https?)://([^\s)]{1,200})|"
    r"(?:curl|wget)\b[^\n|]{0,80}?(?:https?)://([^\s|]{1,120})(?:\s[^\n|]{0,60})?\|\s{0,4}(?:sudo\s)?(?:python[23]?|perl|ruby|node|php|base64|iex)\b|"
    r"(?:iex|invoke-expression)\s{0,3}\(?[^\n]{0,80}(?:iwr|irm|downloadstring|webrequest)[^\n]{0,40}https?://([^\s)\"']{1,200})"
)
_RAW_ADDRESS = re.compile(r"(?:[\w.-]{1,40}@)?(?:\d{1,3}\.){3}\d{1,3}\b|\[[0-9a-f:]{3,40}\]|0x[0-9a-f]{8}|\d{9,10}[/:]")
_LOCAL = re.compile(
    r"(?:localhost|127\.|0\.0\.0\.0|10\.|192\.168\.|172\.(?:1[6-9]|2\d|3[01])\.|\[::1\]|<|\$|your|example)"
)
_DOUBTFUL = re.compile(
    r"(?:bit\.ly|tinyurl\.com|t\.co|is\.gd|goo\.gl|pastebin\.com|paste\.rs|ix\.io|transfer\.sh|0x0\.st|\S{0,60}ngrok|\S{0,60}trycloudflare|\S{0,60}loca\.lt|\S{0,60}\.onion|gist\.githubusercontent)"
)
_BEACON = re.compile(
    r"(?:!\[[^\]\[\n]{0,200}\]\(|<img[^>\n]{0,100}?src=[\"']?)\s{0,3}(?:https?:)?//([^)\s\"'>]{1,400})"
)
_PLACEHOLDER = re.compile(r"(?:\{\{?|<|\$\{?|%7b|\[)\s?([a-z_.-]{2,60})")
_DATA_WORD = re.compile(
    r"secret|token|passw|credential|api.?key|conversation|history|summary|user.?(?:message|input|prompt|data|query)|session|"
    r"env\b|cookie|system.?prompt|context|private|base64|encoded|answer|response|memory|email|data\b|message|content|last_|stolen|chat"
)
_QUERY = re.compile(r"[?&][\w.-]{1,30}=")
_DNS = re.compile(
    r"\b(?:(?:dig|nslookup|ping|resolvectl query)\s[^\n]{0,60}?|host\s(?:-t\s\w{1,5}\s)?)(?:[$`{][^\s;|]{1,60}|\$\([^\n)]{1,80}\)|`[^\n`]{1,80}`)\.[a-z0-9][a-z0-9.-]{1,60}\.?[a-z]{2,10}|gethostbyname\([^)\n]{0,80}\+|resolve\([^)\n]{0,60}\+\s{0,3}['\"]\."
)
_DNS_DATA = re.compile(
    r"xxd|base64|base32|\.hex\(\)|hexlify|credential|secret|\.ssh|whoami|\benv\b|passw|token|/etc/|\bod -|\$\(hostname|id_rsa|\.env\b"
)
_REVERSE_SHELL = re.compile(
    r"(?:ba|z)?sh\s{1,3}-i\b[^\n]{0,40}/dev/(?:tcp|udp)/|/dev/tcp/[^\s]{3,60}/\d{2,5}[^\n]{0,30}(?:0>&1|<&1)|\b(?:nc|ncat|netcat)\b[^\n]{0,60}\s-(?:\w{0,3}e|c)\s{1,3}(?:/bin/)?(?:ba|z)?sh|"
    r"mkfifo[^\n]{0,120}\|\s{0,3}(?:/bin/)?(?:ba)?sh[^\n]{0,80}\b(?:nc|ncat|openssl)\b|os\.dup2\(\s{0,3}\w{1,10}\.fileno|\bsocat\b[^\n]{0,80}exec:|"
    r"new-object\s{1,3}(?:system\.)?net\.sockets\.tcpclient|php\s{1,3}-r[^\n]{0,40}fsockopen"
)


def find_exfiltration(passage: Passage) -> Iterator[Finding]:
    for match in _PHRASES.matches(passage):
        is_harmless = passage.is_negated(match.start) or passage.is_taught(match.start, match.end)
        yield passage.finding(match.rule, match.start, match.end, "note" if is_harmless else "quarantine")
    for needs, find in _NEEDED:
        if any(word in passage.lowered for word in needs):
            yield from find(passage)


def _found(pattern: re.Pattern[str], text: str) -> Iterator[re.Match[str]]:
    for count, match in enumerate(pattern.finditer(text)):
        if count >= _MOST:
            return
        yield match


def _finding(passage: Passage, rule: str, start: int, end: int) -> Finding:
    """Attack tools that are explained are notes, whether in a fence or not."""
    taught = passage.is_quoted(start) and passage.speaks_of_attacks(start, end)
    return passage.finding(rule, start, end, "note" if taught else "quarantine")


def _shells(passage: Passage) -> Iterator[Finding]:
    for match in _found(_REVERSE_SHELL, passage.lowered):
        yield _finding(passage, "reverse_shell", *match.span())


def _secrets(passage: Passage) -> Iterator[Finding]:
    """A secret and a way out close together."""
    text = passage.lowered
    for secret in _found(_SECRET, text):
        if _WAY_OUT.search(text, max(0, secret.start() - _AROUND), secret.end() + _AROUND):
            yield _finding(passage, "secret_upload", *secret.span())


def _piped(passage: Passage) -> Iterator[Finding]:
    """An installer from a named host over TLS is how the world installs; a bare address or a paste is not."""
    if not any(mark in passage.lowered for mark in ("|", "<(", "$(", "iex", "invoke-expression")):
        return
    for match in _found(_SHELL_PIPE, passage.lowered):
        target = next(filter(None, match.groups()))
        if _LOCAL.match(target):
            continue
        is_doubtful = _RAW_ADDRESS.match(target) or _DOUBTFUL.match(target)
        if is_doubtful:
            yield _finding(passage, "pipe_to_shell", *match.span())
        else:
            yield passage.finding("pipe_to_shell", *match.span(), "note")


def _dump_hosts(passage: Passage) -> Iterator[Finding]:
    text = passage.lowered
    for match in _found(_DUMP_HOST, text):
        around = text[max(0, match.start() - _AROUND) : match.end() + _AROUND]
        if _SECRET.search(around):
            yield _finding(passage, "dump_host", *match.span())
        else:
            yield passage.finding("dump_host", *match.span(), "note")


def _beacons(passage: Passage) -> Iterator[Finding]:
    for match in _found(_BEACON, passage.lowered):
        if not _QUERY.search(match[1]):
            continue
        names = _PLACEHOLDER.findall(match[1].partition("?")[2])
        if any(_DATA_WORD.search(name) for name in names):
            yield _finding(passage, "image_beacon", *match.span())


def _lookups(passage: Passage) -> Iterator[Finding]:
    text = passage.lowered
    for match in _found(_DNS, text):
        if _DNS_DATA.search(text, max(0, match.start() - _AROUND), match.end() + _AROUND):
            yield _finding(passage, "dns_exfiltration", *match.span())


# words without which the pattern of the function cannot match
_NEEDED = (
    ((".ssh/", "id_rsa", "id_ed25519", "id_ecdsa", ".aws/credentials", "/etc/shadow", ".netrc", ".kube/config", ".docker/config", ".git-credentials", ".npmrc", ".pypirc", "printenv", "env |", "env|", "env >", "env>", "environ", "process.env", "get-childitem env", "login data", "logindata", "cookies.sqlite", "document.cookie", "generic-password", "keychain", "wallet.dat", "seed phrase", ".config/gcloud", "_history", ".env", "/proc/self", "keychain"), _secrets),
    (("curl", "wget", "iwr", "irm", "webrequest", "fetch", "downloadstring"), _piped),
    (("webhook", "requestbin", "requestcatcher", "pipedream", "ngrok", "hookbin", "beeceptor", "burpcollab", "oast", "interact.sh", "dnslog", "ceye", "paste", "transfer.sh", "0x0", "file.io", "termbin", "serveo", "loca.lt", "trycloudflare", "api.telegram", "ix.io", "postb.in", "canarytokens"), _dump_hosts),
    (("![", "<img"), _beacons),
    (("/dev/tcp", "/dev/udp", "nc ", "ncat", "netcat", "mkfifo", "dup2", "socat", "tcpclient", "fsockopen"), _shells),
    (("dig ", "nslookup", "host ", "ping ", "resolv", "gethostbyname"), _lookups),
)  # fmt: skip
