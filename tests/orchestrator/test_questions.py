"""The demo's questions: balanced, all different, checkable, and the same for the same seed."""

import re
from collections import Counter, defaultdict
from itertools import pairwise

import pytest

from orchestrator.checkers import check
from orchestrator.demo.facts import TOPIC_TO_FACTS, TOPIC_TO_PHRASINGS
from orchestrator.demo.questions import KIND_TO_MAKER, MAX_QUESTIONS, Question, make_questions
from skills.registry import make_library
from storage.errors import InvalidInput

MANY = make_questions(400, seed=5)


def test_same_seed_gives_the_same_questions() -> None:
    assert make_questions(60, seed=7) == make_questions(60, seed=7)


def test_two_seeds_give_different_questions() -> None:
    first, second = ({question.text for question in make_questions(60, seed=seed)} for seed in (7, 8))
    assert len(first & second) < 12  # facts and short words come again


def test_four_hundred_questions_are_all_different() -> None:
    assert len({question.text for question in MANY}) == len({question.id for question in MANY}) == 400


def test_kinds_are_balanced_throughout() -> None:
    assert len(KIND_TO_MAKER) >= 6
    for count in (60, 400):
        counts = Counter(question.kind for question in make_questions(count, seed=5))
        assert set(counts) == set(KIND_TO_MAKER)
        assert max(counts.values()) - min(counts.values()) <= 1
    assert {question.kind for question in MANY[: len(KIND_TO_MAKER)]} == set(KIND_TO_MAKER)


def test_expected_answer_passes_its_own_checker() -> None:
    for question in MANY:
        for answer in (question.checker.expected, *question.checker.accepted):
            for dressed in (answer, f" {answer}.", f"Answer: {answer}"):
                assert check(question.checker, dressed) == 1.0, (question, dressed)


def test_answer_to_another_question_of_the_kind_does_not_pass() -> None:
    kind_to_questions: dict[str, list[Question]] = defaultdict(list)
    for question in MANY:
        kind_to_questions[question.kind].append(question)
    passed = compared = 0
    for questions in kind_to_questions.values():
        for question, other in pairwise(questions):
            if other.checker.expected != question.checker.expected:
                compared += 1
                passed += check(question.checker, other.checker.expected) == 1.0
    assert compared > 300
    assert passed == 0


@pytest.mark.parametrize("answer", ["", "I do not know.", "1 2 3 4 5 6 7 8 9", "yes", "0"])
def test_empty_phrases_pass_almost_nothing(answer: str) -> None:
    assert sum(check(question.checker, answer) for question in MANY) <= 8  # few answers are a single digit


def test_questions_are_short() -> None:
    assert max(len(question.text) for question in MANY) <= 240
    assert sum(len(question.text) for question in MANY) / len(MANY) <= 110
    assert max(len(question.checker.expected) for question in MANY) <= 40


@pytest.mark.parametrize("kind", KIND_TO_MAKER)
def test_questions_of_a_kind_are_phrased_in_several_ways(kind: str) -> None:
    shapes = {
        " ".join(re.sub(r'\d+|".*?"', "_", question.text).split()[:3]) for question in MANY if question.kind == kind
    }
    assert len(shapes) >= 5


def test_facts_have_one_answer_each_and_fit_their_phrasings() -> None:
    subjects = [(topic, fact[0]) for topic, facts in TOPIC_TO_FACTS.items() for fact in facts]
    assert len(subjects) == len(set(subjects)) >= 60
    assert set(TOPIC_TO_FACTS) == set(TOPIC_TO_PHRASINGS)
    assert all(text.count("{}") == 1 for texts in TOPIC_TO_PHRASINGS.values() for text in texts)
    assert all(len(fact) >= 2 and all(fact) for facts in TOPIC_TO_FACTS.values() for fact in facts)


def test_printed_output_is_what_python_prints(capsys: pytest.CaptureFixture[str]) -> None:
    for question in (question for question in MANY if question.kind == "code"):
        exec(compile(_program(question.text), question.id, "exec"), {})
        assert capsys.readouterr().out.strip() == question.checker.expected


def _program(text: str) -> str:
    """The lines between the question's own words: those that are not English."""
    lines = text.splitlines()
    first = 0 if re.match(r"(x|d|t|n) = |print\(", lines[0]) else 1
    return "\n".join(line for line in lines[first:] if not re.fullmatch(r"[A-Z].*[.?]", line))


async def test_skills_agree_with_the_expected_dates_and_units() -> None:
    library = make_library("builtin")
    for question in MANY:
        found = re.match(r"(?:Convert|Express|What is) (-?\d+) ([\w/ ]+?) (?:to|in) ([\w/ ]+?)[.?]", question.text)
        if question.kind == "units" and found:
            value, source, target = found.groups()
            result = await library.call("convert_units", {"value": value, "from_unit": source, "to_unit": target})
            assert check(question.checker, result) == 1.0, question
        found = re.search(r"Add (\d+) days to (.+?)\. ", question.text)
        if found:
            result = await library.call("add_days", {"days": found.group(1), "date": found.group(2)})
            assert check(question.checker, result) == 1.0, question


@pytest.mark.parametrize("count", [0, -1, MAX_QUESTIONS + 1])
def test_count_out_of_bounds_is_refused(count: int) -> None:
    with pytest.raises(InvalidInput, match=f"count is {count}; it must lie between 1 and 1000"):
        make_questions(count, seed=1)


def test_negative_seed_is_refused() -> None:
    with pytest.raises(InvalidInput, match="seed is -1"):
        make_questions(1, seed=-1)


def test_most_questions_that_can_be_asked_are_found() -> None:
    assert len({question.text for question in make_questions(MAX_QUESTIONS, seed=2)}) == MAX_QUESTIONS
