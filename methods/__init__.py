"""One module a search method, and what they share: the contract (`search`) and the ways to train a supernet."""
