"""The catalogue and the search over HTTP, and the same through the SDK's client."""

from __future__ import annotations

import httpx
import pytest

from orchestrator.client import Client
from orchestrator.rest.app import make_app
from skills.errors import IndexRefused
from storage.errors import InvalidInput, RecordNotFound
from storage.skill_records import Finding
from tests.orchestrator.rest_app import MakeHttp
from tests.orchestrator.skill_doubles import (
    DoubleIndex,
    ListedSearcher,
    MakeSkillService,
    catalogued,
    make_skill_service,
    text_skill,
)

__all__ = ["make_skill_service"]

LETTER = text_skill("write letters", body="Be brief.")
POEM = text_skill("poem", id="git@abc:verse/poem", body="Rhyme.")
SPAM = text_skill("spam", id="spam")
BAD = Finding(rule="term_list", where="body", excerpt="a b c", severity="quarantine")


async def service_with_skills(make_skill_service: MakeSkillService, tmp_path: object):  # type: ignore[no-untyped-def]
    service = await make_skill_service(LETTER, POEM, skills_settings={"index": f"{tmp_path}/index"})
    await catalogued(service, LETTER, POEM)
    await catalogued(service, SPAM, library="junk", findings=[BAD])
    return service


async def test_the_catalogue_is_listed_page_by_page_with_filters_and_without_bodies(
    make_skill_service: MakeSkillService, make_http: MakeHttp, tmp_path: object
) -> None:
    http = await make_http(service=await service_with_skills(make_skill_service, tmp_path))
    first = (await http.get("/v1/skills?limit=2")).json()
    assert [skill["skill_id"] for skill in first["skills"]] == [POEM.skill_id, LETTER.skill_id]
    assert "body" not in first["skills"][0]
    assert first["skills"][0]["body_characters"] == len(POEM.body)
    second = (await http.get("/v1/skills", params={"limit": 2, "cursor": first["next_cursor"]})).json()
    assert [skill["skill_id"] for skill in second["skills"]] == ["spam"]
    assert second["next_cursor"] is None
    for query, ids in (
        ("q=LETTER", [LETTER.skill_id]), ("library=junk", ["spam"]), ("state=quarantined", ["spam"]),
        ("state=removed", []),
    ):  # fmt: skip
        listed = (await http.get(f"/v1/skills?{query}")).json()["skills"]
        assert [skill["skill_id"] for skill in listed] == ids, query
    assert listed == []


@pytest.mark.parametrize("query", ["state=gone", "limit=0", "limit=501", "name=x"])
async def test_filters_that_there_are_not_are_refused_by_name(query: str, make_http: MakeHttp) -> None:
    response = await (await make_http()).get(f"/v1/skills?{query}")
    error = response.json()["error"]
    assert (response.status_code, error["code"], error["param"]) == (422, "invalid_input", query.split("=")[0])


async def test_a_skill_is_shown_with_its_body_versions_and_moves_whatever_its_id_holds(
    make_skill_service: MakeSkillService, make_http: MakeHttp, tmp_path: object
) -> None:
    http = await make_http(service=await service_with_skills(make_skill_service, tmp_path))
    shown = (await http.get(f"/v1/skills/{POEM.skill_id}")).json()
    assert (shown["skill_id"], shown["body"], shown["state"]) == (POEM.skill_id, "Rhyme.", "active")
    assert [version["version"] for version in shown["versions"]] == [1]
    spam = (await http.get("/v1/skills/spam")).json()
    assert spam["findings"][0]["rule"] == "term_list"
    missing = await http.get("/v1/skills/nobody")
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "not_found")


async def test_a_search_gives_both_stages_and_how_well_it_fits(
    make_skill_service: MakeSkillService, make_http: MakeHttp, tmp_path: object
) -> None:
    http = await make_http(service=await service_with_skills(make_skill_service, tmp_path))
    found = (await http.post("/v1/skills/search", json={"query": "a letter", "top": 1})).json()
    [hit] = found["hits"]
    assert (hit["skill_id"], hit["rank"], hit["rerank"], hit["is_usable"]) == (LETTER.skill_id, 1, 2.0, True)
    assert hit["retrieval"] == 1 / 61
    assert (found["fit_probability"], found["encoder"], found["is_abstained"]) == (0.9, "double", False)


@pytest.mark.parametrize("body", [{"query": ""}, {"query": " "}, {"query": "x", "top": 51}, {"text": "x"}, {}])
async def test_a_wrong_search_is_refused(body: dict[str, object], make_http: MakeHttp) -> None:
    assert (await (await make_http()).post("/v1/skills/search", json=body)).status_code == 422


async def test_without_an_index_the_search_says_what_to_do(
    make_skill_service: MakeSkillService, make_http: MakeHttp
) -> None:
    index = DoubleIndex(searcher=ListedSearcher(offered=[]), error=IndexRefused("There is no index."))
    http = await make_http(service=await make_skill_service(index=index))
    response = await http.post("/v1/skills/search", json={"query": "x"})
    assert (response.status_code, response.json()["error"]["code"]) == (409, "index_refused")
    assert "antroute skills" in response.json()["error"]["hint"]


async def test_the_sdks_client_reads_searches_allows_and_removes(
    make_skill_service: MakeSkillService, tmp_path: object
) -> None:
    service = await service_with_skills(make_skill_service, tmp_path)
    transport = httpx.ASGITransport(app=make_app(service))
    async with Client("http://localhost", transport=transport) as client:
        assert [s["skill_id"] for s in (await client.skills(q="poem"))["skills"]] == [POEM.skill_id]
        assert (await client.skill(POEM.skill_id))["body"] == "Rhyme."
        assert (await client.search_skills("verse", top=2))["hits"][1]["skill_id"] == POEM.skill_id
        assert (await client.allow_skill("spam", reason="a list of towns"))["state"] == "active"
        assert (await client.remove_skill(POEM.skill_id, reason="old"))["state"] == "removed"
        assert [hit["is_usable"] for hit in (await client.search_skills("verse"))["hits"]] == [True, False]
        with pytest.raises(InvalidInput, match="not quarantined"):
            await client.allow_skill(POEM.skill_id, reason="again")
        with pytest.raises(RecordNotFound):
            await client.remove_skill("nobody", reason="x")


async def test_a_move_needs_a_reason(make_http: MakeHttp) -> None:
    http = await make_http()
    for action in ("allow", "remove"):
        assert (await http.post(f"/v1/skills/x/{action}", json={})).status_code == 422
        assert (await http.post(f"/v1/skills/x/{action}", json={"reason": ""})).status_code == 422


async def test_the_schema_shows_examples(make_http: MakeHttp) -> None:
    schema = (await (await make_http()).get("/openapi.json")).json()
    assert schema["components"]["schemas"]["SearchRequest"]["examples"][0]["top"] == 5
    answer = schema["paths"]["/v1/skills/search"]["post"]["responses"]["200"]["content"]["application/json"]
    assert {"retrieval", "rerank"} <= answer["example"]["hits"][0].keys()
