"""Finds runs that hide text or programs in base64, hexadecimal, escapes or compression, and scripts in URIs."""

from __future__ import annotations

import base64
import binascii
import math
import re
import zlib
from collections import Counter
from collections.abc import Callable, Iterator

from skills.safety.passage import Passage
from storage.skill_records import Finding

_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{40,}={0,2}")
_HEX = re.compile(r"\b[0-9a-fA-F]{64,}")
_SPACED_HEX = re.compile(
    r"(?:\\x|0x|%|\b)[0-9a-fA-F]{2}(?:[ :]|, ?)?(?:(?:\\x|0x|%|\b)[0-9a-fA-F]{2}(?:[ :]|, ?)?){23,}"
)
_HEX_DUMP = re.compile(r"(?:\b[0-9a-fA-F]{2}[ :]){8}")
_CODES = re.compile(r"(?:\b\d{2,3}\s{0,2},\s{0,2}){24,}\d{2,3}\b")
_SPLIT = re.compile(r"['\"][ \t]{0,40}(?:[+\\.]|\r?\n|[ \t]|,){1,6}[ \t]{0,40}['\"]")
_WRAPPED = re.compile(r"(?<=[A-Za-z0-9+/]{40})\r?\n[ \t>]{0,12}(?=[A-Za-z0-9+/]{8,}={0,2}[ \t]{0,8}(?:\r?\n|$))")
_SCRIPT_URI = re.compile(
    r"data:(?:text/html|image/svg\+xml|text/javascript|application/(?:javascript|x-javascript|xhtml\+xml|hta))"
    r"(?:;charset=[\w-]{1,20})?(;base64)?,([^\s\"'`)]{10,})|\]\(\s{0,3}(?:javascript|vbscript):[^)\n]{4,}"
)
_SCRIPT = re.compile(
    r"<script|javascript:|\bon(?:load|error|click|mouseover|begin)\s{0,3}=|fetch\(|document\.cookie|eval\(|%3cscript"
)
_PROGRAM_STARTS = (b"\x7fELF", b"MZ\x90", b"MZP", b"\xca\xfe\xba\xbe", b"\xfe\xed\xfa", b"\xcf\xfa\xed\xfe", b"\x00asm", b"\xd0\xcf\x11\xe0", b"PK\x03\x04")  # fmt: skip
_MEDIA_STARTS = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"RIFF", b"wOF", b"%PDF", b"\x00\x01\x00\x00", b"OTTO", b"\x00\x00\x01\x00", b"ID3", b"<svg", b"<?xml")  # fmt: skip
_ACTIVE = re.compile(
    r"https?://|\bcurl\b|\bwget\b|\bexec\b|\beval\b|os\.system|subprocess|child_process|/bin/(?:ba)?sh|powershell|\brm -rf|"
    r"<script|\.ssh\b|id_rsa|\.env\b|\.aws\b|/dev/tcp|import os|__import__|invoke-|\bnc -|document\.cookie|\bsudo\b|\bbash\b|"
    r"ignor\w{0,4} |disregard|forget |instruction|system prompt|api.?key|password|secret|do not tell|credentials|delete|"
    r"send |upload|you are now|assistant"
)
_MOST, _LONGEST = 400, 200_000  # runs looked at; characters of a run that are decoded
_LAYERS = 3
_ENTROPY_RUN = re.compile(r"[^\s\"'`<>(){}|]{400,}")
_ENTROPY_BITS = 5.3  # a character; base64 of random bytes has nearly 6, English prose 4.2


def find_encoded(passage: Passage) -> Iterator[Finding]:
    text = passage.text
    yield from _script_uris(passage)
    found = {finding.offset: finding for finding in _runs(passage, text)}
    if _SPLIT.search(text) or _WRAPPED.search(text):
        for finding in _runs(passage, _WRAPPED.sub("", _SPLIT.sub("", text))):
            found.setdefault(finding.offset, finding)
    yield from found.values()
    yield from _random_looking(passage, {offset for offset in found})


def _runs(passage: Passage, text: str) -> Iterator[Finding]:
    for pattern, decode in _decoders(text):
        for count, run in enumerate(pattern.finditer(text)):
            if count >= _MOST:
                break
            rule, is_active = _judged(decode(run[0][:_LONGEST]))
            if rule:
                start = run.start() if text is passage.text else max(0, passage.text.find(run[0][:16]))
                is_harmless = not is_active or (
                    passage.speaks_of_attacks(start, start + 40) and passage.is_quoted(start)
                )
                yield passage.finding(rule, start, start + 60, "note" if is_harmless else "quarantine")


