"""The gateway beside the older storefront: both place, send and settle at once, while our processes are killed.

`filling` puts years of orders into the older storefront's database; `scene` brings the gateway beside it, with or
without the rights of the tables' owner; `writes` records by triggers what the gateway's role writes there; `shop`
stands in for the older storefront's code and does with each order what `kinds` says; `run` lets both run; `audit`
compares what the panel, the shop and the database say of every order.
"""
