"""HTTP: the calls, the streams, the page, and who may use them."""
