"""Method search: every chain of a space under the same honest cross-validation, and what choosing among them costs."""

from pat.search.results import ChainScore, Nested, OuterFold, Search
from pat.search.run import search
from pat.search.space import Chain, Space
from pat.search.writing import chosen_method, leaderboard, write_search

__all__ = [
    "Chain",
    "ChainScore",
    "Nested",
    "OuterFold",
    "Search",
    "Space",
    "chosen_method",
    "leaderboard",
    "search",
    "write_search",
]
