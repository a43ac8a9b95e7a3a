"""Short Python programs whose output is asked for; the right one is computed beside the text, not by running it."""

from __future__ import annotations

from orchestrator.demo.dice import Dice
from orchestrator.demo.draft import Draft, exactly
from orchestrator.demo.words import WORDS

_PHRASINGS = (
    "What does this Python program print?\n{}\nOutput only.",
    "Give the output of this code.\n{}\nExact output only.",
    "{}\nWhat is printed? Just the output.",
    "Run this in your head: what is the output?\n{}\nOutput only.",
)


def code_question(dice: Dice) -> Draft:
    program, output = dice.pick(_PROGRAMS)(dice)
    return Draft(
        subject=program,
        text=dice.pick(_PHRASINGS).format(program),
        checker=exactly(output, is_case_sensitive=True),
    )


def _digits(dice: Dice, count: int, *, high: int = 9) -> list[int]:
    return dice.some(range(1, high + 1), count)


def _slice(dice: Dice) -> tuple[str, str]:
    word, length = dice.pick(WORDS), dice.whole(2, 4)
    return f'print("{word}"[:{length}])', word[:length]


def _list_slice(dice: Dice) -> tuple[str, str]:
    values, start = _digits(dice, 5), dice.whole(1, 3)
    return f"x = {values}\nprint(x[{start}:])", str(values[start:])


def _last_item(dice: Dice) -> tuple[str, str]:
    values, place = _digits(dice, 5, high=40), dice.whole(1, 3)
    return f"x = {values}\nprint(x[-{place}])", str(values[-place])


def _sorted_list(dice: Dice) -> tuple[str, str]:
    values = _digits(dice, 4, high=30)
    is_reverse = bool(dice.whole(0, 1))
    ending = ", reverse=True" if is_reverse else ""
    return f"print(sorted({values}{ending}))", str(sorted(values, reverse=is_reverse))


def _comprehension(dice: Dice) -> tuple[str, str]:
    values, factor = _digits(dice, 3), dice.whole(2, 5)
    return f"print([n * {factor} for n in {values}])", str([n * factor for n in values])


def _evens(dice: Dice) -> tuple[str, str]:
    values, divisor = _digits(dice, 5, high=20), dice.whole(2, 3)
    program = f"print([n for n in {values} if n % {divisor} == 0])"
    return program, str([n for n in values if n % divisor == 0])


def _loop_sum(dice: Dice) -> tuple[str, str]:
    end, start = dice.whole(4, 7), dice.whole(0, 9)
    program = f"t = {start}\nfor i in range({end}):\n    t += i\nprint(t)"
    return program, str(start + sum(range(end)))


def _length(dice: Dice) -> tuple[str, str]:
    values, extra = _digits(dice, dice.whole(3, 6), high=30), dice.whole(1, 9)
    return f"x = {values}\nx.append({extra})\nprint(len(x))", str(len(values) + 1)


def _dictionary(dice: Dice) -> tuple[str, str]:
    a, b = dice.some(WORDS, 2)
    m, n, step = dice.whole(2, 20), dice.whole(2, 20), dice.whole(1, 9)
    program = f'd = {{"{a}": {m}, "{b}": {n}}}\nd["{b}"] += {step}\nprint(d["{b}"])'
    return program, str(n + step)


def _joined(dice: Dice) -> tuple[str, str]:
    words, mark = dice.some(WORDS, 3), dice.pick("-+/_")
    return f'print("{mark}".join({words}))', mark.join(words)


def _replaced(dice: Dice) -> tuple[str, str]:
    word = dice.pick(WORDS)
    old, new = dice.pick(word), dice.pick("xyz")
    return f'print("{word}".replace("{old}", "{new}"))', word.replace(old, new)


def _branch(dice: Dice) -> tuple[str, str]:
    value, limit = dice.whole(3, 40), dice.whole(3, 40)
    high, low = dice.some(WORDS, 2)
    program = f'n = {value}\nif n > {limit}:\n    print("{high}")\nelse:\n    print("{low}")'
    return program, high if value > limit else low


_PROGRAMS = (
    _slice,
    _list_slice,
    _last_item,
    _sorted_list,
    _comprehension,
    _evens,
    _loop_sum,
    _length,
    _dictionary,
    _joined,
    _replaced,
    _branch,
)
