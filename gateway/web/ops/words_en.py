"""English: texts are their own keys; counts have two forms."""

#: Texts that are not their own key.
TEXTS: dict[str, str] = {
    "bulk check": "Check",
    "bulk accept": "Accept what came last",
    "bulk dismiss": "Dismiss",
    "bulk fail": "Fail",
    "bulk reverse": "Reverse",
    "bulk resend": "Resend",
    "bulk note": "Note",
    "bulk replay": "Replay",
    "bulk redeliver": "Redeliver",
    "result applied": "Applied",
    "result duplicate": "Known already",
    "result stale": "Older than what is known",
    "result conflict": "Contradicts the order",
    "result unmatched": "Waits for its order",
    "result invalid": "Could not be read",
    "last 1h": "Last hour",
    "last 24h": "Last 24 hours",
    "last 7d": "Last 7 days",
}
#: By what is counted, its forms.
COUNTED: dict[str, dict[str, str]] = {
    "order": {"one": "{n} order", "other": "{n} orders"},
    "order was": {"one": "{n} order was", "other": "{n} orders were"},
    "second": {"one": "{n} s", "other": "{n} s"},
    "minute": {"one": "{n} min", "other": "{n} min"},
    "hour": {"one": "{n} h", "other": "{n} h"},
    "day": {"one": "{n} day", "other": "{n} days"},
    "notification": {"one": "{n} notification", "other": "{n} notifications"},
    "notification is": {"one": "{n} notification is", "other": "{n} notifications are"},
    "try": {"one": "{n} try", "other": "{n} tries"},
    "code": {"one": "{n} code", "other": "{n} codes"},
    "callback": {"one": "{n} callback", "other": "{n} callbacks"},
    "provider": {"one": "{n} provider", "other": "{n} providers"},
    "provider is": {"one": "{n} provider is", "other": "{n} providers are"},
    "order needs": {"one": "{n} order needs a person", "other": "{n} orders need a person"},
    "kind": {"one": "{n} kind", "other": "{n} kinds"},
    "route": {"one": "{n} route", "other": "{n} routes"},
}
