"""The budgets of the product, measured; nothing here is a test that could fail on a busy machine."""
