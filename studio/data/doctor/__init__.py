"""The doctor: looks through a dataset once, batch by batch, and says in words what is wrong and what can be done.

`diagnosing.diagnose` gives every batch of rows to every check; each check keeps a few numbers a row at most, so memory
does not grow with the length of the texts.
"""

CHECKS: dict[str, str] = {
    "left_out": "What the import left out",
    "empty_answers": "Empty answers",
    "nothing_to_learn": "Rows in which nothing is to be learned",
    "equal_pairs": "Rejected answers that equal the chosen one",
    "lengths": "Rows that are too long",
    "none_held_back": "Rows to test with",
    "overlap": "Test rows that are also learned from",
    "exact_duplicates": "Repeated rows",
    "near_duplicates": "Rows that are almost the same",
    "encoding": "Damaged letters",
    "template_markers": "Marks of a chat template in the text",
    "same_answers": "The very same answer to several questions",
    "one_word_answers": "Answers of one word",
    "class_balance": "Classes and how often each is there",
    "first_words": "How answers begin",
    "languages": "Languages",
    "personal_data": "What looks like personal data",
}
"""Name -> what it looks at. A row is named like its module in `checks`, whose class `Check` does the work."""
