"""Names that only the server can make: battle tokens, battle ids, receipts.

All are keyed hashes, so that the server can say them again (to the browser they belong to) without
keeping them, and nobody else can guess them.
"""

from __future__ import annotations

from mi_arena.access.identity import Identities

RECEIPT_LETTERS = "ABCDEFGHJKMNPQRSTUVWXYZ23456789"
"""No letters that are mistaken for one another; people write receipts down."""
RECEIPT_LENGTH = 12
ID_LENGTH = 24


class Tokens:
    """Derives from the study's secret; holds no state."""

    def __init__(self, identities: Identities):
        self._keyed = identities.keyed

    def begun(self, event_id: str) -> str:
        """The token of the battle that began with this event, for the browser to hold.

        Not of a rater's how many-th it is: two copies of the app that don't see each other would
        count alike, and give two battles one name.
        """
        return self._keyed("battle-token", event_id)[:40]

    def battle(self, token: str) -> str:
        """The id under which the records know the battle of a token."""
        return self._keyed("battle", token)[:ID_LENGTH]

    def kept(self, token: str) -> str:
        """What the records keep of a token."""
        return self._keyed("battle-token-hash", token)

    def receipt(self, token: str) -> str:
        """The receipt code of a battle's judgement: the same whenever it is asked for."""
        number = int(self._keyed("receipt-code", token), 16)
        letters = []
        for _ in range(RECEIPT_LENGTH):
            number, at = divmod(number, len(RECEIPT_LETTERS))
            letters.append(RECEIPT_LETTERS[at])
        return "".join(letters)

    def receipt_hash(self, receipt: str) -> str:
        """What the records keep of a receipt; case, spaces and dashes don't matter."""
        letters = "".join(c for c in receipt.upper() if c in RECEIPT_LETTERS)
        return self._keyed("receipt", letters)
