"""The hook of the gateway that checks a caller's role before a call is carried out, and keeps the record.

| call | does |
|---|---|
| `GET /_tableferry/requirements` | lists what callers needed, and what was refused: see record.py |

A caller whose role the local IAM does not know is not checked: make the role there with CreateRole, and it is, from the
next call on; without a policy it may then do nothing, as on AWS. What it needs is recorded in both cases. Calls of
anybody who is no function and no state machine are neither checked nor recorded.
"""

import logging
from typing import Final

from aiohttp import web

from infra.local.emulator.answers import OWN_PATHS
from infra.local.emulator.gateway import scope_of
from infra.local.emulator.lambdas.lambda_function import LambdaFunction
from infra.local.emulator.permissions.callers import Caller, Callers
from infra.local.emulator.permissions.calls import call_of
from infra.local.emulator.permissions.policies import Decision, PolicyUnknown
from infra.local.emulator.permissions.record import Record
from infra.local.emulator.permissions.refusals import message_of, refused, refused_statements
from infra.local.emulator.permissions.requirements.requirement import Call, Requirement, UnknownCall, World
from infra.local.emulator.permissions.requirements.service_requirements import requirements_of
from infra.local.emulator.permissions.roles import Roles

REQUIREMENTS_PATH: Final = f"{OWN_PATHS}requirements"

log = logging.getLogger(__name__)


class Permissions:
    """Checks and records.

    Args:
        callers: finds who calls.
        roles: finds what a role may do.
        world: what calls do not say themselves.
        account: whose resources calls mean.
        region: of calls that are not signed for one.

    Attributes:
        record: what was needed so far.
    """

    def __init__(self, *, callers: Callers, roles: Roles, world: World, account: str, region: str) -> None:
        self.record = Record()
        self._callers = callers
        self._roles = roles
        self._world = world
        self._account = account
        self._region = region

    def add_routes(self, app: web.Application) -> None:
        """Add the call above."""
        app.router.add_get(REQUIREMENTS_PATH, self._tell)

    async def before(self, request: web.Request) -> web.StreamResponse | None:
        """Refuse a call that its caller's role does not allow."""
        caller = self._callers.find(request.headers.get("User-Agent", ""))
        if caller is None:
            return None
        region, service = scope_of(request)
        call = await call_of(request, service, region or self._region, self._account)
        try:
            requirements = requirements_of(call, self._world)
            unmet = self._unmet(caller, requirements)
        except (UnknownCall, PolicyUnknown) as error:
            return self._refuse_unknown(caller, call, str(error))
        if not unmet:
            self.record.use(caller.name, requirements)
            return None
        for requirement in unmet:
            self.record.refuse(caller.name, requirement)
        message = message_of(caller, *next(iter(unmet.items())))
        log.info("not allowed: %s", message)
        if call.operation == "BatchExecuteStatement" and len(unmet) == len(requirements):
            return refused_statements(call, message)
        return refused(call, message)

    def check_function(self, function: LambdaFunction, requirements: tuple[Requirement, ...]) -> str | None:
        """Check what Lambda itself asks of a function's role.

        Returns:
            Why not, in AWS's words; None if all is allowed, or the role is not known.
        """
        caller = self._callers.of_function(function)
        if caller is None:
            return None
        try:
            unmet = self._unmet(caller, requirements)
        except PolicyUnknown as error:
            return str(error)
        if not unmet:
            self.record.use(caller.name, requirements)
            return None
        for requirement in unmet:
            self.record.refuse(caller.name, requirement)
        return message_of(caller, *next(iter(unmet.items())))

    def _unmet(self, caller: Caller, requirements: tuple[Requirement, ...]) -> dict[Requirement, Decision]:
        policies = self._roles.policies_of(caller.role_arn)
        if policies is None:
            return {}
        decided = ((requirement, policies.decide(requirement)) for requirement in requirements)
        return {requirement: decision for requirement, decision in decided if decision is not Decision.ALLOWED}

    def _refuse_unknown(self, caller: Caller, call: Call, why: str) -> web.StreamResponse | None:
        """Refuse what cannot be judged; a role that IAM does not know is not judged at all."""
        try:
            if self._roles.policies_of(caller.role_arn) is None:
                return None
        except PolicyUnknown as error:
            why = str(error)
        log.error("%s cannot be judged for %s: %s", call.operation, caller.name, why)
        return refused(call, f"{caller.arn} is refused by the local AWS, which cannot judge this call: {why}")

    async def _tell(self, _request: web.Request) -> web.StreamResponse:
        return web.json_response(self.record.as_json())
