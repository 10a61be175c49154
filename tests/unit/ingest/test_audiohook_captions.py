"""What the server tells an AudioHook client of what was understood."""

from support.audiohook_session import Session, opened, phrase

from steno.events.records import Hypothesis


def hypothesis(text: str, *, start_ms: int = 0, channel: int = 0, revision: int = 0) -> Hypothesis:
    """A hypothesis whose first half is stable."""
    return Hypothesis(
        call_id="c",
        recording_id="r",
        phrase_id=f"phrase-{channel}-{start_ms}",
        revision=revision,
        channel=channel,
        start_ms=start_ms,
        duration_ms=500,
        text=text,
        stable_text=text[: len(text) // 2],
    )


def test_a_phrase_becomes_a_final_transcript() -> None:
    """One entity with the utterance's id, its times, and its words."""
    session = opened()
    session.carry_out(session.door.add_caption(phrase("hello", start_ms=61_000, channel=1), now=session.now))
    assert session.client.transcripts == [
        {
            "id": "phrase-1-61000",
            "channelId": 1,
            "isFinal": True,
            "offset": "PT61S",
            "duration": "PT1.25S",
            "alternatives": [
                {
                    "confidence": 0.75,
                    "languages": ["en-US"],
                    "interpretations": [
                        {
                            "type": "display",
                            "transcript": "hello",
                            "tokens": [
                                {
                                    "type": "word",
                                    "value": "hello",
                                    "confidence": 0.5,
                                    "offset": "PT61.1S",
                                    "duration": "PT1S",
                                    "language": "en-US",
                                }
                            ],
                        }
                    ],
                }
            ],
        }
    ]


def texts(session: Session) -> list[str]:
    """The transcripts that the client got."""
    return [entity["alternatives"][0]["interpretations"][0]["transcript"] for entity in session.client.transcripts]


def test_a_hypothesis_becomes_an_interim_transcript() -> None:
    """It has the id that its phrase will have, and is as sure as its stable share."""
    session = opened()
    session.carry_out(session.door.add_caption(hypothesis("good morning"), now=session.now))
    (entity,) = session.client.transcripts
    assert (entity["id"], entity["isFinal"]) == ("phrase-0-0", False)
    assert entity["alternatives"][0]["confidence"] == 0.5
    assert "tokens" not in entity["alternatives"][0]["interpretations"][0]


def test_interim_transcripts_can_be_left_out() -> None:
    """Where the settings say so, only what is final is sent."""
    session = opened(interim=False)
    session.carry_out(session.door.add_caption(hypothesis("good"), now=session.now))
    session.carry_out(session.door.add_caption(phrase("good morning"), now=session.now))
    assert texts(session) == ["good morning"]


def test_only_the_newest_hypothesis_of_a_channel_is_sent_when_there_is_little_room() -> None:
    """The client never gets more than it takes (it checks), and of hypotheses that wait the last one of each channel."""
    session = opened()
    for revision in range(100):
        for channel in (0, 1):
            caption = hypothesis(f"revision {revision}", channel=channel, revision=revision)
            session.carry_out(session.door.add_caption(caption, now=session.now))
    sent = len(session.client.transcripts)
    assert 10 < sent < 25
    session.tick(2)
    assert texts(session)[-2:] == ["revision 99", "revision 99"]
    session.tick(10)
    assert len(session.client.transcripts) == sent + 2


def test_phrases_go_before_hypotheses_and_none_is_left_out() -> None:
    """Sixty phrases at once all arrive, in order, as fast as the client takes them."""
    session = opened()
    for number in range(60):
        session.carry_out(session.door.add_caption(phrase(f"{number}", start_ms=number * 2000), now=session.now))
        session.carry_out(session.door.add_caption(hypothesis("later", start_ms=number * 2000 + 1000), now=session.now))
    assert len(session.client.transcripts) < 25
    for _ in range(120):
        session.tick(0.1)
        if session.now % 5 < 0.1:
            session.send(session.client.ping())
    assert [text for text in texts(session) if text != "later"] == [f"{number}" for number in range(60)]
    assert texts(session)[-1] == "later"


def test_an_utterance_is_told_once() -> None:
    """A phrase that comes again, and a hypothesis that comes behind its phrase, are left out."""
    session = opened()
    for caption in (phrase("one"), phrase("one"), hypothesis("on"), phrase("two", start_ms=3000), phrase("one")):
        session.carry_out(session.door.add_caption(caption, now=session.now))
    assert texts(session) == ["one", "two"]


def test_a_client_that_wants_less_gets_less() -> None:
    """After an error 429 no caption is sent until its time is over; pings are answered all the same."""
    session = opened()
    session.send(session.client.message("error", {"code": 429, "message": "slow down", "retryAfter": "PT3S"}))
    session.carry_out(session.door.add_caption(phrase("hello"), now=session.now))
    session.send(session.client.ping())
    session.tick(2.9)
    assert (texts(session), session.types[-1]) == ([], "pong")
    session.tick(1.1)
    assert texts(session) == ["hello"]


def test_the_end_leaves_hypotheses_out() -> None:
    """Once the client closes, only what is final is sent."""
    session = opened()
    session.send(session.client.close())
    session.carry_out(session.door.add_caption(hypothesis("good"), now=session.now))
    session.carry_out(session.door.add_caption(phrase("goodbye"), now=session.now))
    assert texts(session) == ["goodbye"]


def test_what_the_protocol_has_no_word_for_is_not_said() -> None:
    """Acknowledgements are nothing to this protocol."""
    session = opened()
    assert session.door.acknowledge(sequence=1, position=800) == []
    assert session.door.settle(now=session.now) == []
