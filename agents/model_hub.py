"""Takes a model's file from the model hub."""

from __future__ import annotations

from pathlib import Path

from agents.model_sources import ModelFile, Progress, SourceFailed

HUB_TIMEOUT_SECONDS = 10.0  # without a byte; where there is no hub, packages come next
PIECE_BYTES = 1024 * 1024


def fetch_from_hub(file: ModelFile, target: Path, *, on_progress: Progress, endpoint: str | None = None) -> None:
    """Downloads to `target`, going on where an earlier try broke off. Raises SourceFailed.

    `endpoint` is the hub's URL; None: the one that huggingface_hub is set to.
    """
    import httpx
    from huggingface_hub import hf_hub_url

    what = f"downloading {file.hub_repository}/{file.hub_file}"
    url = hf_hub_url(file.hub_repository, file.hub_file, revision=file.hub_revision, endpoint=endpoint)
    done = target.stat().st_size if target.exists() else 0
    headers = {"Range": f"bytes={done}-"} if done else {}
    try:
        with httpx.stream("GET", url, headers=headers, follow_redirects=True, timeout=HUB_TIMEOUT_SECONDS) as response:
            if response.status_code not in (httpx.codes.OK, httpx.codes.PARTIAL_CONTENT):
                target.unlink(missing_ok=True)
                raise SourceFailed(f"{url} answered {response.status_code}")
            is_continued = response.status_code == httpx.codes.PARTIAL_CONTENT
            done = done if is_continued else 0
            with target.open("ab" if is_continued else "wb") as out:
                for piece in response.iter_bytes(PIECE_BYTES):
                    done += len(piece)
                    if done > file.size_bytes:
                        raise SourceFailed(f"{url} sent more than {file.size_bytes} bytes")
                    out.write(piece)
                    on_progress(done, file.size_bytes, what)
    except (httpx.HTTPError, httpx.InvalidURL) as exc:
        raise SourceFailed(f"{url}: {exc or type(exc).__name__}") from exc
