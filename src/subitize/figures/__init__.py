"""Pictures of what happened: from arrays to images, and nothing else.

`style` has the colours, type and tiles that all share; `scenes` one picture with its windows and its count,
and grids of samples; `board` a contact sheet of what is there, what was seen, and how sure that is;
`showcase` draws the board of a run.
"""
