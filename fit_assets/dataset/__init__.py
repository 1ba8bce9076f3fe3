"""The dataset room: phrases, examples, noise, validation rules, splits."""
