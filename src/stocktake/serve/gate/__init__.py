"""Who may ask what, and with what limits: the part that the API and the web pages share."""
