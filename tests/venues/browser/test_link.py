"""The link of a page without a browser: which answers and requests of the page reach the session."""

from __future__ import annotations

from vectra_bot.models import Direction, Frame, PlayerRequest
from vectra_bot.venues.browser.cdp import PageFrame
from vectra_bot.venues.browser.settings import BrowserSettings
from vectra_bot.venues.browser.venue import BrowserFeed

ORDER = '"buyOrder",{"__trace":true,"traceparent":"00-' + "ab" * 16 + '-0011223344556677-01"}'


def test_only_awaited_answers_reach_the_session() -> None:
    """Ours and the person's do; those to pings are measured, and what else the page asks is its own."""
    port = BrowserSettings(browser=True, browser_port=9)  # nothing is started
    feed = BrowserFeed("http://127.0.0.1:9", browser=port)
    link = feed.link
    connection = link._new_connection()
    connection.open()
    ours = link.acks.next_id(connection.epoch, "an-action")
    for raw in ('420["ping",{"lastPing":1}]', f'421[{ORDER},{{"amount":0.01}}]'):
        link._on_request(PageFrame("S", "1", raw, 1.0, True))
    answers = ["430[]", f"43{ours}[]", '431[{"success":true}]', "432[]", "433[1]", "43[]"]
    for raw in answers:
        link._receive(connection, raw)
    items = []
    while (item := feed.rest()) is not None:
        items.append(item)
    received = [i.raw for i in items if isinstance(i, Frame) and i.direction is Direction.IN]
    (request,) = [item for item in items if isinstance(item, PlayerRequest)]

    assert ours == 900_000
    assert received == [f"43{ours}[]", '431[{"success":true}]', "43[]"]
    assert (request.ack_id, request.trace_id) == (1, "ab" * 16)
    assert link.acks.pongs == 1


def test_an_order_of_the_person_with_id_0_has_no_answer() -> None:
    """The stock client counts from 0: such an answer cannot be read, and is not passed on."""
    port = BrowserSettings(browser=True, browser_port=9)
    feed = BrowserFeed("http://127.0.0.1:9", browser=port)
    connection = feed.link._new_connection()
    connection.open()
    feed.link._on_request(PageFrame("S", "1", f'420[{ORDER},{{"amount":0.01}}]', 1.0, True))
    feed.link._receive(connection, '430[{"success":true}]')
    items = []
    while (item := feed.rest()) is not None:
        items.append(item)

    assert [item.ack_id for item in items if isinstance(item, PlayerRequest)] == [None]
    assert not [i for i in items if isinstance(i, Frame) and i.direction is Direction.IN]
