"""Shows a saved chat in the window's own view: `python -m tests.faults.shown_chat HOME ID`.

Prints the internet sockets that something asked for, and the rich text that was made of foreign text, as a JSON list.
"""

import json
import os
import sys

_asked: list[str] = []


def _note(event: str, arguments: tuple[object, ...]) -> None:
    if event in ("socket.connect", "socket.sendto", "socket.getaddrinfo"):
        family = getattr(getattr(arguments[0], "family", None), "name", "AF_INET")
        if family in ("AF_INET", "AF_INET6"):
            _asked.append(f"{event} {arguments[1:]}")


def main(home: str, chat_id: str) -> None:
    """Open the application as far as the chat's view."""
    os.environ |= {"APPRENTICE_HOME": home, "QT_QPA_PLATFORM": "offscreen"}
    sys.addaudithook(_note)
    from PySide6.QtCore import Qt
    from PySide6.QtWidgets import QApplication, QLabel

    from studio.supervisor import chats
    from studio.ui.collector import Collector
    from studio.ui.widgets.chat_view import ChatView

    application = QApplication([])
    Collector(application)
    view = ChatView()
    view.resize(800, 600)
    view.show_chat(chats.load(chat_id))
    view.show()
    for _ in range(20):
        application.processEvents()
    view.grab()
    rich = [
        f"rich text: {label.text()[:60]}"
        for label in view.findChildren(QLabel)
        if label.textFormat() != Qt.TextFormat.PlainText
    ]
    print(json.dumps([*_asked, *rich]), flush=True)
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
