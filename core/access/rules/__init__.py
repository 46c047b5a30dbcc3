"""Who may do what: ordered rules, of whom they speak, and tags that never move."""
