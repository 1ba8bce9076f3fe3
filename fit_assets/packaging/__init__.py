"""From a trained adapter to something that serves: merge, GGUF, quantisation, Modelfile, Ollama."""


class PackagingError(RuntimeError):
    """An artifact that cannot be made; the message says what to do, and the last good one is still in place."""
