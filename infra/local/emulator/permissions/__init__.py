"""What a function may do: its role's policies, from the local IAM, checked at the gateway before a call is carried out.

| module | does |
|---|---|
| `requirements` | turns a call into what IAM is asked for it: action, resource, context keys |
| `policies`, `wildcards` | say what a role's policies allow |
| `roles` | reads those policies from moto's IAM |
| `calls`, `callers` | find the call behind a request, and the role behind the call |
| `state_machines` | lets moto's Step Functions say by which role it calls |
| `refusals` | says no as AWS does |
| `record` | keeps what was really asked for |
| `permissions` | the hook of the gateway that joins them |

Not here, and so not checked: resource policies, service control policies, permissions boundaries, session policies, the
key policies of KMS, and whether a role trusts Lambda.
"""
