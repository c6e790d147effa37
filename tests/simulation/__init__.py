"""A world with capacity, in virtual time: partitions, quotas, a stream that grows, users, and a bill.

The local AWS takes whatever it is given. Here a table throttles, and so whatever breaks at size can be seen. What the
migration decides is the product's own code; what AWS does is modelled here, each number with its source.
"""
