"""The command line as a person sees it: at a terminal, with prompts."""

import contextlib
import os
import pty
import sys


def at_a_terminal(arguments: list[str], answers: list[str]) -> str:
    """What is on the screen after `gateway …`, with an answer typed at each prompt."""
    process, screen = pty.fork()
    if process == 0:
        os.execv(sys.executable, [sys.executable, "-m", "gateway", *arguments])
    shown = ""
    with contextlib.suppress(OSError):  # how Linux says that the other side has closed the terminal
        while text := os.read(screen, 1024).decode():
            shown += text
            if answers and shown.endswith(": "):  # the space comes once echoing is off
                os.write(screen, answers.pop(0).encode() + b"\n")
    os.waitpid(process, 0)
    os.close(screen)
    return shown
