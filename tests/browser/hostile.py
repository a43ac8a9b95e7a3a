"""Texts of strangers that would do harm on a page which does not escape them, and how it is seen that they did not."""

from __future__ import annotations

FLAG = "harmed"  # a script of theirs sets it on `window`
MARK = "of-a-stranger"  # every element of theirs has it as its class
SUM = "{{1330*7}}stranger"  # 9310stranger where a template reads it
SUM_READ = "9310stranger"
RTL = "\u05e9\u05dc\u05d5\u05dd \u05e2\u05d5\u05dc\u05dd 123"
TURNED = "invoice\u202egpj.exe"  # the override shows what comes after it from right to left
TURNING = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f"  # none of it may reach a page
UNSEEN = "\u200b\u200c\u200d\u2060\ufeff\u00ad"  # nor of this, but for the joiner inside an emoji

NAME_TO_TEXT = {
    "script": f'<script class="{MARK}">window.{FLAG} = "script"</script>',
    "image": f'<img class="{MARK}" src="x" onerror="window.{FLAG} = \'image\'">',
    "attribute": f'" autofocus onfocus="window.{FLAG} = \'attribute\'" class="{MARK}',
    "quote": f"' onmouseover='window.{FLAG} = \"quote\"' class='{MARK}",
    "title": f'</title></textarea></svg><script class="{MARK}">window.{FLAG} = "title"</script>',
    "svg": f'<svg class="{MARK}" onload="window.{FLAG} = \'svg\'"><animate onbegin="window.{FLAG} = 1"/></svg>',
    "address": f"javascript:window.{FLAG}='address'",
    "htmx": f'<div class="{MARK}" hx-get="/console/budgets" hx-trigger="load" hx-on:load="window.{FLAG} = 1">x</div>',
    "style": f'<style class="{MARK}">* {{ display: none !important }}</style>',
    "comment": f'--><b class="{MARK}">bold</b><!--',
    "template": f"{SUM} {{% raw %}} ${{7*7}} #{{7*7}} <%= 7*7 %>",
    "entity": f"&lt;script class={MARK}&gt;window.{FLAG} = 1&lt;/script&gt; &#60;b&#62;",
    "turned": TURNED,
    "isolated": f"\u2067{RTL}\u2069 and \u200f!",
    "unseen": "ad\u200bmin\u2060 us\ufeffer",
    "control": "bell\u0007 escape\u001b[31mred\u001b[0m back\u0008space\r\nnew line\ttab",
    "replaced": "null\u0000byte",
    "rtl": RTL,
    "emoji": "\U0001f600 \U0001f469\u200d\U0001f469\u200d\U0001f467",
    "marks": "Z\u0337\u0351\u035d" * 40,
    "wide": "W" * 3000,
}
ALL = "\n".join(NAME_TO_TEXT.values())
LONG_LINE_BYTES = 1_000_000
ON_ONE_LINE = " ".join(
    text for name, text in NAME_TO_TEXT.items() if name not in ("control", "replaced", "marks", "wide")
)
