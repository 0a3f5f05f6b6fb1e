"""A notice of the chat's worker is a fault of the reply that is owed, or of none."""

import pytest
from pytestqt.qtbot import QtBot

from studio.contract import events
from studio.contract.errors import Problem
from studio.contract.records import Message
from studio.contract.sampling import Sampling
from studio.supervisor.services import ChatService
from studio.supervisor.workplace import Workplace


@pytest.mark.parametrize(("code", "fails"), [(events.UNVERIFIED, False), ("chat.not_finite", True)])
def test_a_doubt_about_an_adapter_fails_no_reply(code: str, fails: bool, qtbot: QtBot, own_home: object) -> None:
    service = ChatService(Workplace())
    noticed: list[Problem] = []
    failed: list[int] = []
    service.noticed.connect(noticed.append)
    service.reply_failed.connect(lambda request, problem: failed.append(request))
    request = service.ask("a", (Message("user", "Hi"),), Sampling())
    problem = Problem(code=code, what="It is so.")
    service._on_event(events.Notice(problem=problem))
    assert (failed, noticed) == (([request], []) if fails else ([], [problem]))
    assert service.answering is not fails
