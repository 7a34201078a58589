"""Models of how people decide, remember and react, fitted by numpy and scipy: for research, off the official path.

They use floating point and an optimiser, so their last digits may differ between machines. No published score, no metric of a
game and no profile rests on them; nothing on the official path imports them.
"""
