"""The one way to tell a person: a line in the log, and a webhook where one is named.

``FIT_ASSETS_NOTIFY_URL`` takes a JSON object by POST: ``text`` is what Slack, Mattermost and Teams show, ``title`` and
``facts`` are for programs. Telling never fails what it tells of.
"""

from __future__ import annotations

import logging
from typing import Any

from fit_assets import settings

_ATTEMPTS = 2
_SECONDS = 5.0

_log = logging.getLogger(__name__)


def notify(title: str, text: str = "", **facts: Any) -> bool:
    """Tell a person.

    Args:
        title: what has happened, in a few words.
        text: what it means and what to do.
        facts: plain JSON values for programs.

    Returns:
        Whether the webhook took it; False also where none is named.
    """
    _log.warning("%s: %s %s", title, text, facts or "")
    url = settings.notify_url()
    if url is None:
        return False
    import httpx

    content = {"text": f"{title}\n{text}".strip(), "title": title, "facts": facts}
    problem: Exception | None = None
    for _ in range(_ATTEMPTS):
        try:
            httpx.post(url, json=content, timeout=_SECONDS).raise_for_status()
            return True
        except (httpx.HTTPError, httpx.InvalidURL, TypeError) as error:
            problem = error
    # The address of a webhook is a secret: it stands in no log.
    _log.error("the webhook could not be told (%s)", type(problem).__name__)
    return False
