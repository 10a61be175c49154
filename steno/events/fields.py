"""The types that fields of records have: what may stand in them, and what is cut. Pure."""

from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, Field

from steno.events import properties as bounds
from steno.utc import in_utc_with_margin

LONGEST_TEXT = 1024


def _shortened(text: str) -> str:
    return text if len(text) <= LONGEST_TEXT else text[: LONGEST_TEXT - 1] + "…"


Identifier = Annotated[str, Field(min_length=1, max_length=256)]
#: What is said for people to read: a reason, who asked. It is cut, for nothing depends on the end of it.
Text = Annotated[str, AfterValidator(_shortened)]
#: By the clock of whoever wrote the record.
Moment = Annotated[AwareDatetime, AfterValidator(in_utc_with_margin)]
#: A BCP 47 language tag, as far as its length tells.
Locale = Annotated[str, Field(max_length=64)]
#: The name of something that a publisher asks for, or a phrase that it expects.
OptionName = Annotated[str, Field(max_length=128)]
#: What a publisher says of its call or recording.
Properties = Annotated[dict[str, str], AfterValidator(bounds.bounded)]
Location = Annotated[str, Field(min_length=1, max_length=4096)]
# As far as Avro's long and int go.
Milliseconds = Annotated[int, Field(ge=0, le=2**63 - 1)]
Position = Annotated[int, Field(ge=0, le=2**63 - 1)]
Index = Annotated[int, Field(ge=0, le=2**31 - 1)]
Confidence = Annotated[float, Field(ge=0, le=1)]
Sentiment = Annotated[float, Field(ge=-1, le=1)]
# Empty: it belongs to no tenant. What a name may be is said in `steno.tenants`.
Tenant = Annotated[str, Field(max_length=64, pattern=r"^(\w[\w.@+:/-]*)?$")]
# What a writer is stands at `steno.events.records.LiveCallRecord`.
Writer = Annotated[str, Field(max_length=64)]
