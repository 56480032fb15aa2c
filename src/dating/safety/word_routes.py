"""Hidden words over HTTP."""

from litestar import get, put
from litestar.di import NamedDependency
from litestar.params import JSONBody

from dating.database import Database
from dating.idempotency import Commit
from dating.safety import words
from dating.safety.word_models import LONGEST, MOST, HiddenWords
from dating.tokens import Identity

TAGS = ["Safety"]


@get("/me/hidden-words", summary="My hidden words", description="As I wrote them. Nobody else sees them.", tags=TAGS)
async def show_words(me: NamedDependency[Identity], db: NamedDependency[Database]) -> HiddenWords:
    """The list."""
    return await db.read(words.show, me.user_id)


@put(
    "/me/hidden-words",
    summary="Choose words that I do not want to read",
    description=f"Replaces the list: at most {MOST} words or phrases of at most {LONGEST} characters. Messages of others that "
    "hold one, in any form, come to none of my devices and into no list but GET /api/messages/hidden, from now on; who writes "
    "them does not notice. A message that is edited to hold one goes there, too.",
    tags=TAGS,
    opt={"limit": "read"},
)
async def replace_words(
    data: JSONBody[HiddenWords], me: NamedDependency[Identity], commit: NamedDependency[Commit]
) -> HiddenWords:
    """These words and no others."""
    return await commit(words.replace, me.user_id, data)


handlers = [show_words, replace_words]
