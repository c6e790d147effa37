"""The policies of roles, as they stand in moto's IAM in this process."""

from collections.abc import Callable
from typing import Any, Final

from infra.local.emulator.permissions.policies import Policies, PolicyUnknown

_PARTITION: Final = "aws"
_REMEMBERED_MOST: Final = 1000


class Roles:
    """Finds a role's policies: those written into it, and the managed ones attached to it.

    They are read anew for every call, so that a change counts from the next call on; evaluated policies are kept for as
    long as the documents are the same.

    Args:
        iam: gives moto's IAM backend; asked once, at the first call.
    """

    def __init__(self, iam: Callable[[], Any]) -> None:
        self._iam = iam
        self._backend: Any = None
        self._by_arn: dict[str, Any] = {}
        self._evaluated: dict[tuple[str, ...], Policies] = {}

    def policies_of(self, role_arn: str) -> Policies | None:
        """Return what a role may do; None if IAM does not know the role.

        Raises:
            PolicyUnknown: a policy has something in it that is not evaluated here.
        """
        role = self._role(role_arn)
        if role is None:
            return None
        if role.permissions_boundary_arn:
            raise PolicyUnknown(f"the role {role_arn} has a permissions boundary, which is not evaluated here")
        documents = tuple(role.policies.values())
        if role.managed_policies:
            documents += tuple(str(policy.document) for policy in role.managed_policies.values())
        evaluated = self._evaluated.get(documents)
        if evaluated is None:
            if len(self._evaluated) >= _REMEMBERED_MOST:
                self._evaluated.clear()
            evaluated = self._evaluated[documents] = Policies(documents)
        return evaluated

    def _role(self, arn: str) -> Any:  # noqa: ANN401 — moto's own
        if self._backend is None:
            self._backend = self._iam()
        known = self._by_arn.get(arn)
        # moto keeps roles by ids that it makes up, and looks through all of them for an ARN.
        if known is None or self._backend.roles.get(known.id) is not known:
            roles = list(self._backend.roles.values())  # moto's threads may add one meanwhile
            known = next((role for role in roles if role.arn == arn), None)
            if known is None:
                self._by_arn.pop(arn, None)
            else:
                self._by_arn[arn] = known
        return known


def iam_of_moto(account: str) -> Any:  # noqa: ANN401 — moto's own
    """Return moto's IAM of an account."""
    from moto.iam.models import iam_backends  # noqa: PLC0415 — moto is imported late, see engines/moto_app.py

    return iam_backends[account][_PARTITION]
