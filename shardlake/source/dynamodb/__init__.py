"""DynamoDB: tables read by parallel scans; a segment is a partition."""
