"""The training room: base models, the one prompt, LoRA fine-tuning."""
