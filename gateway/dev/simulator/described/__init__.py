"""The provider's side of any protocol that a file describes, from its sample exchanges and a sheet of its own.

    sheet      what a file of `simulator/protocols/` may say: calls, answers, callbacks
    reading    which call a request is, and what stands where in it
    writing    answers and callbacks: samples with other values in their places; digests and encryption
    store      answers the calls from the book
    calling    makes the callbacks

    accounts   the account with the provider that the samples show

To add a protocol, write `simulator/protocols/NAME.toml`; its samples are `providers/protocols/samples/NAME.json`. What
no sample shows follows the protocol's page. Nothing here reads the file by which the gateway speaks the protocol: a
mistake in one of the two must show.
"""
