// All parts have said what they watch: now the address is read.
follow();
