"""Items of DynamoDB, as a scan and an export have them: made plain, their keys, and views that are drafted of them."""
