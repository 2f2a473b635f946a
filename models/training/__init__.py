"""From corpora to a model package. Nothing else imports this package."""
