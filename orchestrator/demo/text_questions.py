"""Facts, letters and words, and looking things up in a short text."""

from __future__ import annotations

import json

from orchestrator.checkers import Checker
from orchestrator.demo.dice import Dice
from orchestrator.demo.draft import Draft, exactly, number
from orchestrator.demo.facts import TOPIC_TO_FACTS, TOPIC_TO_PHRASINGS
from orchestrator.demo.words import SHORT_WORDS, WORDS

NAMES = ("Ada", "Ben", "Cleo", "Dan", "Eve", "Finn", "Gina", "Hugo", "Iris", "Jack", "Kim", "Leo", "Mia", "Noah", "Zoe")
THINGS = ("apples", "books", "coins", "eggs", "keys", "lamps", "pens", "shells", "stamps", "tickets")
CITIES = ("Rome", "Paris", "Oslo", "Cairo", "Lima", "Delhi", "Tokyo", "Bern")
_FACTS = [(topic, fact) for topic, facts in TOPIC_TO_FACTS.items() for fact in facts]
_ORDINALS = ("first", "second", "third", "fourth")


def fact_question(dice: Dice) -> Draft:
    topic, (subject, answer, *accepted) = dice.pick(_FACTS)
    return Draft(
        subject=f"{topic} {subject}",
        text=dice.pick(TOPIC_TO_PHRASINGS[topic]).format(subject),
        checker=Checker(kind="one_of", expected=answer, accepted=tuple(accepted)),
    )


def string_question(dice: Dice) -> Draft:
    return dice.pick((_reversed, _letter_count, _nth_word, _upper, _sorted_letters, _nth_letter))(dice)


def _reversed(dice: Dice) -> Draft:
    word = dice.pick(SHORT_WORDS)
    text = dice.pick(
        ('Write "{}" backwards. Result only.', 'Reverse the letters of "{}". Just the result.', 'Spell "{}" backwards.')
    )
    return Draft(subject=f"reverse {word}", text=text.format(word), checker=exactly(word[::-1]))


def _letter_count(dice: Dice) -> Draft:
    words = dice.pick(WORDS)
    letter = dice.pick(sorted(set(words.replace(" ", ""))))
    text = dice.pick(
        (
            'How often does the letter "{}" occur in "{}"? Number only.',
            'Count the letter "{}" in "{}". Number only.',
            'How many times is "{}" found in "{}"? Just the number.',
        )
    )
    return Draft(
        subject=f"count {letter} in {words}",
        text=text.format(letter, words),
        checker=number(words.count(letter)),
    )


def _nth_word(dice: Dice) -> Draft:
    words = dice.some(WORDS, 5)
    place = dice.whole(0, 3)
    text = dice.pick(
        (
            'What is the {} word of "{}"? Word only.',
            'Give the {} word in "{}". One word.',
            'Which word stands {} in "{}"? Just the word.',
        )
    )
    sentence = " ".join(words)
    return Draft(
        subject=f"{place} {sentence}",
        text=text.format(_ORDINALS[place], sentence),
        checker=exactly(words[place]),
    )


def _upper(dice: Dice) -> Draft:
    words = " ".join(dice.some(WORDS, 2))
    text = dice.pick(('Write "{}" in capital letters. Result only.', 'Turn "{}" into upper case. Just the result.'))
    return Draft(
        subject=f"upper {words}", text=text.format(words), checker=exactly(words.upper(), is_case_sensitive=True)
    )


def _sorted_letters(dice: Dice) -> Draft:
    word = dice.pick(SHORT_WORDS)
    text = dice.pick(
        (
            'Sort the letters of "{}" alphabetically. Result only.',
            'Put the letters of "{}" in ABC order. Just the result.',
        )
    )
    return Draft(subject=f"sort {word}", text=text.format(word), checker=exactly("".join(sorted(word))))


def _nth_letter(dice: Dice) -> Draft:
    word = dice.pick(WORDS)
    place, which = dice.pick(((1, "second"), (2, "third"), (-1, "last")))
    text = dice.pick(('What is the {} letter of "{}"? Letter only.', 'Give the {} letter in "{}". Just the letter.'))
    return Draft(subject=f"{which} letter {word}", text=text.format(which, word), checker=exactly(word[place]))


def lookup_question(dice: Dice) -> Draft:
    return dice.pick((_json_lookup, _prose_lookup, _most_lookup))(dice)


def _json_lookup(dice: Dice) -> Draft:
    people = dice.some(NAMES, 3)
    rows = [
        {"name": name, "age": age, "city": city}
        for name, age, city in zip(people, dice.some(range(21, 79), 3), dice.some(CITIES, 3), strict=True)
    ]
    row = dice.pick(rows)
    field = dice.pick(("age", "city"))
    text = dice.pick(("What is the {1} of {0}?", "Look up the {1} of {0}.", "Find {0}'s {1}."))
    asked = f"{text.format(row['name'], field)} Value only."
    expected = str(row[field])
    return Draft(
        subject=asked + json.dumps(rows),
        text=f"{json.dumps(rows)}\n{asked}",
        checker=number(float(expected)) if field == "age" else exactly(expected),
    )


def _prose_lookup(dice: Dice) -> Draft:
    people, counts, things = dice.some(NAMES, 3), dice.some(range(3, 60), 3), dice.some(THINGS, 3)
    told = ", ".join(f"{n} has {c} {t}" for n, c, t in zip(people, counts, things, strict=True))
    place = dice.whole(0, 2)
    if dice.whole(0, 1):
        asked, checker = (
            f"Who has {things[place]}? Name only.",
            exactly(people[place], f"{people[place]} has {things[place]}"),
        )
    else:
        asked = f"How many {things[place]} does {people[place]} have? Number only."
        checker = number(counts[place])
    return Draft(subject=f"{told} {asked}", text=f"{told}. {asked}", checker=checker)


def _most_lookup(dice: Dice) -> Draft:
    people, counts, thing = dice.some(NAMES, 3), dice.some(range(3, 60), 3), dice.pick(THINGS)
    told = ", ".join(f"{name}: {count} {thing}" for name, count in zip(people, counts, strict=True))
    is_most = bool(dice.whole(0, 1))
    wanted = max(counts) if is_most else min(counts)
    asked = f"Who has the {'most' if is_most else 'fewest'} {thing}? Name only."
    return Draft(subject=f"{told} {asked}", text=f"{told}. {asked}", checker=exactly(people[counts.index(wanted)]))
