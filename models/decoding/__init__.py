"""From log probabilities to words: greedy for interim results, beam search with a language model for finals."""
