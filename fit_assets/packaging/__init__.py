"""The packaging room: merge, GGUF, quantisation, Modelfile, Ollama."""
