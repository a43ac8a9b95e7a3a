"""The process that holds one local model: `python -m agents.local_server`; the only home of xllamacpp.

It serves the OpenAI-compatible API on a free port of 127.0.0.1, reads the key that callers must show as the first line
of its standard input, prints `{"address": …}` as one line once the model is loaded, and ends when its parent is gone.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from typing import Protocol, TextIO

PARENT_CHECK_SECONDS = 0.25
PROMPT_CACHE_MIB = 256


def main(arguments: Sequence[str] | None = None) -> int:
    """Serves until the parent is gone or a signal ends the process."""
    parser = argparse.ArgumentParser(prog="python -m agents.local_server", description="Serves one GGUF model file.")
    parser.add_argument("--model", required=True, help="path of the GGUF file")
    parser.add_argument("--port", type=int, default=0, help="0: a free one")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--context", type=int, default=4096, help="context window in tokens")
    parser.add_argument("--parent-pid", type=int, required=True, help="ends when this process is gone")
    options = parser.parse_args(arguments)
    with _answers_to_parent() as answers:
        try:
            server = _serve(options, api_key=sys.stdin.readline().strip())
        except (RuntimeError, ImportError) as exc:
            sys.exit(f"{options.model!r} cannot be served: {exc}")
        answers.write(json.dumps({"address": server.listening_address}) + "\n")
    while os.getppid() == options.parent_pid:
        time.sleep(PARENT_CHECK_SECONDS)
    os._exit(0)  # nobody is left to wait for the server's threads


def _answers_to_parent() -> TextIO:
    """Standard output as it was; from now on, what the model's library prints goes to standard error."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return answers


def _serve(options: argparse.Namespace, *, api_key: str) -> _Server:
    """Loads the model; returns when it can answer."""
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = options.model
    params.hostnames = ["127.0.0.1"]
    params.port = options.port
    params.api_keys = [api_key]
    params.cors_origins = ""  # no web page may call it
    params.endpoint_slots = False  # would show callers each other's prompts
    params.ui = False
    params.n_ctx = options.context
    params.n_parallel = 1
    params.cpuparams.n_threads = options.threads
    params.cpuparams_batch.n_threads = options.threads
    params.cache_ram_mib = PROMPT_CACHE_MIB
    params.use_jinja = True
    params.verbosity = 0
    server: _Server = xllamacpp.Server(params)
    return server


class _Server(Protocol):
    """What we use of xllamacpp's server."""

    listening_address: str


if __name__ == "__main__":
    sys.exit(main())
