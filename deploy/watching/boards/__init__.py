"""The six dashboards, each a module of its own."""

from watching.boards.batch import BATCH
from watching.boards.kafka import KAFKA
from watching.boards.live import LIVE
from watching.boards.overview import OVERVIEW
from watching.boards.path import PATH
from watching.boards.webhooks import WEBHOOKS

BOARDS = (OVERVIEW, LIVE, BATCH, PATH, WEBHOOKS, KAFKA)
