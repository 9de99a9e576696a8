"""The storm: thousands of orders through real processes while everything around them breaks, then the books compared.

`plan` says what happens when, all of it from one seed; `stage` has the processes and servers; `faults` breaks
them; `storefront` places the orders; `storm` lets it all run; `audit` compares what the provider's book says
with what the gateway shows; `table` prints it.
"""
