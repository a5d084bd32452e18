"""A model in the formats of other tools, each checked for equal scores before it is kept."""
