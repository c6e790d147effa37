"""AWS on this machine: one process behind one address, from engines that package registries hold.

Nothing here knows what it is used for: whoever wants an AWS to call may start it.

| folder or module | what |
|---|---|
| `gateway` | the one address: who answers which call |
| `engines` | DynamoDB Local, kinesis-local and moto: started, called, corrected where they differ from AWS |
| `lambda_api`, `lambdas` | the Lambda API, and the workers that run functions |
| `mappings` | event source mappings: from streams to functions |
| `replicas` | global tables |
| `permissions` | what roles allow, checked before a call is carried out |
| `faults` | faults on demand |
| `template` | a CloudFormation template, made resource by resource |
| `server`, `client` | the process, and how others start it |
"""
