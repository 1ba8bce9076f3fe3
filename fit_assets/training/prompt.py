"""The one prompt: training, the GGUF's chat template, Ollama's Modelfile and every parser take it from here.

A prompt is short on purpose: the contract is in the weights, not in the text, and on a CPU each prompt token costs
time in training and in every answer. So the system prompt is one word, and it opens the user's turn, as Mistral does
it, since a turn of its own would be eight tokens more. What a user types is normalised first (lower case, plain
spaces and quotes, no control tokens), so that the model never sees "WIND SITES" and "Wind sites" as two
different things. On a line of its own follows what code has looked up in it (:mod:`fit_assets.language.linking`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fit_assets.language.linking import linked_values
from fit_assets.language.text import normalise_question

if TYPE_CHECKING:
    from fit_assets.places import Gazetteer

SYSTEM_PROMPT = "Filter:"


@dataclass(frozen=True)
class ChatStyle:
    """How one model family marks the turns of a conversation.

    ``before_user`` and ``before_answer`` are literal text; ``end`` is the end-of-turn token, the last label of every
    training example and the stop of every runtime. ``bos`` says whether the
    tokenizer puts a beginning-of-sequence token first (llama.cpp and Ollama add it themselves).
    """

    name: str
    before_user: str
    before_answer: str
    end: str
    bos: bool

    def render(self, question: str, gazetteer: Gazetteer | None = None) -> str:
        """The text up to where the answer begins, without the BOS token."""
        return f"{self.prefix} {user_turn(question, gazetteer)}{self.before_answer}"

    @property
    def prefix(self) -> str:
        """The fixed part in front of every question: evaluated once and kept by the GGUF parser."""
        return f"{self.before_user}{SYSTEM_PROMPT}"

    @property
    def chat_template(self) -> str:
        """The Jinja template for the tokenizer and the GGUF, for a user turn and the assistant's."""
        return (
            ("{{ bos_token }}" if self.bos else "")
            + "{% for message in messages %}"
            + "{% if message['role'] == 'user' %}"
            + _jinja(f"{self.prefix} ")
            + "{{ message['content'] }}"
            + _jinja(self.before_answer)
            + "{% elif message['role'] == 'assistant' %}{{ message['content'] }}"
            + _jinja(self.end)
            + "{% endif %}{% endfor %}"
        )

    @property
    def ollama_template(self) -> str:
        """The Go template of an Ollama Modelfile; no BOS, since the runtime adds it."""
        return f"{self.before_user}{{{{ .System }}}} {{{{ .Prompt }}}}{self.before_answer}{{{{ .Response }}}}{self.end}"

    @property
    def stops(self) -> tuple[str, ...]:
        """Texts at which a runtime stops."""
        return (self.end,)


CHAT_STYLES: dict[str, ChatStyle] = {
    style.name: style
    for style in (
        # ChatML without the names of the turns: for a model that answers one kind of question, 8 tokens less of 50.
        ChatStyle(
            name="compact",
            before_user="<|im_start|>",
            before_answer="\n",
            end="<|im_end|>",
            bos=False,
        ),
        ChatStyle(
            name="chatml",
            before_user="<|im_start|>user\n",
            before_answer="<|im_end|>\n<|im_start|>assistant\n",
            end="<|im_end|>",
            bos=False,
        ),
        ChatStyle(
            name="llama3",
            before_user="<|start_header_id|>user<|end_header_id|>\n\n",
            before_answer="<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n",
            end="<|eot_id|>",
            bos=True,
        ),
        # The newline after [/INST] keeps the first brace of the answer a token of its own.
        ChatStyle(
            name="mistral",
            before_user="[INST] ",
            before_answer=" [/INST]\n",
            end="</s>",
            bos=True,
        ),
        ChatStyle(
            name="phi3",
            before_user="<|user|>\n",
            before_answer="<|end|>\n<|assistant|>\n",
            end="<|end|>",
            bos=True,
        ),
    )
}


def user_turn(question: str, gazetteer: Gazetteer | None = None) -> str:
    """What the model is told of a question: its normalised text and, on a second line, what was looked up in it.

    ``gazetteer`` are the places (default: the project's).
    """
    from fit_assets.places import load_gazetteer

    values = linked_values(question, gazetteer or load_gazetteer())
    return f"{normalise_question(question)}\n{values}".rstrip()


def messages(question: str, answer: str | None = None) -> list[dict[str, str]]:
    """The conversation for a tokenizer's chat template; with ``answer``, a whole training example."""
    turns = [{"role": "user", "content": user_turn(question)}]
    return turns if answer is None else [*turns, {"role": "assistant", "content": answer}]


def _jinja(text: str) -> str:
    return "{{ '" + text.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n") + "' }}" if text else ""
