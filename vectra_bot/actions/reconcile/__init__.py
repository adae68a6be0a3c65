"""What a statement of our account proves of actions without an answer.

Theory of operation. A statement is the sum of everything that happened to our account since the one before:
effects that other evidence has announced, and those of undecided actions whose evidence was lost. So the
question is which set of undecided actions explains the change. If exactly one set does, its actions were
executed; if several do, nothing is decided. What an action pays or is paid depends on the tick at which the
venue executed it: a stake is exact, a buy brings some quantity and a sale some amount. Where that leaves
several sets, the prices of the ticks since the action was sent decide, to the lamport.

The end of a game that was missed, because the link was down, is such a change as well: what was open then was
sold at the rug's price. The history of games gives the seed of the game, so all of its prices. After the end
nothing is left that could execute an action: a set that alone explains the statement also proves that the
others were not executed.
"""
