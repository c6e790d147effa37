"""All event source mappings of the local Lambda."""

import asyncio
import uuid as uuids
from collections.abc import Mapping
from typing import Any, Protocol

from infra.local.emulator.lambdas.lambda_errors import conflict, invalid_value, not_found
from infra.local.emulator.lambdas.lambda_function import LambdaFunction, parse_function_name
from infra.local.emulator.lambdas.lambda_host import LambdaHost
from infra.local.emulator.mappings.event_source_mapping import EventSourceMapping
from infra.local.emulator.mappings.mapping_settings import (
    MappingSettings,
    MappingTimes,
    read_starting_position,
    with_changes,
)
from infra.local.emulator.mappings.service_calls import ServiceCalls
from infra.local.emulator.mappings.stream_source import StreamSource, check_source, not_accessible, stream_source
from infra.local.emulator.permissions.requirements.requirement import Requirement
from infra.local.emulator.permissions.requirements.service_requirements import (
    destination_requirements,
    poller_requirements,
)


class FunctionPermissions(Protocol):
    """Knows what a function's role allows."""

    def check_function(self, function: LambdaFunction, requirements: tuple[Requirement, ...]) -> str | None:
        """Return why the role does not allow something, None if it allows all."""
        ...


class EventSourceMappings:
    """Keeps the mappings and lets them read.

    Args:
        host: runs the functions.
        endpoint_url: where streams are read and discarded records written.
        account: the account in ARNs.
        times: how long what takes AWS minutes takes here.

    Attributes:
        permissions: asked before a function is given a stream; without one nothing is asked.
    """

    def __init__(self, *, host: LambdaHost, endpoint_url: str, account: str, times: MappingTimes | None = None) -> None:
        self.permissions: FunctionPermissions | None = None
        self._host = host
        self._account = account
        self._times = times or MappingTimes()
        self._calls = ServiceCalls(endpoint_url)
        self._mappings: dict[str, EventSourceMapping] = {}

    async def start(self) -> None:
        """Be ready. There is nothing to do before the first mapping is created."""

    async def stop(self) -> None:
        """End all mappings, whatever is under way."""
        await asyncio.gather(*(mapping.kill() for mapping in self._mappings.values()))
        self._mappings.clear()
        await self._calls.close()

    async def create(self, request: Mapping[str, Any], *, region: str) -> dict[str, Any]:
        """Create a mapping and return its configuration.

        Args:
            request: the members of CreateEventSourceMapping.
            region: the caller's region.

        Raises:
            LambdaApiError: no such stream or function, a wrong value, the two are mapped already, or the function's
                role may not read the stream or write to the destination.
        """
        function = self._host.get(str(request.get("FunctionName", "")), region=region)
        calls = self._calls.for_function(function.arn)
        source = stream_source(str(request.get("EventSourceArn", "")), calls)
        start = read_starting_position(request, source.service)
        settings = with_changes(MappingSettings(), request)
        uuid = str(uuids.uuid4())
        self._check_allowed(function, source, settings, uuid)
        await check_source(source)
        self._check_new(source.arn, function.arn)
        mapping = EventSourceMapping(
            uuid=uuid,
            account=self._account,
            source=source,
            start=start,
            function=function,
            settings=settings,
            times=self._times,
            invoker=self._host,
            calls=calls,
        )
        self._mappings[mapping.uuid] = mapping
        mapping.create(enabled=bool(request.get("Enabled", True)))
        return mapping.as_api()

    def get(self, uuid: str) -> dict[str, Any]:
        """Return a mapping's configuration.

        Raises:
            LambdaApiError: ResourceNotFoundException.
        """
        return self._mapping(uuid).as_api()

    def find(self, *, region: str, source_arn: str | None, function_name: str | None) -> list[dict[str, Any]]:
        """Return the configurations of a region's mappings, those of one stream or function if it is given."""
        wanted = parse_function_name(function_name, region) if function_name else None
        return [
            mapping.as_api()
            for mapping in self._mappings.values()
            if mapping.region == region
            and source_arn in (None, mapping.source.arn)
            and wanted in (None, parse_function_name(mapping.function_arn, region))
        ]

    def update(self, uuid: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """Change a mapping and return its configuration.

        Raises:
            LambdaApiError: no such mapping or function, a wrong value, an earlier change is under way, or the
                function's role may not read the stream or write to the destination.
        """
        mapping = self._mapping(uuid)
        settings = with_changes(mapping.settings, request)
        name = request.get("FunctionName")
        function = self._host.get(str(name), region=mapping.region) if name else None
        its_own = function or self._host.find(mapping.function_arn)
        if its_own and (function or "DestinationConfig" in request):
            self._check_allowed(its_own, mapping.source, settings, uuid)
        mapping.update(settings, function, enabled=request.get("Enabled"))
        return mapping.as_api()

    def delete(self, uuid: str) -> dict[str, Any]:
        """Delete a mapping once its batch under way is through; return its configuration.

        Raises:
            LambdaApiError: no such mapping, or an earlier change is under way.
        """
        mapping = self._mapping(uuid)
        mapping.delete(lambda: self._forget(uuid))
        return mapping.as_api()

    def _mapping(self, uuid: str) -> EventSourceMapping:
        try:
            return self._mappings[uuid]
        except KeyError:
            raise not_found("The resource you requested does not exist.") from None

    def function_of_mapping(self, uuid: str) -> str | None:
        """Return the ARN of the function that a mapping calls, None without such a mapping."""
        mapping = self._mappings.get(uuid)
        return mapping.function_arn if mapping else None

    def _check_allowed(
        self, function: LambdaFunction, source: StreamSource, settings: MappingSettings, uuid: str
    ) -> None:
        """As on AWS, refuse what the function's role would not let the mapping do."""
        if self.permissions is None:
            return
        if self.permissions.check_function(function, poller_requirements(source.arn)):
            raise invalid_value(not_accessible(source))
        if settings.on_failure:
            needed = destination_requirements(settings.on_failure, uuid)
            if why := self.permissions.check_function(function, needed):
                raise invalid_value(f"The function's role has no permission for the destination on failure. {why}")

    def _forget(self, uuid: str) -> None:
        self._mappings.pop(uuid, None)

    def _check_new(self, source_arn: str, function_arn: str) -> None:
        for mapping in self._mappings.values():
            if (mapping.source.arn, mapping.function_arn) == (source_arn, function_arn):
                raise conflict(
                    f'The event source arn (" {source_arn} ") and function (" {function_arn} ") provided mapping '
                    f"already exists. Please update or delete the existing mapping with UUID {mapping.uuid}",
                )
