"""The reference room: Ofgem's report or its stand-in, tariffs, yields, and filters turned into SQL and rows."""