def _decoders(text: str) -> Iterator[tuple[re.Pattern[str], Callable[[str], bytes]]]:
    yield _BASE64, _from_base64
    yield _HEX, _from_hex
    if max(map(text.count, ("\\x", "0x", "%"))) >= 24 or _HEX_DUMP.search(text):
        yield _SPACED_HEX, _from_hex
    if text.count(",") >= 24:
        yield _CODES, _from_codes


def _judged(data: bytes, layers: int = _LAYERS) -> tuple[str, bool]:
    """The rule that the bytes break, or none, and whether what they hold acts."""
    if data.startswith(_PROGRAM_STARTS):
        return "encoded_program", True
    if len(data) < 12 or data.startswith(_MEDIA_STARTS) or not layers:
        return "", False
    if data[:2] in (b"\x1f\x8b", b"x\x9c", b"x\xda", b"x\x01"):
        rule, is_active = _judged(_unpacked(data), layers - 1)
        return ("encoded_program" if rule else ""), is_active
    words = _as_text(data)
    if inner := _BASE64.fullmatch(words.strip()):
        return _judged(_from_base64(inner[0]), layers - 1)
    lowered = words.lower()
    is_drawing = lowered.lstrip().startswith(("{", "<svg", "<?xml")) and not _SCRIPT.search(lowered)
    if not words or is_drawing:  # tokens of JSON are none either
        return "", False
    return "encoded_text", _ACTIVE.search(lowered) is not None


def _as_text(data: bytes) -> str:
    """Empty where it is not text: readable characters, and spaces or marks of code among them."""
    for encoding in ("utf-8", "utf-16-le"):
        try:
            words = data.decode(encoding)
        except UnicodeDecodeError:
            words = data[: len(data) // 8 * 8 - 4].decode(encoding, "ignore") if encoding == "utf-8" else ""
            if len(words) < 0.9 * len(data):
                continue
        readable = sum(character.isprintable() or character in "\n\r\t" for character in words[:2000])
        ascii_share = sum(character < "\x7f" for character in words[:2000]) / max(1, len(words[:2000]))
        if words and readable >= 0.97 * len(words[:2000]) and ascii_share > 0.5:
            return words
    return ""


def _from_base64(run: str) -> bytes:
    plain = run.rstrip("=").replace("-", "+").replace("_", "/")
    plain = plain[: len(plain) - (len(plain) % 4 == 1)]
    try:
        return base64.b64decode(plain + "=" * (-len(plain) % 4))
    except binascii.Error:
        return b""


def _from_hex(run: str) -> bytes:
    digits = re.sub(r"\\x|0x|[^0-9a-fA-F]", "", run)
    return bytes.fromhex(digits[: len(digits) // 2 * 2])


def _from_codes(run: str) -> bytes:
    return bytes(code for code in map(int, re.findall(r"\d+", run)) if code < 256)


def _unpacked(data: bytes) -> bytes:
    try:
        return zlib.decompressobj(wbits=47).decompress(data, _LONGEST)  # gzip or zlib, never more than that
    except zlib.error:
        return b""


def _script_uris(passage: Passage) -> Iterator[Finding]:
    if "data:" not in passage.lowered and "script:" not in passage.lowered:
        return
    for count, found in enumerate(_SCRIPT_URI.finditer(passage.text)):
        if count >= _MOST:
            return
        content = found[2] or found[0]
        if found[1]:
            content = _from_base64(content[:_LONGEST]).decode("utf-8", "replace")
        if _SCRIPT.search(content.lower()):
            taught = passage.is_taught(*found.span())
            yield passage.finding("script_uri", *found.span(), "note" if taught else "quarantine")


def _random_looking(passage: Passage, known: set[int]) -> Iterator[Finding]:
    for count, run in enumerate(_ENTROPY_RUN.finditer(passage.text)):
        if count >= _MOST:
            return
        if run.start() not in known and _bits(run[0][:4000]) >= _ENTROPY_BITS:
            yield passage.finding("high_entropy", *run.span())


def _bits(run: str) -> float:
    counts = Counter(run)
    return -sum(count / len(run) * math.log2(count / len(run)) for count in counts.values())
