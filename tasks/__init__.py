"""The Lambda package: one module per function, named as its state is. `aws` calls AWS, `core` decides."""
