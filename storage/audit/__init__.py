"""Proof that the audit log was not touched: the walk through all of it, and what its checkpoints say."""

from storage.audit.columns import COLUMN_NAMES as COLUMN_NAMES
from storage.audit.findings import BadCheckpoint as BadCheckpoint
from storage.audit.findings import BadEvent as BadEvent
from storage.audit.findings import Verification as Verification
from storage.audit.signed import OutsideCopy as OutsideCopy
from storage.audit.signed import Trust as Trust
from storage.audit.whole import verify as verify
