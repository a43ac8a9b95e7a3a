"""Says whether a pattern fits a text: JSON on stdin, a word on stdout; a script, so that it can be stopped."""

import json
import re
import sys

asked = json.load(sys.stdin)
try:
    pattern = re.compile(asked["pattern"], 0 if asked["is_case_sensitive"] else re.IGNORECASE)
except (re.error, RecursionError, OverflowError, MemoryError, ValueError) as error:
    sys.stdout.write(f"refused {str(error)[:200]}")
else:
    find = pattern.fullmatch if asked["is_whole"] else pattern.search
    sys.stdout.write("fits" if find(asked["text"]) else "does not fit")
