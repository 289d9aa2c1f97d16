"""The workspace's pages: HTML painted here, one call from the browser for every action."""
