"""Gives the users of a local cluster their access, as ACLs.

Source: Kafka protocol, CreateAcls (30); the numbers are those of AclOperation, ResourceType, PatternType and AclPermissionType.
"""

from collections.abc import Mapping, Sequence

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError, for_code
from aiokafka.protocol.admin import CreateAclsRequest

from steno.broker.errors import BrokerFailed
from steno.broker.security import BrokerSecurity
from steno.events.access import Operation, Rule

_RESOURCES = {"Topic": 2, "Group": 3}
_OPERATIONS: dict[Operation, int] = {"Read": 3, "Write": 4, "Create": 5, "Describe": 8}
_LITERAL = 3
_ALLOW = 3


async def grant(bootstrap_servers: str, security: BrokerSecurity, access: Mapping[str, Sequence[Rule]]) -> None:
    """Adds the ACLs that allow each user its rules; those that exist stay.

    Raises:
        BrokerFailed: the broker refuses one.
    """
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers, **security.connection())
    try:
        await admin.start()
        for user, rules in access.items():
            for rule in rules:
                for operation in rule.operations:
                    answer = await admin._send_request(
                        CreateAclsRequest(
                            _RESOURCES[rule.resource],
                            rule.name,
                            _LITERAL,
                            f"User:{user}",
                            "*",
                            _OPERATIONS[operation],
                            _ALLOW,
                        )
                    )
                    for code, message in answer.creation_responses:
                        if code:
                            raise BrokerFailed(f"no ACL for {user}, {rule}: {for_code(code).__name__} {message}")
    except KafkaError as error:
        raise BrokerFailed(f"the ACLs could not be made: {error!r}") from error
    finally:
        await admin.close()
