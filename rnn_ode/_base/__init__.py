"""Words that everyone uses: results, checks, types, verdicts, states, texts."""
