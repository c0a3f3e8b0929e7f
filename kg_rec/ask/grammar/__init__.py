"""How tokens are read: for each kind of token a rule, which says what the token adds and how the next ones are meant.

state.py     what was read so far, and what holds for the next token: "without", "more", "or"
reading.py   the tokens with the place of each, and how a wish or an item is added to the state
numbers.py   items.py   mentions.py   clauses.py     the rules, by what they read
rules.py     which rule takes which kind of token
"""
