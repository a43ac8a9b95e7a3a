"""The part of bootstrap that builds the catalogue of skills and its index, for a service and for commands."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from orchestrator.found_skills import SkillIndex
from orchestrator.index_files import IndexFiles
from orchestrator.index_keeper import CatalogIndexKeeper
from orchestrator.settings import Settings
from orchestrator.skill_catalog import SkillCatalog
from orchestrator.skill_index import ServedIndex
from routing.registry import choose_encoder
from skills.base import Skill
from skills.encoder import Encoder
from storage.registry import open_stores
from storage.skill_records import Finding
from storage.stores import SkillStore

if TYPE_CHECKING:
    from skills.safety.impersonation import KnownNames


def index_files(settings: Settings, encoder: Encoder) -> IndexFiles:
    """`encoder`: routing's."""
    return IndexFiles(settings.skills, encoder=encoder, encoder_dir=settings.encoder_dir)


def opened_index(settings: Settings, files: IndexFiles, opened: AsyncExitStack) -> ServedIndex:
    """Opens nothing yet; `opened` will close it."""
    index = ServedIndex(settings.skills.index_dir, files.open)
    opened.push_async_callback(index.close)
    return index


def made_catalog(settings: Settings, store: SkillStore, *, files: IndexFiles, index: SkillIndex) -> SkillCatalog:
    """`index`: who hands it out; what is added is compared with what is found there."""
    served = index if isinstance(index, ServedIndex) else None
    keeper = CatalogIndexKeeper(settings.skills.index_dir, files, served=served)
    return SkillCatalog(store, scan=scanned, keeper=keeper, index=index)


@asynccontextmanager
async def opened_catalog(settings: Settings) -> AsyncIterator[SkillCatalog]:
    """The catalogue without a service around it: no model is started. Raises what stores and encoder raise."""
    async with AsyncExitStack() as opened:
        stores = await open_stores(settings.store_url, mode=settings.write_mode)
        opened.push_async_callback(stores.close)
        files = index_files(settings, choose_encoder(settings.encoder, cache_dir=settings.encoder_dir).encoder)
        index = opened_index(settings, files, opened)
        yield made_catalog(settings, stores.skills, files=files, index=index)


def scanned(skill: Skill, known_names: KnownNames) -> Sequence[Finding]:
    """By the rules that ship."""
    from skills.safety.scanning import scan

    return scan(skill, known_names=known_names)
