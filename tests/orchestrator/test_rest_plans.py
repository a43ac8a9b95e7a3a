"""Plans over HTTP: their options are taken by name, folders of this machine are not."""

from __future__ import annotations

import pytest

from tests.orchestrator.rest_app import MakeHttp, chat

CHAT = "/v1/chat/completions"


async def test_plan_and_its_options_are_taken(make_http: MakeHttp) -> None:
    http = await make_http()
    answer = await http.post(CHAT, json=chat(antroute={"plan": "vote", "plan_options": {"most": 1}}))
    assert answer.status_code == 200, answer.text
    assert (answer.json()["antroute"]["plan"], len(answer.json()["antroute"]["decision_ids"])) == ("vote", 1)


@pytest.mark.parametrize(
    ("plan", "options", "said"),
    [
        ("steps", {"policy": "/etc"}, "cannot be given here"),
        ("cascade", {"order": 5}, "must be a list"),
        ("cascade", {"thresholds": 5}, "must be a list"),
        ("path", {"stages": [5]}, "must hold `name` and `prompt`"),
        ("path", {"stages": [{"name": "a", "prompt": "{question:>2000000000}"}]}, "not say how they look"),
        ("vote", {"temperature": 10**400}, "1e-9 or more"),
        ("vote", {"mast": 1}, "takes no option 'mast'"),
        ("vite", {}, "did you mean 'vote'"),
    ],
)
async def test_options_that_cannot_be_meant_are_refused_by_name(
    plan: str, options: dict[str, object], said: str, make_http: MakeHttp
) -> None:
    http = await make_http()
    answer = await http.post(CHAT, json=chat(antroute={"plan": plan, "plan_options": options}))
    assert answer.status_code == 400, answer.text
    assert said in answer.json()["error"]["message"]
