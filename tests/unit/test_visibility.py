"""One predicate of who may see whom: every statement that reads people, messages or what is between people asks it.

The predicate is the view `hidden` (or `unwanted`, which contains it). One that reads without it stands here with its reason.
"""

import re

from tests.unit.test_sql import STATEMENTS

READS = re.compile(r"\s*(SELECT|WITH)\b")
ABOUT = re.compile(
    r"\b(FROM|JOIN)\s+"
    r"(people|users|profiles|messages|members|swipes|pairs|superlikes|inbox|chats|calls|call_signals|polls|votes|reactions|edits)\b"
)
PREDICATE = re.compile(r"\b(hidden|unwanted)\b")

REASONS = {
    "about me alone": """
        accounts.queries.EXPORT_ACCOUNT chat.archive_queries.EXPORT_VERSIONS chat.archive_queries.GROUPS
        chat.group_queries.IS_MEMBER chat.group_queries.WAS_REMOVED profiles.queries.ACCOUNT matching.queries.LAST
        profiles.queries.PROFILE
        realtime.inbox.POSITION safety.queries.IS_THERE chat.limit_queries.JOINED chat.request_queries.ASKED_SINCE
        chat.archive_queries.EXPORT_REACTIONS chat.archive_queries.EXPORT_VOTES chat.change_queries.OWN_REACTION
        chat.poll_queries.OWN search.queries.REACH""",
    "candidates, of which search.queries.FOUND asks": "search.queries.LOOK",
    "who signs in, before anybody sees anything": """
        accounts.queries.HOLDER_OF_NAME accounts.queries.HOLDER_OF_EMAIL accounts.queries.ACCOUNT
        accounts.queries.ACCOUNT_BY_LOGIN accounts.queries.ACCOUNT_BY_ID accounts.queries.ROLE accounts.queries.LIVING
        accounts.mailbox_queries.IS_KEPT_OUT""",
    "a step of a deletion or of a job, which shows nobody anything": """
        accounts.queries.CORRESPONDENTS accounts.queries.LATELY_GONE accounts.queries.SEALED
        chat.change_queries.ANY chat.expiry_queries.EXPIRED
        realtime.inbox.SAID_BY calls.queries.OVERDUE calls.queries.OVERDUE_OF chat.archive_queries.PAIRS
        chat.change_queries.MOMENTS
        realtime.inbox.LAST_USER chat.group_queries.HEIR matching.queries.MATCHED matching.standing_queries.AWAITED
        search.index_queries.TEXTS search.index_queries.CALLED_PEOPLE search.index_queries.CALLED_CHATS""",
    "numbers for the ranking and for operators, which name nobody": """
        evaluation.queries.EXPOSED matching.deck_queries.PERSONS matching.fairness_queries.SHOWN
        matching.fairness_queries.UNANSWERED matching.fairness_queries.MATCHES matching.pick_queries.REGIONS
        matching.pick_queries.PEOPLE matching.standing_queries.SUBJECT matching.index_queries.LAST
        safety.report_queries.UNREACHABLE""",
    "the candidate index, of which OPEN asks for everybody whom it names": """
        matching.index_queries.SEEN matching.index_queries.EVERYBODY matching.index_queries.SOME""",
    "the service asks `require_visible` about the person first": """
        chat.queries.TAKES_MESSAGES chat.queries.FIND_PAIR chat.queries.WAS_CLOSED matching.queries.MINE
        matching.queries.CHAT""",
    "an id, which the statement that shows the profile then asks about": "profiles.queries.NAMED",
    "the chat was found open to me by a statement that asks": """
        chat.group_queries.SIZE chat.group_queries.FACE chat.history_queries.POLLS chat.history_queries.VERSIONS
        chat.change_queries.COUNT_VERSIONS chat.poll_queries.FIND
        chat.receipt_queries.HEAD chat.receipt_queries.IN_CHAT chat.receipt_queries.UNREAD_OF""",
    "whom a receipt might concern; RECEIVERS asks before anybody is told": """
        chat.receipt_queries.UNREAD_AUTHORS chat.receipt_queries.AUTHORS chat.receipt_queries.UNDELIVERED_AUTHORS""",
    "what belongs to rows that a statement which asks has found": """
        matching.queries.SUPERLIKES matching.candidate_queries.TRAITS""",
    "export.read_inbox drops what is about somebody hidden": "accounts.queries.EXPORT_INBOX",
    "those whom I have blocked I may see listed, to take it back": "safety.queries.BLOCKED",
    "evidence: whoever got a message may report it after a block": """
        safety.report_queries.MESSAGE safety.report_queries.BEFORE safety.report_queries.VERSIONS""",
    "a call of mine; the service asks about the other before it is shown, and lets me hang up on anybody": """
        calls.queries.FIND calls.queries.SIGNALS""",
    "a request that is being answered; the service then asks whether the chat is open": """
        chat.request_queries.DECLINED chat.request_queries.DECLINED_BY chat.request_queries.MARKS chat.request_queries.WAITING""",
    "a link leads into a group, whoever is in it": "chat.group_queries.FIND_INVITE",
    "whose hidden words to look for; it shows nobody anything": "chat.veil_queries.WARY",
    "what a classifier is asked about, and the moderator who has taken it": """
        chat.hold_queries.TEXT moderation.held_queries.WAITING moderation.held_queries.QUEUE moderation.held_queries.ONE""",
    "moderators: a role is no person's to hide": "moderation.queries.OTHERS moderation.queries.ROLE",
}


def list_unasked() -> set[str]:
    """The statements that read something of people without the predicate."""
    return {
        name.removeprefix("dating.")
        for name, sql in STATEMENTS.items()
        if READS.match(sql) and ABOUT.search(sql) and not PREDICATE.search(sql)
    }


def test_every_statement_asks_who_may_see_whom() -> None:
    """A new statement uses the predicate, or says here why it need not; and no reason is left of one that is gone."""
    reasoned = {name for names in REASONS.values() for name in names.split()}
    unasked = list_unasked()
    assert unasked - reasoned == set(), "add NOT EXISTS (SELECT 1 FROM hidden …) to these, or a reason to REASONS"
    assert reasoned - unasked == set(), "these ask, or are gone: take them off REASONS"


def test_the_search_finds_statements() -> None:
    """Most statements about people do ask."""
    asking = {name for name, sql in STATEMENTS.items() if READS.match(sql) and PREDICATE.search(sql)}
    assert len(asking) > 20
