"""The command line as a person sees it: at a terminal, with prompts."""

import contextlib
import os
import pty
import sys


def at_a_terminal(arguments: list[str], answers: list[str]) -> str:
    """What is on the screen after `gateway …`, with an answer typed at each prompt."""
    return typed(
        arguments, ": ", [f"{answer}\n" for answer in answers]
    )  # the space comes once echoing is off


def typed(arguments: list[str], prompt: str, answers: list[str]) -> str:
    """The same, with an answer typed as it is whenever the screen ends with the prompt."""
    process, screen = pty.fork()
    if process == 0:
        os.execv(sys.executable, [sys.executable, "-m", "gateway", *arguments])
    shown = b""
    with contextlib.suppress(OSError):  # how Linux says that the other side has closed the terminal
        while read := os.read(screen, 1024):  # which may end within a character
            shown += read
            if answers and shown.endswith(prompt.encode()):
                os.write(screen, answers.pop(0).encode())
    os.waitpid(process, 0)
    os.close(screen)
    return shown.decode()
