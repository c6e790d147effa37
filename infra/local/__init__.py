"""AWS on this machine: one process behind one address, from engines that package registries hold.

| folder or module | what |
|---|---|
| `gateway` | the one address: who answers which call |
| `engines` | DynamoDB Local, kinesis-local and moto: started, called, corrected where they differ from AWS |
| `lambdas` | the Lambda API and the workers that run functions |
| `mappings` | event source mappings: from streams to functions |
| `replicas` | global tables |
| `permissions` | what roles allow, checked before a call is carried out |
| `faults` | faults on demand |
| `server`, `client` | the process; how demo and tests start it |
| `deploy`, `playground`, `demo` | a migration deployed here; `make local`; `make demo` |
"""
