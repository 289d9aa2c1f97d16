"""One simulated client and one system: whose turn it is, what each turn does, and how it ends.

Pure: it is given the words of both. The client is the same for every system: its state, and what is
asked of it, follow from the profile and from what was said, never from who said it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, get_args

from eval.simulate.behaviours import Behaviour, behaviours
from eval.simulate.client_state import CLOSING, Stance, begin, moved
from eval.simulate.profiles import Profile
from mi_arena.dialogue import Message
from mi_arena.safety.crisis import scan
from mi_arena.safety.replies import scan_reply

Ending = Literal["commitment", "left", "rounds", "crisis"]
"""``commitment``: the client said what it will do; ``left``: it had enough; ``rounds``: time was
up; ``crisis``: a sign of danger in what either said."""
ENDINGS: tuple[Ending, ...] = get_args(Ending)


@dataclass(frozen=True)
class ClientTurn:
    """What the client is to say next."""

    profile: Profile
    number: int
    """Of the round, from 1."""
    stance: Stance
    messages: tuple[Message, ...]
    """All that was said; empty before the first word."""
    heard: frozenset[Behaviour] | None
    """What the counsellor did last."""


@dataclass(frozen=True)
class Heard:
    """A counsellor's reply, and how it was made."""

    text: str
    cut: bool = False
    """At the most tokens a reply may have."""
    messages_left_out: int = 0
    """Early messages that the system's context had no room for."""
    refused: bool = False
    """The server took no such request, so that nothing was said."""


@dataclass(frozen=True)
class RoundTold:
    """A round as it was; the numbers are those after it."""

    round: int
    stance: Stance
    behaviours: tuple[Behaviour, ...]
    readiness: float
    engagement: float
    spare_words: bool
    """The model gave no fit turn, and the profile's own sentences stood in."""
    cut: bool
    messages_left_out: int
    refused: bool


@dataclass
class Talk:
    """A talk as it goes; ``client_says`` and ``counsellor_says`` take turns."""

    profile: Profile
    system: str
    most_rounds: int
    messages: list[Message] = field(default_factory=list)
    rounds: list[RoundTold] = field(default_factory=list)
    ended: Ending | None = None

    def __post_init__(self) -> None:
        of = self.profile
        self.began = self.state = begin(of.stage, of.importance, of.confidence, of.resistance)
        self._heard: frozenset[Behaviour] | None = None
        self._spare = False

    @property
    def stance(self) -> Stance:
        """Of the client's turn that is next or was last."""
        return self.state.stance

    def next_turn(self) -> ClientTurn:
        return ClientTurn(
            self.profile, len(self.rounds) + 1, self.stance, tuple(self.messages), self._heard
        )

    def client_says(self, text: str, spare_words: bool = False) -> None:
        """Takes the client's turn; one with a sign of danger ends the talk, unanswered."""
        self.messages.append(Message(role="client", content=text))
        self._spare = spare_words
        if scan(text):
            self.ended = "crisis"

    def counsellor_says(self, heard: Heard) -> None:
        """Takes the reply, which moves the client, and ends the talk where a rule says so."""
        said = [m.content for m in self.messages if m.role == "counselor"]
        done = behaviours(heard.text, self.messages[-1].content, said, self.profile.lang)
        stance = self.stance
        self.state = moved(self.state, done)
        self._heard = done
        self.messages.append(Message(role="counselor", content=heard.text))
        self.rounds.append(
            RoundTold(
                round=len(self.rounds) + 1,
                stance=stance,
                behaviours=tuple(sorted(done)),
                readiness=self.state.readiness,
                engagement=self.state.engagement,
                spare_words=self._spare,
                cut=heard.cut,
                messages_left_out=heard.messages_left_out,
                refused=heard.refused,
            )
        )
        self.ended = self._ending(heard.text, stance)

    @property
    def silent(self) -> bool:
        """The counsellor has never said anything: there is nothing to rate."""
        return not any(m.role == "counselor" and m.content.strip() for m in self.messages)

    @property
    def steps(self) -> int:
        """Rounds done, or all that there could be once it has ended."""
        return len(self.rounds) if self.ended is None else self.most_rounds

    def _ending(self, reply: str, stance: Stance) -> Ending | None:
        if scan_reply(reply):
            return "crisis"
        if stance in CLOSING:
            return "commitment" if stance == "commitment" else "left"
        return "rounds" if len(self.rounds) >= self.most_rounds else None
