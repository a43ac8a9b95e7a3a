"""Arithmetic on an expression that a model wrote, with a bound on every step."""

from __future__ import annotations

import ast
import math
import operator
import re
from collections.abc import Callable
from functools import reduce

MAX_CHARACTERS = 300
MAX_DIGITS = 100  # of any number on the way
MAX_NESTING = 60  # operations within operations
MAX_FACTORIAL = 69  # 69! is the last one below 10**MAX_DIGITS

# Only these characters and words reach the parser: no strings, no attributes, no subscripts, no assignment.
_TOKEN = re.compile(r"\s+|(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d{1,3})?(?![\w.])|[a-z_][a-z0-9_]*(?![\w.])|\*\*|//|[-+*/%(),]")
_TYPOGRAPHY = str.maketrans({"×": "*", "·": "*", "÷": "/", "−": "-", "–": "-", "$": " ", "€": " ", "£": " "})

Number = int | float


def calculator(expression: str) -> Number:
    """Calculate with plain numbers (no units, no dates), such as "17 * 23 + 5", "15% of 240" or "sqrt(2) ** 3".

    Knows + - * / // % **, parentheses, pi, e and the functions below. Raises ValueError for anything else, for numbers
    of more than MAX_DIGITS digits and for expressions longer than MAX_CHARACTERS.
    """
    if len(expression) > MAX_CHARACTERS:
        raise ValueError(f"the expression has {len(expression)} characters; at most {MAX_CHARACTERS} are calculated.")
    text = _normal(expression)
    _refuse_unknown_words(text)
    try:
        value = _evaluator_result(text)
    except ZeroDivisionError as exc:
        raise ValueError(f"{text!r} divides by zero.") from exc
    except (OverflowError, RecursionError) as exc:
        raise ValueError(f"{text!r} is too large to calculate.") from exc
    except (SyntaxError, TypeError, MemoryError) as exc:
        raise ValueError(f"{text!r} is not a whole arithmetic expression: {exc}.") from exc
    return _bounded(value)


def _normal(expression: str) -> str:
    """As Python writes it: `3 × 4 =`, `2^10`, `1,234`, `15% of 240` become `3 * 4`, `2**10`, `1234`, `15/100*240`."""
    text = expression.translate(_TYPOGRAPHY).strip().rstrip("=?").strip().lower().replace("^", "**")
    text = re.sub(r"(?<=\d)\s*%\s*of\b", "/100*", text)
    text = re.sub(r"(?<=\d)(?<!\b0)\s*x\s*(?=\d)", "*", text)
    text = re.sub(r"(?<=\d)\s*%(?=\s*(?:$|[)*]))", "/100", text)
    if not re.search(r"[a-z]\s*\(", text):  # in max(1,234) the comma is no thousands separator
        text = re.sub(r"(?<=\d),(?=\d{3}(?!\d))", "", text)
    return text


def _refuse_unknown_words(text: str) -> None:
    place = 0
    while place < len(text):
        found = _TOKEN.match(text, place)
        if found is None:
            raise ValueError(f"{text[place : place + 20]!r} is not arithmetic; only numbers, operators and ( ) are.")
        word = found.group()
        if word[0].isalpha() and word not in _FUNCTIONS and word not in _NAMES:
            known = ", ".join(sorted([*_FUNCTIONS, *_NAMES]))
            raise ValueError(f"{word!r} is neither a number nor an operator; words that may be used: {known}.")
        place = found.end()


def _evaluator_result(text: str) -> object:
    from simpleeval import InvalidExpression, SimpleEval

    tree = ast.parse(text, mode="eval").body
    if _depth(tree) > MAX_NESTING:
        raise ValueError(f"the expression is nested more than {MAX_NESTING} deep.")
    evaluator = SimpleEval(operators=_OPERATORS, functions=_FUNCTIONS, names=_NAMES)
    allowed = (ast.BinOp, ast.UnaryOp, ast.Call, ast.Constant, ast.Name)
    evaluator.nodes = {kind: handler for kind, handler in evaluator.nodes.items() if kind in allowed}
    try:
        return evaluator.eval(text, previously_parsed=tree)
    except InvalidExpression as exc:
        raise ValueError(f"{text!r} is not arithmetic: {exc}") from exc


def _depth(tree: ast.AST) -> int:
    """Levels of the tree, counted without recursion."""
    level, depth = [tree], 0
    while level:
        level = [child for node in level for child in ast.iter_child_nodes(node)]
        depth += 1
    return depth


def _bounded(value: object) -> Number:
    """The value, if it is a real, finite number of bounded length."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("the result is not a real number.")
    if not math.isfinite(value) or abs(value) >= 10**MAX_DIGITS:
        raise ValueError(f"a number on the way has more than {MAX_DIGITS} digits.")
    return value


def _checked(operation: Callable[..., object]) -> Callable[..., Number]:
    return lambda *numbers: _bounded(operation(*(_bounded(number) for number in numbers)))


def _divided(a: Number, b: Number) -> Number:
    """Whole where it comes out even, so that large whole numbers keep all digits."""
    if isinstance(a, int) and isinstance(b, int) and a % b == 0:
        return a // b
    return a / b


def _power(base: Number, exponent: Number) -> object:
    if abs(base) > 1 and exponent * math.log10(abs(base)) > MAX_DIGITS:
        raise ValueError(f"{base} ** {exponent} has more than {MAX_DIGITS} digits.")
    return base**exponent


def _factorial(number: int) -> int:
    if not isinstance(number, int) or not 0 <= number <= MAX_FACTORIAL:
        raise ValueError(f"factorial takes whole numbers from 0 to {MAX_FACTORIAL}, not {number}.")
    return math.factorial(number)


def _least_common_multiple(*numbers: int) -> Number:
    return reduce(lambda a, b: int(_bounded(math.lcm(a, b))), numbers, 1)


def _sum(*numbers: Number) -> Number:
    return sum(numbers)


def _combinations(n: int, k: int) -> int:
    if not (isinstance(n, int) and isinstance(k, int) and k >= 0 and 0 <= n <= 300):
        raise ValueError(f"comb takes whole numbers up to 300, not {n} and {k}.")
    return math.comb(n, k)


_OPERATORS: dict[type[ast.AST], Callable[..., Number]] = {
    ast.Add: _checked(operator.add),
    ast.Sub: _checked(operator.sub),
    ast.Mult: _checked(operator.mul),
    ast.Div: _checked(_divided),
    ast.FloorDiv: _checked(operator.floordiv),
    ast.Mod: _checked(operator.mod),
    ast.Pow: _checked(_power),
    ast.USub: _checked(operator.neg),
    ast.UAdd: _checked(operator.pos),
}
_UNCHECKED: dict[str, Callable[..., object]] = {
    "abs": abs,
    "ceil": math.ceil,
    "comb": _combinations,
    "cos": math.cos,
    "exp": math.exp,
    "factorial": _factorial,
    "floor": math.floor,
    "gcd": math.gcd,
    "lcm": _least_common_multiple,
    "log": math.log,
    "log10": math.log10,
    "log2": math.log2,
    "max": max,
    "min": min,
    "round": round,
    "sin": math.sin,
    "sqrt": math.sqrt,
    "sum": _sum,
    "tan": math.tan,
}
_FUNCTIONS = {name: _checked(function) for name, function in _UNCHECKED.items()}
_NAMES: dict[str, Number] = {"pi": math.pi, "e": math.e}
