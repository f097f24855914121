"""From views to Prefect deployments, work pools and automations; and what they run on."""
