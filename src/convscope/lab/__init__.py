"""The lab: a page where a network is written, trained, watched and questioned.

    app       the addresses, and nothing else
    shelf     which runs, models and data there are, by id; what is loaded and kept
    jobs      trainings as children of this process, one at a time
    process   whether a process lives, and how it is asked to stop
    training  what the page asks to be trained, as the words of a command
    writing   a network's text as the page shows it
    looking   one picture through one network
    judging   a network over its test pictures
    pictures  pixels on their way to and from the page
    lessons, checks   tasks that the page checks

Stands on `web`, which says who may ask. Trains nothing itself: a child is the command line.
"""
