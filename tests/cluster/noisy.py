"""What is imported in vain."""

for number in range(100):
    print("line", number)  # noqa: T201

raise LookupError
