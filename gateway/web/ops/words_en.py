"""English: texts are their own keys; counts have two forms."""

#: Texts that are not their own key.
TEXTS: dict[str, str] = {}
#: By what is counted, its forms.
COUNTED: dict[str, dict[str, str]] = {
    "order": {"one": "{n} order", "other": "{n} orders"},
    "second": {"one": "{n} s", "other": "{n} s"},
    "minute": {"one": "{n} min", "other": "{n} min"},
    "hour": {"one": "{n} h", "other": "{n} h"},
    "day": {"one": "{n} day", "other": "{n} days"},
    "code": {"one": "{n} code", "other": "{n} codes"},
    "callback": {"one": "{n} callback", "other": "{n} callbacks"},
    "provider": {"one": "{n} provider", "other": "{n} providers"},
    "order needs": {"one": "{n} order needs a person", "other": "{n} orders need a person"},
    "kind": {"one": "{n} kind", "other": "{n} kinds"},
    "route": {"one": "{n} route", "other": "{n} routes"},
}
