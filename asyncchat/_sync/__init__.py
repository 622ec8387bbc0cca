"""The blocking client: the asynchronous one, run by a thread of its own.

Nothing is written twice: a blocking method is a typed descriptor over its asynchronous twin.
"""

from asyncchat._sync.client import Client, Conversations, Messages, Models
from asyncchat._sync.pager import Pager

__all__ = ["Client", "Conversations", "Messages", "Models", "Pager"]
