"""Our account with a simulated provider: what `gateway providers add` and `gateway routes add` are told of it."""

from gateway.dev.simulator.described.sheet import load, samples

#: Credentials of samples that are none: the gateway has them from elsewhere.
DERIVED = ("callback_url",)


def account(protocol: str, url: str = "") -> dict[str, str]:
    """The credentials of the account, with the token that a call begins with; `url` is the simulator's own."""
    found: dict[str, str] = {}
    for sample in samples(protocol):
        found = {name: str(value) for name, value in sample.given["credentials"].items()} | found
    made = {name: value.replace("$url", url) for name, value in load(protocol).credentials.items()}
    return {name: value for name, value in (found | made).items() if name not in DERIVED}


def route(protocol: str) -> dict[str, str]:
    """The parameters of a route to what the samples buy."""
    return dict(samples(protocol)[0].given["params"])
