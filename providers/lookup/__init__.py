"""The open web asked who somebody is: from one address to the others that its owner says, and that say so in return.

`walk.look_up` is the way in. What may be asked about is `resources`, what a place says is a `reading`, who says what of whom is weighed in
`graph`; each protocol is a module (`webfinger`, `pages`, `actors`, `foaf`, `at_protocol`, `nostr`, `directories`). `crawl` is the one way
to the network: polite, bounded, through the guard. Knows nothing of viewers, caches or accounts.
"""
