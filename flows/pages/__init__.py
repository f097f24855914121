"""What people read in Prefect: a page a run, a page of the fleet, and how far a run is."""
