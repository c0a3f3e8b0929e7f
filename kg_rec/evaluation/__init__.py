"""How good are the lists and the explanations?"""
