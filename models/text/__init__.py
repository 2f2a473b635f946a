"""How final text is written, all by rules: numbers in digits, capitals and punctuation, masks and replacements."""
