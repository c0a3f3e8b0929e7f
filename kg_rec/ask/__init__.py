"""Requests in words: what a person asks for becomes a filter and addends of the score, so that the answer adds up.

    words -> parser -> Request -> filter over the schema's fields and nodes, addends -> Answer

Text of users and of the graph is data: no request becomes Cypher or code, writes anything, or names another user.
"""
