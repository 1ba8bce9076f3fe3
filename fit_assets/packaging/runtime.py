"""llama.cpp in this process, through the public C API that ``llama_cpp`` binds.

The high-level ``Llama`` class copies the logits of every step and offers no batch of forced tokens; this class does
no more than: load, tokenise, evaluate a batch, read the logits of its last token, rewind.
"""

from __future__ import annotations

import ctypes
import logging
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fit_assets import settings
from fit_assets.packaging import PackagingError
from fit_assets.training.prompt import CHAT_STYLES, ChatStyle

_BATCH = 512


class LlamaModel:
    """One GGUF with one context; not safe for use by two threads at once."""

    def __init__(self, path: Path, *, context: int = 2048, threads: int | None = None) -> None:
        """Load the file.

        Args:
            path: the GGUF.
            context: tokens that the context holds.
            threads: threads for a batch (default ``settings.threads()``); a single token gets one thread, since waiting
                for each other costs more there than it saves (15 against 41 ms on two virtual cores).

        Raises:
            PackagingError: the file is missing, damaged, or of a kind that this llama.cpp does not know.
        """
        settings.let_waiting_threads_sleep()
        import llama_cpp

        # Otherwise llama.cpp writes some hundred lines about every model to stderr.
        logging.getLogger("llama-cpp-python").setLevel(logging.CRITICAL)
        self.path = path
        self._lib = llama_cpp
        if not path.is_file():
            raise PackagingError(f"{path}: no such file; materialise gguf_model first")
        llama_cpp.llama_backend_init()
        self._model: Any = llama_cpp.llama_model_load_from_file(
            str(path).encode(), llama_cpp.llama_model_default_params()
        )
        if not self._model:
            raise PackagingError(
                f"{path}: llama.cpp cannot load it: it is damaged, or newer than llama-cpp-python "
                f"{llama_cpp.__version__}; build it again"
            )
        params = llama_cpp.llama_context_default_params()
        params.n_ctx = context
        params.n_batch = params.n_ubatch = _BATCH
        params.n_threads = 1
        params.n_threads_batch = threads or settings.threads()
        params.no_perf = True
        self._context: Any = llama_cpp.llama_init_from_model(self._model, params)
        self._freed = weakref.finalize(self, _free, llama_cpp, self._context, self._model)
        if not self._context:
            self.close()
            raise PackagingError(f"{path}: no memory for a context of {context} tokens; free some and run again")
        self.vocabulary: Any = llama_cpp.llama_model_get_vocab(self._model)
        self.vocabulary_size: int = llama_cpp.llama_vocab_n_tokens(self.vocabulary)
        self.context = context
        self.bos: int = llama_cpp.llama_vocab_bos(self.vocabulary)
        self._held: list[int] = []
        self._memory = llama_cpp.llama_get_memory(self._context)

    @property
    def chat_template(self) -> str | None:
        """The Jinja chat template in the file's metadata."""
        template = self._lib.llama_model_chat_template(self._model, None)
        return template.decode() if template else None

    @property
    def length(self) -> int:
        """Number of tokens that the context holds."""
        return len(self._held)

    @property
    def parameters(self) -> int:
        """Number of weights."""
        return int(self._lib.llama_model_n_params(self._model))

    @property
    def size_bytes(self) -> int:
        """Bytes of all tensors."""
        return int(self._lib.llama_model_size(self._model))

    @property
    def adds_bos(self) -> bool:
        """Whether a runtime that follows the metadata (Ollama does) puts a BOS in front of a prompt."""
        return bool(self._lib.llama_vocab_get_add_bos(self.vocabulary))

    def tokenize(self, text: str) -> list[int]:
        """Tokens of a text, in which control tokens count as such; no BOS is added."""
        data = text.encode()
        room = len(data) + 8
        tokens = (self._lib.llama_token * room)()
        count = self._lib.llama_tokenize(self.vocabulary, data, len(data), tokens, room, False, True)
        return list(tokens[:count])

    def piece(self, token: int) -> bytes:
        """The bytes that a token stands for; a control token stands for none."""
        buffer = ctypes.create_string_buffer(512)
        count = self._lib.llama_token_to_piece(self.vocabulary, token, buffer, len(buffer), 0, False)
        return buffer.raw[: max(count, 0)]

    def is_end(self, token: int) -> bool:
        """Whether the model ends its turn with this token."""
        return bool(self._lib.llama_vocab_is_eog(self.vocabulary, token))

    def evaluate(self, tokens: Sequence[int]) -> NDArray[np.float32]:
        """Append tokens to what the context holds.

        Returns:
            The logits after the last of them, shape (vocabulary_size,); a view, valid until the next call.

        Raises:
            PackagingError: they do not fit into the context.
        """
        if not tokens or self.length + len(tokens) > self.context:
            raise PackagingError(
                f"{self.length} + {len(tokens)} tokens do not fit into a context of {self.context}; shorten the text"
            )
        for start in range(0, len(tokens), _BATCH):
            part = tokens[start : start + _BATCH]
            array = (self._lib.llama_token * len(part))(*part)
            status = self._lib.llama_decode(self._context, self._lib.llama_batch_get_one(array, len(part)))
            if status:
                raise PackagingError(f"{self.path}: llama_decode failed with status {status}")
            self._held += part
        logits = self._lib.llama_get_logits_ith(self._context, -1)
        return np.ctypeslib.as_array(logits, shape=(self.vocabulary_size,))

    def logits_of(self, tokens: Sequence[int], wanted: Sequence[int]) -> NDArray[np.float32]:
        """Append tokens, and say what may follow each of the ``wanted`` ones (ascending indices into ``tokens``).

        Returns:
            The logits, shape (len(wanted), vocabulary_size); a view, valid until the next call.

        Raises:
            PackagingError: they do not fit into one batch or into the context.
        """
        count = len(tokens)
        if not 0 < count <= _BATCH or self.length + count > self.context:
            raise PackagingError(f"{count} tokens after {self.length} do not fit into a batch; shorten the text")
        asked = set(wanted)
        if not asked <= set(range(count)):
            raise PackagingError(f"logits are wanted of {sorted(asked)}, but there are {count} tokens")
        batch = self._lib.llama_batch_init(count, 0, 1)
        try:
            batch.n_tokens = count
            for index, token in enumerate(tokens):
                batch.token[index] = token
                batch.pos[index] = self.length + index
                batch.n_seq_id[index] = 1
                batch.seq_id[index][0] = 0
                batch.logits[index] = index in asked
            status = self._lib.llama_decode(self._context, batch)
        finally:
            self._lib.llama_batch_free(batch)
        if status:
            raise PackagingError(f"{self.path}: llama_decode failed with status {status}")
        self._held += tokens
        logits = self._lib.llama_get_logits(self._context)
        return np.ctypeslib.as_array(logits, shape=(len(asked), self.vocabulary_size))

    def rewind(self, length: int) -> None:
        """Forget every token after the first ``length``."""
        self._lib.llama_memory_seq_rm(self._memory, 0, length, -1)
        del self._held[length:]

    def rewind_to(self, tokens: Sequence[int]) -> list[int]:
        """Forget what does not agree with these tokens.

        Returns:
            Those of them that are still to be evaluated, at least the last one.
        """
        common = 0
        while common < min(len(tokens) - 1, self.length) and tokens[common] == self._held[common]:
            common += 1
        self.rewind(common)
        return list(tokens[common:])

    def close(self) -> None:
        """Free model and context; the object is of no use afterwards."""
        self._freed()


def style_of(model: LlamaModel) -> ChatStyle:
    """The chat style whose template the GGUF carries.

    Raises:
        PackagingError: none of ours; a parser would render another prompt than the model was trained on.
    """
    for style in CHAT_STYLES.values():
        if model.chat_template == style.chat_template:
            return style
    raise PackagingError(
        f"{model.path}: its chat template is none of ours ({', '.join(CHAT_STYLES)}); build it with gguf_model"
    )


def _free(library: Any, context: Any, model: Any) -> None:
    if context:
        library.llama_free(context)
    library.llama_model_free(model)
