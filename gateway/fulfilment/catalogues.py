"""A provider's catalogue beside the routes to it: what is new, gone, dearer or cheaper. Pure."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from gateway.providers.base import Package
from models.provider import Provider
from models.route import Cost, ListedRoute

#: Of each kind of news so many are named.
MOST_NAMED = 3


class Change(StrEnum):
    """What the catalogue says of a route, or of a package without one."""

    #: In the catalogue, without a route.
    NEW = "new"
    #: A route, whose package is not in the catalogue any more.
    GONE = "gone"
    DEARER = "dearer"
    CHEAPER = "cheaper"
    #: The route had no cost, or one in another currency.
    PRICED = "priced"
    SAME = "same"


@dataclass(frozen=True, slots=True)
class Line:
    """One package and one route, or what there is of the two."""

    change: Change
    package: Package | None
    route: ListedRoute | None
    #: What one item costs by the catalogue; None if it does not say so, or in no known currency.
    price: Cost | None

    @property
    def is_price(self) -> bool:
        """Whether the route's cost is to be changed."""
        return self.change in (Change.DEARER, Change.CHEAPER, Change.PRICED)

    @property
    def key(self) -> str:
        """What it is known again by, once a person has seen it."""
        if self.package is None:
            return f"route {self._route_name} {self.route.tenant_id if self.route else None}"
        return f"package {self.package.id or sorted(self.package.params.items())}"

    @property
    def _route_name(self) -> str:
        return f"{self.route.product_id} {self.route.package_id}" if self.route else ""

    def __str__(self) -> str:
        """What is new, for a person: `pubg 60uc 31.40 → 33.00 TRY`."""
        if self.route is None:
            return f"{self.package.name or self.package.id}" if self.package else ""
        if not self.is_price or self.price is None:
            return self._route_name
        return f"{self._route_name} {self.route.cost} → {self.price.amount} {self.price.currency}"


def compare(
    account: Provider, names: Sequence[str], packages: Sequence[Package], routes: Sequence[ListedRoute]
) -> list[Line]:
    """Each package with the routes that lead to it, then the routes that lead to none.

    `names` are the parameters that every route to the provider has; a package is known again by those of them that the
    catalogue gives, or by all that it gives. Of packages that cannot be told apart by them the first counts.
    """
    lines, met, found = list[Line](), set[int](), _Leading(routes)
    for package in _distinct(packages, names):
        key, price = _key(package.params, names), _price(package, account)
        leading = found.by(key) if key else []
        met.update(leading)
        lines += [Line(_change(routes[each], price), package, routes[each], price) for each in leading]
        if not leading:
            lines.append(Line(Change.NEW, package, None, price))
    return [
        *lines,
        *(Line(Change.GONE, None, each, None) for number, each in enumerate(routes) if number not in met),
    ]


def news(lines: Sequence[Line], known: Collection[str]) -> str | None:
    """What a person should look at; None if nothing.

    Prices that the routes do not have, until they have them; what is new and what is gone, until a person has seen it
    (`known` has the keys of what was seen).
    """
    seen = set(known)
    told = []
    for change in (Change.DEARER, Change.CHEAPER, Change.GONE, Change.NEW):
        of_it = [line for line in lines if line.change is change and (line.is_price or line.key not in seen)]
        if of_it:
            named = ", ".join(map(str, of_it[:MOST_NAMED]))
            further = f" and {len(of_it) - MOST_NAMED} more" if len(of_it) > MOST_NAMED else ""
            told.append(f"{len(of_it)} {change} ({named}{further})")
    return "; ".join(told) or None


def keys(lines: Sequence[Line]) -> list[str]:
    """What of them is known once a person has seen them, for `news`."""
    return sorted({line.key for line in lines if line.package or line.change is Change.GONE})


def _key(params: Mapping[str, str], names: Sequence[str]) -> dict[str, str]:
    said = {name: value for name, value in params.items() if value}
    return {name: value for name, value in said.items() if name in names} or said


def _distinct(packages: Sequence[Package], names: Sequence[str]) -> Iterator[Package]:
    known = set[tuple[tuple[str, str], ...]]()
    for package in packages:
        key = tuple(sorted(_key(package.params, names).items()))
        if key not in known or not key:
            known.add(key)
            yield package


class _Leading:
    """Finds routes by their parameters, of which a catalogue may have thousands, in one pass for each set of names."""

    def __init__(self, routes: Sequence[ListedRoute]) -> None:
        self._routes = routes
        self._by_names: dict[tuple[str, ...], dict[tuple[str | None, ...], list[int]]] = {}

    def by(self, key: Mapping[str, str]) -> list[int]:
        """The numbers of the routes that have all of `key`."""
        names = tuple(sorted(key))
        if names not in self._by_names:
            found = self._by_names[names] = {}
            for number, each in enumerate(self._routes):
                found.setdefault(tuple(each.params.get(name) for name in names), []).append(number)
        return self._by_names[names].get(tuple(key[name] for name in names), [])


def _price(package: Package, account: Provider) -> Cost | None:
    currency = package.currency or account.currency
    return Cost(package.price, currency) if currency and package.price and package.price > 0 else None


def _change(route: ListedRoute, price: Cost | None) -> Change:
    if price is None:
        return Change.SAME
    if route.cost is None or route.currency != price.currency:
        return Change.PRICED
    if price.amount == route.cost:
        return Change.SAME
    return Change.DEARER if price.amount > route.cost else Change.CHEAPER
