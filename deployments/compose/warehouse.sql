-- Run once by Postgres's image when it makes the warehouse: a loader that may make schemas of its own here, and is no superuser.
\getenv password WAREHOUSE_PASSWORD
CREATE ROLE loader LOGIN PASSWORD :'password';
GRANT CREATE ON DATABASE :"DBNAME" TO loader;
