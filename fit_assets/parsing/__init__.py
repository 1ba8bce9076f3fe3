"""The parsing room: regex, GGUF and Ollama parsers and the router with its fallback."""
