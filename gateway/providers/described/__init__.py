"""Protocols as data: reads a protocol file, and speaks the protocol that it describes.

what a file may say                       schema (its mistakes by line: located), values (what goes into a request)
what stands in it                         templates, places (paths), patterns (regular expressions)
a call                                    requests makes it, speaker calls
an answer                                 answers says what it means (decryption opens codes)
what comes of an answer or a callback     protocol
where a callback comes from               callbacks
one of the kinds of adapter               kind
"""
