"""What a protocol file may put into a request: names of values, templates, and tables of these. Pure."""

import math
from collections.abc import Mapping
from typing import Annotated, Any, NamedTuple, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    TypeAdapter,
    ValidationInfo,
)

from gateway.providers.base import CEILINGS
from gateway.providers.described import templates
from gateway.providers.described.templates import Filters, Template

#: What templates may name, beside `credentials.…`, `params.…` and `fields.…`: of an order, of several, and of a call.
VALUES = frozenset(
    {
        *("referans", "reference", "own", "user", "extra", "phone", "quantity", "created_at", "callback_url"),
        *CEILINGS,
        *("references", "owns", "base_url", "now", "token", "method", "path", "body"),
    }
)
#: How each part of a file is read.
OF_PART = ConfigDict(extra="forbid", arbitrary_types_allowed=True)
#: What names values.
Named = TypeVar("Named", Template, Filters)


def is_known(name: str, info: ValidationInfo, kind: str = "value") -> str:
    """Raises ValueError for what the file names and does not have; a part that is read alone may name anything."""
    if info.context and name not in info.context[kind]:
        raise ValueError(f"names the unknown {kind} `{name}`")
    return name


def names_only(names: tuple[str, ...], template: Template) -> Template:
    """Raises ValueError for what is not known yet where the template is filled in."""
    if unknown := sorted(template.names.difference(names)):
        raise ValueError(f"names `{unknown[0]}`; it takes {' and '.join(names)} alone")
    return template


def _names_known(named: Named, info: ValidationInfo) -> Named:
    for name in sorted(named.names):
        if not name.startswith(("header.", "field.")):
            is_known(name, info)
    return named


Text = Annotated[Template, BeforeValidator(Template), AfterValidator(_names_known)]
FilterList = Annotated[Filters, BeforeValidator(Filters), AfterValidator(_names_known)]
Flag = Annotated[bool, Field(strict=True)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,63}$")]


class Value(BaseModel):
    """A value that is put into a request; in the file its text alone, or a table."""

    model_config = OF_PART

    text: Text
    filters: FilterList = Field(Filters(), alias="as")
    number: Flag = False

    def fill(self, values: templates.Values) -> str:
        """As text. Raises templates.BadValue."""
        return self.filters.apply(self.text.fill(values), values)

    def names(self) -> frozenset[str]:
        """The values that it names."""
        return self.text.names | self.filters.names


class FieldName(NamedTuple):
    """The name of a field in a request, which may have places; one that ends with `?` may be left out."""

    text: Template
    may_be_left_out: bool

    @classmethod
    def read(cls, said: str, info: ValidationInfo) -> "FieldName":
        """Raises templates.BadTemplate."""
        return cls(_names_known(Template(said.removesuffix("?")), info), said.endswith("?"))


def _value(value: object) -> object:
    return {"text": value} if isinstance(value, str) else value


def _tree(value: Any, info: ValidationInfo) -> Any:
    """What stands in a table: texts and tables with `text` are values; everything else is what it is."""
    if isinstance(value, str) or (isinstance(value, Mapping) and "text" in value):
        return Value.model_validate(_value(value), context=info.context)
    if isinstance(value, Mapping):
        return TABLE.validate_python(value, context=info.context)
    if isinstance(value, list):
        return LIST.validate_python(value, context=info.context)
    if not isinstance(value, bool | int | float) or not math.isfinite(value):
        raise ValueError("must be a text in quotes, a number, true, false, a list or a table")
    return value


def names_in(part: Any) -> frozenset[str]:
    """The values that a part of a request names."""
    if isinstance(part, Template):
        return part.names
    if isinstance(part, Value):
        return part.names()
    if isinstance(part, Mapping):
        return frozenset().union(*(name.text.names | names_in(each) for name, each in part.items()))
    return frozenset().union(*map(names_in, part)) if isinstance(part, list) else frozenset()


Filled = Annotated[Value, BeforeValidator(_value)]
Tree = Annotated[Any, PlainValidator(_tree)]
Table = dict[Annotated[FieldName, PlainValidator(FieldName.read)], Tree]
TABLE, LIST = TypeAdapter(Table), TypeAdapter(list[Tree])
