"""Published files of attendance, and the marks that give them."""
